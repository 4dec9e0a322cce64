import { describe, expect, it } from 'vitest'
import { logFindings } from '../../src/admin/findings-log.ts'
import type { Finding } from '../../src/admin/judge.ts'
import type { LogEventName, LogFields } from '../../src/log/log-events.ts'
import { manualClock } from '../support/manual-clock.ts'

type Line = LogFields & { readonly event: LogEventName; readonly level: unknown }

function follow(findings: readonly Finding[]) {
  const clock = manualClock()
  const lines: Line[] = []
  let now = findings
  logFindings(
    clock,
    (event, fields, level) => lines.push({ event, level, ...fields }),
    () => now,
  )
  return {
    lines,
    clock,
    /** After a second of it. */
    change: async (next: readonly Finding[]): Promise<readonly Line[]> => {
      now = next
      lines.length = 0
      await clock.advance(1000)
      return [...lines]
    },
  }
}

const calls = (state: 'degraded' | 'failing', code: 'no-route' | 'lost'): Finding => ({
  finding: 'calls',
  state,
  code: state === 'failing' ? 'IsalesProxyCallsFailing' : 'IsalesProxyErrorRatio',
  facts: [['failedCalls', { part: 4, of: 60 }]],
  why: { code, facts: [['isales', 'isales.example:443']] },
})
const HEALTHY: Finding = {
  finding: 'healthy',
  state: 'healthy',
  code: 'healthy',
  facts: [],
  why: undefined,
}

describe('the log says what the page says', () => {
  it('when it begins, with code, section, cause, cure and facts, and when it ends', async () => {
    const { lines, change } = follow([HEALTHY])
    expect(lines).toMatchObject([{ event: 'finding-began', level: 'info', state: 'healthy' }])
    expect(await change([calls('failing', 'no-route')])).toEqual([
      { event: 'finding-ended', level: undefined, finding: 'healthy', durationSeconds: 1 },
      {
        event: 'finding-began',
        level: 'error',
        finding: 'calls',
        state: 'failing',
        code: 'IsalesProxyCallsFailing',
        cause: 'no-route',
        section: 'errors.md#no-route',
        detail:
          'Calls fail. There is no route to the address. Check the network, the firewall and the address in ISALES_URL (egress proxy: HTTPS_PROXY). iSales (ISALES_URL): isales.example:443; Failed calls: 4 of 60.',
      },
    ])
    expect(await change([calls('failing', 'no-route')])).toEqual([])
    expect(await change([HEALTHY])).toMatchObject([
      { event: 'finding-ended', finding: 'calls', durationSeconds: 2 },
      { event: 'finding-began', finding: 'healthy' },
    ])
  })

  it('anew when it is worse or has another cause, and once of those that take turns', async () => {
    const { change, clock, lines } = follow([calls('degraded', 'no-route')])
    const levels = async (...next: readonly Finding[]) =>
      (await change(next)).map(({ level, cause: why }) => [level, why])
    expect(await levels(calls('failing', 'no-route'))).toEqual([['error', 'no-route']])
    expect(await levels(calls('failing', 'lost'))).toEqual([['error', 'lost']])
    expect(await levels(calls('failing', 'no-route'))).toEqual([])
    expect(await levels(calls('degraded', 'no-route'))).toEqual([])
    // The last line is what the page says, a minute later at most.
    await clock.advance(60_000)
    expect(lines).toMatchObject([{ level: 'warn', cause: 'no-route' }])
    expect(await levels(HEALTHY)).toHaveLength(2)
    expect(await levels(calls('degraded', 'no-route'))).toEqual([
      [undefined, undefined],
      ['warn', 'no-route'],
    ])
  })

  it('of each file that cannot be read', () => {
    const names = ['ISALES_USER_FILE', 'ISALES_PASSWORD_FILE']
    const files = names.map((setting): Finding => {
      const why = { code: 'empty-file', facts: [] } as const
      const code = 'IsalesProxyReloadFailed'
      return { finding: 'files', state: 'degraded', code, facts: [['setting', setting]], why }
    })
    const details = follow(files).lines.map(({ detail }) => detail)
    expect(details).toEqual(names.map((name) => expect.stringContaining(name)))
  })
})
