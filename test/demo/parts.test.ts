// The whole demo runs in test/behaviour/demo.test.ts.
import { expect, it } from 'vitest'
import { parseDemoArgs } from '../../demo/demo.ts'
import { createReport, succeeded } from '../../demo/report.ts'
import { createScreen } from '../../demo/screen.ts'

it.each(['4', '86401', '7.5', ''])('the demo does not run for %j seconds', (seconds) => {
  expect(parseDemoArgs(['--seconds', seconds])).toContain('from 5 to 86400')
})

const state = { duplicates: 0, callnos: 5, results: 5 }
const good = { requests: 9, failed: 0, leaked: 0, state }

it.each([
  ['nothing wrong', good, true],
  ['no call at all', { ...good, requests: 0 }, false],
  ['a failed call', { ...good, failed: 1 }, false],
  ['a call executed twice', { ...good, state: { ...state, duplicates: 1 } }, false],
  ['a result that was lost', { ...good, state: { ...state, results: 4 } }, false],
  ['a token that got out', { ...good, leaked: 1 }, false],
])('the verdict of the demo with %s is right', (_, outcome, success) => {
  expect(succeeded(outcome)).toBe(success)
})

it('the verdict of the demo is printed with what failed, in plain lines on a terminal that can do no more', () => {
  let written = ''
  const stdout = { write: (text: string) => (written += text) }
  const screen = createScreen({ stdout, isTTY: true, env: { TERM: 'dumb' } })
  const report = createReport({ screen, now: () => 0, rejected: () => 0 })
  report.onCall({ name: 'getTask', ok: false, durationMs: 3, problem: 'status 503' })
  report.onLog('finding-began', { code: 'IsalesProxyCallsFailing', cause: 'no-route' })
  expect(report.summarize({ state, leaked: 0 })).toBe(false)
  expect(written).toMatch(/✘ CTI-OBS +getTask failed: status 503/)
  expect(written).toMatch(/✘ proxy +finding-began no-route/)
  expect(written).toMatch(/✘ Not every call succeeded/)
  expect(written).toMatch(/requests +1 {3}1 failed/)
  expect(written).not.toContain('\u001b')
})
