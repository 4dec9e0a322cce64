import { describe, expect, it } from 'vitest'
import { watchFindings } from '../../src/admin/findings-log.ts'
import type { Finding } from '../../src/admin/diagnosis.ts'
import { createLogThrottle } from '../../src/log/log-throttle.ts'
import type { LogFields } from '../../src/log/log-events.ts'
import { manualClock } from '../support/manual-clock.ts'

const SECOND = 1000
type Findings = readonly [Finding, ...Finding[]]

const NONE = { facts: [], cause: undefined, isOver: false }
const HEALTHY: Finding = { finding: 'healthy', state: 'healthy', code: 'healthy', ...NONE }
const FAILING: Finding = {
  ...HEALTHY,
  finding: 'failed',
  state: 'failing',
  code: 'IsalesProxyCallsFailing',
  facts: [['lostCalls', { part: 40, of: 60 }]],
  cause: { code: 'no-route', facts: [['isales', 'isales.example:443']] },
}
const DEGRADED = { ...FAILING, state: 'degraded', code: 'IsalesProxyCallsLost' } as const
const FINDINGS: Readonly<Record<string, Finding>> = {
  healthy: HEALTHY,
  failing: FAILING,
  lost: { ...FAILING, cause: { code: 'connection-lost', facts: [] } },
  few: { ...DEGRADED, facts: [['lostCalls', { part: 10, of: 60 }]] },
  more: { ...DEGRADED, facts: [['lostCalls', { part: 20, of: 60 }]] },
  over: { ...DEGRADED, cause: undefined, isOver: true },
}

function follow(...findings: Findings) {
  const clock = manualClock()
  const lines: (LogFields & Readonly<Record<'event' | 'level' | 'message', unknown>>)[] = []
  const states: string[] = []
  let now: Findings = findings
  const { look } = watchFindings(
    {
      clock,
      logThrottle: createLogThrottle(() => clock.now()),
      log: (event, fields, level, message) => lines.push({ event, level, message, ...fields }),
    },
    () => now,
    { onState: (state) => states.push(state), beat: () => undefined },
  )
  return {
    lines,
    states,
    look,
    /** Returns the lines of the next `ms` milliseconds, with this finding on the page. */
    during: async (ms: number, finding: Finding) => {
      now = [finding]
      lines.length = 0
      await clock.advance(ms)
      return [...lines]
    },
  }
}

describe('the log', () => {
  it('has one line when a finding begins, and one when it ends, with title, meaning and remedy as the message', async () => {
    const { lines, during, states } = follow(HEALTHY)
    expect(lines).toEqual([])
    expect(await during(SECOND, FAILING)).toEqual([
      {
        event: 'finding-began',
        level: 'error',
        message:
          'Calls fail. There is no route to the address. Most calls of CTI-OBS do not succeed. Check the network, the firewall and the address in the setting.',
        finding: 'failed',
        state: 'failing',
        code: 'IsalesProxyCallsFailing',
        cause: 'no-route',
        section: 'errors.md#no-route',
        detail: 'iSales (ISALES_URL): isales.example:443; Lost calls: 40 of 60',
      },
    ])
    expect(await during(10 * SECOND, FAILING)).toEqual([])
    // An ending outage is degraded, then over.
    expect(await during(3 * SECOND, DEGRADED)).toEqual([])
    expect(await during(5 * SECOND, { ...DEGRADED, isOver: true })).toMatchObject([
      { event: 'finding-ended', level: 'warn', message: 'Calls fail; ended after 14 s' },
    ])
    expect([...new Set(states)]).toEqual(['healthy', 'failing', 'degraded'])
  })

  it.each([
    ['an outage that begins with some calls', 'few, more, failing = error no-route'],
    [
      'a worse state at once, and alternating causes once a minute',
      'few*2 = warn no-route, failing = error no-route, lost = error connection-lost, failing, lost, few*61 = warn no-route',
    ],
    [
      'a finding that begins again: once a minute while it is on the page, and at once after that',
      'failing = error no-route, over = ended, failing, over, healthy, failing = error no-route, healthy = ended',
    ],
  ])('has few lines of %s', async (_, steps) => {
    const { during } = follow(HEALTHY)
    for (const step of steps.split(', ')) {
      const [, name = '', seconds = 1, expected = ''] =
        /^(\w+)(?:\*(\d+))?(?: = (.*))?$/.exec(step) ?? []
      const lines = await during(Number(seconds) * SECOND, FINDINGS[name] ?? HEALTHY)
      const texts = lines.map(({ level, cause }) => (cause ? `${String(level)} ${cause}` : 'ended'))
      expect([step, texts.join()]).toEqual([step, expected])
    }
  })

  it('has a line as soon as it is asked to look', async () => {
    const { lines, look, during } = follow(HEALTHY)
    expect(await during(100, FAILING)).toEqual([])
    look()
    expect(lines).toHaveLength(1)
  })

  it.each<readonly [string, facts: Finding['facts'], Finding['cause']]>([
    ['files', [['setting', 'ISALES_USER_FILE']], undefined],
    ['process', [], { code: 'stood-still', facts: [] }],
  ])('has lines for each of two findings %s, whose order changes', async (name, facts, cause) => {
    const one = { ...DEGRADED, finding: name as Finding['finding'], cause, facts }
    const descriptors = { code: 'no-descriptors', facts: [] } as const
    const file = ['setting', 'ISALES_PASSWORD_FILE'] as const
    const other: Finding = { ...one, facts: [file], cause: descriptors }
    const { lines, during } = follow(one, other)
    const events = lines.map(({ event, cause: of }) => [event, of])
    expect(events).toEqual([cause?.code, 'no-descriptors'].map((of) => ['finding-began', of]))
    expect(await during(SECOND, other)).toMatchObject([{ event: 'finding-ended' }])
    expect(await during(5 * SECOND, other)).toEqual([])
  })

  it('says that failing calls ended when they do, not when a missing token explains them', async () => {
    const { during } = follow(FAILING)
    expect(await during(SECOND, { ...DEGRADED, follows: true })).toEqual([])
    const ended = { message: 'Calls fail; ended after 2 s' }
    expect(await during(SECOND, HEALTHY)).toMatchObject([ended])
    expect(await during(SECOND, { ...DEGRADED, follows: true })).toEqual([])
  })

  it('says of no finding that it ended because the process ends', async () => {
    const { during } = follow(FAILING)
    const draining = { ...HEALTHY, finding: 'draining', state: 'draining' } as const
    expect(await during(SECOND, draining)).toEqual([])
  })
})
