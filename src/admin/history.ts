import type { TokenEvent } from '../token/events.ts'
import type { AuthFailureReason, Operation } from '../token/protocol.ts'

/** One login or refresh that ended. */
export interface TokenRequest {
  readonly operation: Operation
  /** When it ended, on the monotonic clock. */
  readonly at: number
  readonly durationMs: number
  /** Undefined: it succeeded. */
  readonly reason: AuthFailureReason | undefined
}

export interface HistoryView {
  /** The last 60 logins and refreshes, the newest last. */
  readonly tokenRequests: readonly TokenRequest[]
  /** When each kind of event was last seen, on the monotonic clock. */
  readonly lastAt: Readonly<Partial<Record<TokenEvent['type'], number>>>
}

/** What the status page shows of the past and the counters do not hold. Bounded in memory. */
export interface History {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly view: () => HistoryView
}

/** Four hours at a token lifetime of five minutes. */
const LONGEST = 60

export function createHistory(): History {
  const tokenRequests: TokenRequest[] = []
  const lastAt: Partial<Record<TokenEvent['type'], number>> = {}

  return {
    onTokenEvent(event) {
      lastAt[event.type] = event.at
      if (event.type !== 'granted' && event.type !== 'failed') return
      const { operation, at, durationMs } = event
      const reason = event.type === 'failed' ? event.failure.reason : undefined
      tokenRequests.push({ operation, at, durationMs, reason })
      if (tokenRequests.length > LONGEST) tokenRequests.shift()
    },
    view: () => ({ tokenRequests: [...tokenRequests], lastAt: { ...lastAt } }),
  }
}
