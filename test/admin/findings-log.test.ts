import { describe, expect, it } from 'vitest'
import { watchFindings } from '../../src/admin/findings-log.ts'
import type { Finding } from '../../src/admin/diagnosis.ts'
import { createNews } from '../../src/log/news.ts'
import type { LogEventName, LogFields } from '../../src/log/log-events.ts'
import { manualClock } from '../support/manual-clock.ts'

type Line = LogFields & { event: LogEventName; level: unknown; message: unknown }
type Findings = readonly [Finding, ...Finding[]]

function follow(...findings: Findings) {
  const clock = manualClock()
  const lines: Line[] = []
  const states: string[] = []
  let now: Findings = findings
  const { look } = watchFindings(
    {
      clock,
      news: createNews(() => clock.now()),
      log: (event, fields, level, message) => lines.push({ event, level, message, ...fields }),
      onState: (state) => states.push(state),
    },
    () => now,
  )
  return {
    lines,
    states,
    look,
    /** Says these for so long. */
    during: async (ms: number, ...next: Findings): Promise<readonly Line[]> => {
      now = next
      lines.length = 0
      await clock.advance(ms)
      return [...lines]
    },
  }
}

const SECOND = 1000
const calls = (
  state: 'degraded' | 'failing',
  code: 'no-route' | 'lost' | undefined = 'no-route',
  part = 4,
): Finding => ({
  finding: 'failed',
  state,
  code: state === 'failing' ? 'IsalesProxyCallsFailing' : 'IsalesProxyErrorRatio',
  facts: [['lostCalls', { part, of: 60 }]],
  cause: code && { code, facts: [['isales', 'isales.example:443']] },
  isOver: code === undefined,
})
const over = (): Finding => ({ ...calls('degraded'), cause: undefined, isOver: true })
const HEALTHY: Finding = {
  finding: 'healthy',
  state: 'healthy',
  code: 'healthy',
  facts: [],
  cause: undefined,
  isOver: false,
}
const names = (lines: readonly Line[]) =>
  lines.map(({ event, level, cause }) => [event, level, cause].filter(Boolean).join(' '))

describe('the log says what the page says', () => {
  it('in one line when a finding begins, and in one when it ends, with title and remedy as the message', async () => {
    const { lines, during, states } = follow(HEALTHY)
    expect(lines).toEqual([])
    expect(await during(SECOND, calls('failing'))).toEqual([
      {
        event: 'finding-began',
        level: 'error',
        message:
          'Calls fail. There is no route to the address. Check the network, the firewall and the address in ISALES_URL (egress proxy: HTTPS_PROXY).',
        finding: 'failed',
        state: 'failing',
        code: 'IsalesProxyCallsFailing',
        cause: 'no-route',
        section: 'errors.md#no-route',
        detail: 'iSales (ISALES_URL): isales.example:443; Lost calls: 4 of 60',
      },
    ])
    expect(await during(10 * SECOND, calls('failing'))).toEqual([])
    // It fades, is over, and is forgotten.
    expect(await during(3 * SECOND, calls('degraded'))).toEqual([])
    expect(await during(5 * SECOND, over())).toEqual([
      {
        event: 'finding-ended',
        level: 'info',
        message: 'Calls fail; ended after 14 s',
        finding: 'failed',
        durationSeconds: 14,
      },
    ])
    expect(await during(SECOND, HEALTHY)).toEqual([])
    expect([...new Set(states)]).toEqual(['healthy', 'failing', 'degraded'])
  })

  it('in one line for an outage that begins with some calls', async () => {
    const { during } = follow(HEALTHY)
    for (const part of [10, 20])
      expect(await during(SECOND, calls('degraded', 'no-route', part))).toEqual([])
    expect(names(await during(SECOND, calls('failing')))).toEqual(['finding-began error no-route'])
  })

  it('of some calls as soon as they do not become more, of their worse state at once, and of causes that take turns once a minute', async () => {
    const { during } = follow(HEALTHY)
    expect(names(await during(2 * SECOND, calls('degraded')))).toEqual([
      'finding-began warn no-route',
    ])
    expect(names(await during(SECOND, calls('failing')))).toEqual(['finding-began error no-route'])
    expect(names(await during(SECOND, calls('failing', 'lost')))).toEqual([
      'finding-began error lost',
    ])
    expect(await during(SECOND, calls('failing'))).toEqual([])
    expect(await during(SECOND, calls('failing', 'lost'))).toEqual([])
    // What lasts is what the last line says, a minute later at most.
    expect(names(await during(61 * SECOND, calls('degraded')))).toEqual([
      'finding-began warn no-route',
    ])
  })

  it('once a minute if it comes and goes while the page still says it, and anew if the page did not', async () => {
    const { during } = follow(calls('failing'))
    expect(names(await during(SECOND, over()))).toEqual(['finding-ended info'])
    expect(await during(SECOND, calls('failing'))).toEqual([])
    expect(await during(SECOND, over())).toEqual([])
    await during(SECOND, HEALTHY)
    expect(names(await during(SECOND, calls('failing')))).toEqual(['finding-began error no-route'])
    expect(names(await during(SECOND, HEALTHY))).toEqual(['finding-ended info'])
  })

  it('as soon as it is asked to look', async () => {
    const { lines, look, during } = follow(HEALTHY)
    await during(100, calls('failing'))
    look()
    expect(names(lines)).toEqual(['finding-began error no-route'])
  })

  it('of each file that cannot be read', () => {
    const of = (setting: string): Finding => {
      const cause = { code: 'empty-file', facts: [] } as const
      return {
        ...HEALTHY,
        finding: 'files',
        state: 'degraded',
        facts: [['setting', setting]],
        cause,
      }
    }
    const { lines } = follow(of('ISALES_USER_FILE'), of('ISALES_PASSWORD_FILE'))
    const details = lines.map(({ detail }) => detail)
    expect(details).toEqual(['Setting: ISALES_USER_FILE', 'Setting: ISALES_PASSWORD_FILE'])
  })
})
