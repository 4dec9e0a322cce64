import { AUTH_FAILURE_REASONS, type AuthFailureReason, type Operation } from '../token/protocol.ts'
import type { TokenEvent } from '../token/events.ts'

/** One login or refresh that ended. */
export interface Exchange {
  readonly operation: Operation
  /** When it ended, on the monotonic clock. */
  readonly at: number
  readonly durationMs: number
  /** Undefined: it succeeded. */
  readonly reason: AuthFailureReason | undefined
}

/** How often something happened since the start, and when last, on the monotonic clock. */
export interface Occurrences {
  readonly count: number
  readonly lastAt: number | undefined
}

export interface HistoryView {
  /** The last exchanges, the newest last. */
  readonly exchanges: readonly Exchange[]
  /** Failures since the start; a reason that never came is at 0. */
  readonly failures: Readonly<Record<AuthFailureReason, number>>
  readonly conflicts: Occurrences
  readonly rejections: Occurrences
  readonly credentialChanges: Occurrences
}

/** What the status page remembers of the past: bounded, however long the process lives. */
export interface History {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly view: () => HistoryView
}

/** Four hours at a token life of five minutes. */
const LONGEST = 60

export function createHistory(): History {
  const exchanges: Exchange[] = []
  const failures = Object.fromEntries(AUTH_FAILURE_REASONS.map((reason) => [reason, 0])) as Record<
    AuthFailureReason,
    number
  >
  const never: Occurrences = { count: 0, lastAt: undefined }
  let conflicts = never
  let rejections = never
  let credentialChanges = never

  const remember = (exchange: Exchange): void => {
    exchanges.push(exchange)
    if (exchanges.length > LONGEST) exchanges.shift()
  }
  const again = ({ count }: Occurrences, at: number): Occurrences => ({
    count: count + 1,
    lastAt: at,
  })

  return {
    onTokenEvent(event) {
      const { at } = event
      switch (event.type) {
        case 'granted':
          remember({
            operation: event.operation,
            at,
            durationMs: event.durationMs,
            reason: undefined,
          })
          break
        case 'failed': {
          const { reason } = event.failure
          failures[reason] += 1
          remember({ operation: event.operation, at, durationMs: event.durationMs, reason })
          break
        }
        case 'token-rejected':
          rejections = again(rejections, at)
          break
        case 'conflict':
          conflicts = again(conflicts, at)
          break
        case 'credentials-changed':
          credentialChanges = again(credentialChanges, at)
          break
        case 'request-started':
          break
      }
    },

    view: () => ({
      exchanges: [...exchanges],
      failures: { ...failures },
      conflicts,
      rejections,
      credentialChanges,
    }),
  }
}
