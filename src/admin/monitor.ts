import type { AuthFailureReason } from '../causes.ts'
import type { Part } from '../config/index.ts'
import type { Operation, TokenEvent } from '../token/index.ts'
import { createCalls } from './calls.ts'
import type { Failure } from '../words/index.ts'
import type { SettingProblem } from '../setting-problem.ts'
import type { RecordOptions } from './sources.ts'

/** One login or refresh that ended. */
export interface EndedTokenRequest {
  readonly operation: Operation
  /** When it ended, on the monotonic clock. */
  readonly at: number
  readonly durationMs: number
  /** Undefined: it succeeded. */
  readonly reason: AuthFailureReason | undefined
}

/** Four hours at a token lifetime of five minutes. */
const MAX_TOKEN_REQUESTS = 60

export type Monitor = ReturnType<typeof createMonitor>

/** Remembers what the counters do not hold: calls, and the last events of the token. Bounded in memory. */
export function createMonitor(options: RecordOptions) {
  const startedAt = options.clock.now()
  const calls = createCalls(options)
  let isLifetimeDoubtful = false
  let trouble: Failure | undefined
  const fileErrors = new Map<Part, readonly SettingProblem[]>()
  const tokenRequests: EndedTokenRequest[] = []
  const lastAt: Partial<Record<TokenEvent['type'], number>> = {}

  return {
    /** On the monotonic clock. */
    startedAt,
    calls,
    /** The last 60 logins and refreshes, the newest last. */
    tokenRequests: (): readonly EndedTokenRequest[] => tokenRequests,
    /** When this kind of event was last seen, on the monotonic clock. */
    lastAt: (type: TokenEvent['type']) => lastAt[type],

    onTokenEvent(event: TokenEvent): void {
      lastAt[event.type] = event.at
      if (event.type === 'granted') isLifetimeDoubtful = event.lifetimeDoubt === 'too-long'
      if (event.type !== 'granted' && event.type !== 'failed') return
      const { operation, at, durationMs } = event
      const reason = event.type === 'failed' ? event.failure.reason : undefined
      tokenRequests.push({ operation, at, durationMs, reason })
      if (tokenRequests.length > MAX_TOKEN_REQUESTS) tokenRequests.shift()
    },

    /** The lifetime of the token is longer than can be believed. */
    isLifetimeDoubtful: () => isLifetimeDoubtful,

    /** Why the book of logins is not in `STATE_DIR`. Undefined: it is. */
    trouble: () => trouble,

    stateTrouble(why: Failure | undefined): void {
      trouble = why
    },

    /** What is wrong with files that are watched: what they held before stays in use. */
    fileErrors: (): readonly SettingProblem[] => [...fileErrors.values()].flat(),

    /** What is wrong with one part of them now. */
    filesRead(part: Part, errors: readonly SettingProblem[]): void {
      fileErrors.set(part, errors)
    },
  }
}
