import type { LogEventName, LogFields } from '../src/log/log-events.ts'
import type { SimulatorState } from '../simulator/index.ts'
import type { Call } from './obs-client.ts'
import type { Screen, Style } from './screen.ts'

/** Prints events line by line, and counts them for the summary. */
export interface Report {
  /** Takes a log line of the proxy. */
  readonly onLog: (event: LogEventName, fields?: LogFields) => void
  readonly onTicket: (operation: 'login' | 'refresh', lifetime: number) => void
  readonly onCall: (call: Call) => void
  readonly onRevoked: () => void
  /** Prints token and traffic, in the live line or as a permanent line. */
  readonly showProgress: () => void
  /** Prints the summary; returns true if every call succeeded and no token of iSales leaked. */
  readonly summarize: (end: Pick<Outcome, 'state' | 'leaked'>) => boolean
}

export interface Outcome {
  readonly state: Pick<SimulatorState, 'duplicates' | 'callnos' | 'results'>
  /** Tokens of iSales that reached CTI-OBS. */
  readonly leaked: number
  readonly requests: number
  readonly failed: number
}

interface ReportOptions {
  readonly screen: Screen
  readonly now: () => number
  /** Business calls that iSales has rejected because of their token so far. */
  readonly rejected: () => number
}

const BAR = 20
const DURATIONS_KEPT = 50_000
const PROBLEMS: ReadonlySet<LogEventName> = new Set<LogEventName>([
  'access',
  'unexpected',
  'finding-began',
])

/** True if every call succeeded, none was lost or executed twice, and no token leaked. */
export function succeeded({ requests, failed, leaked, state }: Outcome): boolean {
  const isWorkDone = state.duplicates === 0 && state.callnos === state.results
  return requests > 0 && failed === 0 && leaked === 0 && isWorkDone
}

export function createReport({ screen, now, rejected }: ReportOptions): Report {
  const { paint, print } = screen
  const startedAt = now()
  const counts = { requests: 0, failed: 0, logins: 0, renewals: 0, revocations: 0, healed: 0 }
  const tickets = { login: 0, refresh: 0 }
  const durations: number[] = []
  let recent: number[] = []
  let token: { generation: number; since: number; lifetime: number } | undefined
  let revoked: { readonly at: number; readonly rejected: number } | undefined
  let slowestHealing = 0

  function line(style: Style, mark: string, label: string, text: string): void {
    const time = paint('dim', seconds(now() - startedAt).padStart(8))
    print(`${time}  ${paint(style, `${mark} ${label.padEnd(9)}`)} ${text}`)
  }

  function onGranted({
    generation = 0,
    lifetimeSeconds = 0,
    durationMs = 0,
    operation,
  }: LogFields) {
    const isFirst = token === undefined
    token = {
      generation,
      since: now(),
      lifetime: lifetimeSeconds * 1000,
    }
    if (operation === 'login') counts.logins += 1
    const what = `token ${generation}, good for ${lifetimeSeconds} s`
    if (revoked !== undefined) {
      const took = now() - revoked.at
      const again = rejected() - revoked.rejected
      revoked = undefined
      counts.healed += 1
      slowestHealing = Math.max(slowestHealing, took)
      const resent = again === 1 ? '1 request was' : `${again} requests were`
      line('green', '✔', 'healed', `${what}, after ${whole(took)} ms; ${resent} sent again`)
    } else if (isFirst) {
      line('green', '●', 'logged in', `${what}, after ${whole(durationMs)} ms`)
    } else {
      counts.renewals += 1
      const how = operation === 'refresh' ? 'by refresh token' : 'by login'
      line('cyan', '↻', 'renewed', `${what}, ${how}, ahead of its end`)
    }
  }

  function onRevoked(text: string, rejectedBefore: number): void {
    counts.revocations += 1
    revoked = { at: now(), rejected: rejectedBefore }
    line('yellow', '⚡', 'revoked', text)
  }

  /** Requests in the last second. */
  function rate(): number {
    recent = recent.filter((at) => now() - at < 1000)
    return recent.length
  }

  function percentile(share: number): number {
    const sorted = durations.toSorted((one, other) => one - other)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  }

  function showLive(): void {
    const traffic = [
      ['bold', `${counts.requests.toLocaleString('en')} requests`],
      ['dim', ` · ${rate()}/s`],
      [counts.failed === 0 ? 'green' : 'red', ` · ${counts.failed} failed`],
    ] as const
    if (token === undefined) return screen.show([['yellow', '  no token yet  '], ...traffic])
    const age = Math.min(now() - token.since, token.lifetime)
    const spent = Math.round((age / token.lifetime) * BAR)
    return screen.show([
      ['cyan', `  ${'━'.repeat(BAR - spent)}`],
      ['dim', '─'.repeat(spent)],
      ['bold', `  token ${token.generation}`],
      ['dim', ` ${seconds(age)} of ${token.lifetime / 1000} s  `],
      ...traffic,
    ])
  }

  return {
    onLog(event, fields = {}) {
      if (event === 'logged-in' || event === 'renewed') onGranted(fields)
      // An operator used the control port: the demo prints its own revocations before.
      if (event === 'token-rejected' && revoked === undefined)
        onRevoked('iSales rejected the token', rejected() - 1)
      if (PROBLEMS.has(event))
        line('red', '✘', 'proxy', [event, fields['cause'] ?? fields['code']].join(' '))
    },
    onTicket(operation, lifetime) {
      tickets[operation] += 1
      const done = operation === 'login' ? 'logged in at the proxy' : 'refreshed its own ticket'
      line('blue', '◆', 'CTI-OBS', `${done}, good for ${lifetime} s`)
    },
    onCall({ name, ok, durationMs, problem = '' }) {
      durations[counts.requests % DURATIONS_KEPT] = durationMs
      counts.requests += 1
      recent.push(now())
      if (ok) return
      counts.failed += 1
      line('red', '✘', 'CTI-OBS', `${name} failed: ${problem}`)
    },
    onRevoked: () => onRevoked('iSales ended every token', rejected()),
    showProgress() {
      if (screen.live) return showLive()
      const held = token === undefined ? 'no token yet' : `token ${token.generation}`
      const traffic = `${counts.requests} requests, ${rate()}/s, ${counts.failed} failed`
      return line('dim', ' ', 'traffic', `${held}; ${traffic}`)
    },
    summarize({ state, leaked }) {
      const isGood = succeeded({ ...counts, state, leaked })
      const ran = paint('dim', `It ran ${seconds(now() - startedAt)}.`)
      const row = (label: string, figure: string, rest: string): void =>
        print(`  ${paint('dim', label.padEnd(12))}${paint('bold', figure.padStart(9))}   ${rest}`)
      const verdict = isGood
        ? paint('green', '✔ CTI-OBS noticed nothing.')
        : paint('red', '✘ Not every call succeeded.')
      print(`\n  ${verdict} ${ran}\n`)
      const failures = counts.failed === 0 ? 'all succeeded' : `${counts.failed} failed`
      row('requests', counts.requests.toLocaleString('en'), failures)
      row('renewals', String(counts.renewals), 'ahead of the end of the token, no call waited')
      const healed =
        counts.healed === 0 ? 'healed' : `healed, the slowest in ${whole(slowestHealing)} ms`
      row('revocations', `${counts.healed}/${counts.revocations}`, healed)
      row('logins', String(counts.logins), 'at iSales')
      const seen = leaked === 0 ? 'and no token of iSales' : `and ${leaked} tokens of iSales`
      const all = tickets.login + tickets.refresh
      row(
        'tickets',
        String(all),
        `given to CTI-OBS, ${tickets.refresh} of them by refresh, ${seen}`,
      )
      const twice = state.duplicates === 0 ? 'none' : String(state.duplicates)
      const written = `results written for the numbers handed out, ${twice} twice`
      row('work', `${state.results}/${state.callnos}`, written)
      const p99 = `p50, ${percentile(0.99).toFixed(1)} ms p99, all in one process`
      row('latency', `${percentile(0.5).toFixed(1)} ms`, p99)
      print('')
      return isGood
    },
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Rounded, and never 0. */
function whole(ms: number): number {
  return Math.max(1, Math.round(ms))
}
