import { hostname } from 'node:os'
import type { RequestListener } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import { call } from '../support/call.ts'
import { serveHttp } from '../support/http-server.ts'
import { until, within } from '../support/until.ts'
import { openWorld } from '../support/world.ts'
import { runHere } from './stand.ts'

async function adminThat(responses: RequestListener): Promise<{ readonly ADMIN_LISTEN: string }> {
  const server = await serveHttp(responses)
  onTestFinished(server.close)
  return { ADMIN_LISTEN: `127.0.0.1:${server.port}` }
}
const responding =
  (status: number, body = ''): RequestListener =>
  (_, response) =>
    response.writeHead(status).end(body)

it('status prints the page or its JSON, in the language of the locale', async () => {
  const world = await openWorld({ env: { ADMIN_LISTEN: '0.0.0.0:0' } })
  const { port } = new URL(world.admin)
  // The command needs no other setting.
  const shell = { ADMIN_LISTEN: `:${port}` }
  const text = await runHere(['status'], { env: shell })
  expect(text).toMatchObject({ code: 0, stderr: '' })
  expect(text.stdout).toContain(`· ${hostname()} · Version test`)
  const json = await runHere(['status', '--json'], { env: shell })
  const status = JSON.parse(json.stdout) as Status
  expect(text.stdout).toContain(`[${status.title}]`)
  const chinese = await runHere(['status'], { env: { ...shell, LC_MESSAGES: 'zh_TW.UTF-8' } })
  expect(chinese.stdout).toContain('版本 test')
})

it('status exits with 0 if the process responds, in any state; --wait requires readiness', async () => {
  const world = await openWorld({ prepare: (sim) => sim.down(), ready: false })
  const env = { ADMIN_LISTEN: new URL(world.admin).host }
  expect((await call(`${world.admin}/readyz`)).status).toBe(503)
  expect((await runHere(['status'], { env })).code).toBe(0)
  const waited = await runHere(['status', '--wait', '0s'], { env })
  expect(waited).toMatchObject({ code: 5, stderr: expect.stringContaining('[not-ready]') })
  expect(waited.stdout).toContain('Version test')
})

it.each<[string, RequestListener, string]>([
  ['another program', responding(404, '<html>'), '[other-program]'],
  ['an error', responding(500, '\u001B[31m'), 'Status: 500. [odd-response]'],
  ['a flood', responding(503, 'x'.repeat(5_000_000)), 'Status: 503. [odd-response]'],
  [
    'a cut response',
    (_, response) => response.writeHead(200, { 'Content-Length': 9 }).destroy(),
    'Detail: ECONNRESET. [not-responding]',
  ],
  ['no response in time', () => undefined, 'Detail: no response in time. [not-responding]'],
])('status exits with 5 for %s', async (_, responses, text) => {
  const env = await adminThat(responses)
  const { code, stderr } = await within(runHere(['status'], { env }), 'status')
  expect(code).toBe(5)
  expect(stderr).toContain(text)
  expect(stderr).not.toContain('\u001B')
})

it('status --wait waits while it is not ready, and ends at the first signal', async () => {
  let asked = 0
  const env = await adminThat((_, response) => {
    asked++
    response.writeHead(503).end()
  })
  const signal = new AbortController()
  const running = runHere(['status', '--wait', '60s'], { env, signal: signal.signal })
  await until(() => asked > 1)
  signal.abort('SIGTERM')
  expect((await within(running, 'a signal')).code).toBe(143)
})
