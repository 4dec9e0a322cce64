import type { LogEventName } from '../src/log/events.ts'
import type { LogFields } from '../src/log/logger.ts'
import type { TokenEvent } from '../src/token/events.ts'
import type { Screen, Style } from './screen.ts'

/** What happens, told line by line; and counted for the summary. */
export interface Story {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly onTicket: (operation: 'login' | 'refresh', lifetime: number) => void
  readonly onLog: (event: LogEventName, fields?: LogFields) => void
  readonly onFailedCall: (name: string, problem: string) => void
  readonly onRevoked: () => void
  readonly counts: StoryCounts
  /** The token at hand, as the proxy sees it. */
  readonly token: TokenView | undefined
}

export interface StoryCounts {
  /** Sessions renewed ahead of their end. */
  renewals: number
  logins: number
  revocations: number
  healed: number
  /** Milliseconds from a revocation to the next token; of the slowest. */
  healing: number
  clientLogins: number
  clientRefreshes: number
}

export interface TokenView {
  readonly generation: number
  readonly since: number
  /** Milliseconds. */
  readonly lifetime: number
}

interface StoryOptions {
  readonly screen: Screen
  readonly now: () => number
  readonly startedAt: number
  /** Business calls that iSales has refused for their token so far. */
  readonly rejected: () => number
}

const LOGGED: Partial<Record<LogEventName, true>> = { 'request-failed': true, unexpected: true }

export function createStory({ screen, now, startedAt, rejected }: StoryOptions): Story {
  const counts: StoryCounts = {
    renewals: 0,
    logins: 0,
    revocations: 0,
    healed: 0,
    healing: 0,
    clientLogins: 0,
    clientRefreshes: 0,
  }
  let token: TokenView | undefined
  let revokedAt: number | undefined
  let rejectedBefore = 0

  function tell(style: Style, mark: string, label: string, text: string): void {
    const time = screen.paint('dim', seconds(now() - startedAt).padStart(8))
    screen.print(`${time}  ${screen.paint(style, `${mark} ${label.padEnd(9)}`)} ${text}`)
  }

  function onGranted(event: Extract<TokenEvent, { type: 'granted' }>): void {
    const { session, operation, durationMs } = event
    const known = token !== undefined
    token = {
      generation: session.generation,
      since: session.obtainedAt,
      lifetime: session.lifetime,
    }
    if (operation === 'login') counts.logins += 1
    const what = `token ${session.generation}, good for ${whole(session.lifetime / 1000)} s`
    if (revokedAt !== undefined) return tellHealed()
    if (!known) return tell('green', '●', 'logged in', `${what}, after ${whole(durationMs)} ms`)
    counts.renewals += 1
    const how = operation === 'refresh' ? 'by refresh token' : 'by login'
    return tell('cyan', '↻', 'renewed', `${what}, ${how}, ahead of its end`)
  }

  function onRevoked(text: string, rejectedSoFar: number): void {
    counts.revocations += 1
    revokedAt = now()
    rejectedBefore = rejectedSoFar
    tell('yellow', '⚡', 'revoked', text)
  }

  function tellHealed(): void {
    const took = now() - (revokedAt ?? now())
    revokedAt = undefined
    counts.healed += 1
    counts.healing = Math.max(counts.healing, took)
    const again = rejected() - rejectedBefore
    const resent = again === 1 ? '1 request was' : `${again} requests were`
    const generation = token?.generation ?? 0
    tell(
      'green',
      '✔',
      'healed',
      `token ${generation} after ${whole(took)} ms; ${resent} sent again`,
    )
  }

  return {
    counts,
    get token() {
      return token
    },
    onTokenEvent(event) {
      if (event.type === 'granted') onGranted(event)
      // Somebody used the control port; what the demo itself revokes is told before.
      if (event.type === 'token-rejected' && revokedAt === undefined)
        onRevoked('iSales refused the token', rejected() - 1)
      if (event.type === 'failed')
        tell('red', '✘', 'failed', `${event.operation}: ${event.failure.detail}`)
    },
    onTicket(operation, lifetime) {
      counts[operation === 'login' ? 'clientLogins' : 'clientRefreshes'] += 1
      const done = operation === 'login' ? 'logged in at the proxy' : 'refreshed its own ticket'
      tell('blue', '◆', 'CTI-OBS', `${done}, good for ${lifetime} s`)
    },
    onLog(event, { code = '' } = {}) {
      if (LOGGED[event]) tell('red', '✘', 'proxy', `${event} ${code}`)
    },
    onFailedCall(name, problem) {
      tell('red', '✘', 'CTI-OBS', `${name} was not answered with success: ${problem}`)
    },
    onRevoked: () => onRevoked('iSales ended every token, and told nobody', rejected()),
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Rounded, and never a 0 for what took some time. */
export function whole(ms: number): number {
  return Math.max(1, Math.round(ms))
}
