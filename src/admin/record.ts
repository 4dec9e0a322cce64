import type { AuthFailureReason } from '../causes.ts'
import type { Part, SettingProblem } from '../config/index.ts'
import type { AuthFailure, Operation, TokenEvent } from '../token/index.ts'
import type { Failure } from '../words/index.ts'
import { createCalls } from './calls.ts'
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

/** How often something happened, and when it last did, on the monotonic clock. */
export interface Occurred {
  readonly count: number
  readonly at: number | undefined
}

/** Four hours at a token lifetime of five minutes. */
const MAX_TOKEN_REQUESTS = 60

export type Recorder = ReturnType<typeof createRecorder>

/** Remembers what happens to token, calls and files. Bounded in memory. */
export function createRecorder(options: RecordOptions) {
  const startedAt = options.clock.now()
  const tokenRequests: EndedTokenRequest[] = []
  const occurred = new Map<TokenEvent['type'], Occurred>()
  const fileErrors = new Map<Part, readonly SettingProblem[]>()
  let stateTrouble: Failure | undefined
  let isLifetimeDoubtful = false
  let refreshes: { readonly failed: number; readonly last: AuthFailure | undefined } = {
    failed: 0,
    last: undefined,
  }

  return {
    /** On the monotonic clock. */
    startedAt,
    calls: createCalls(options),
    /** The last 60 logins and refreshes, the newest last. */
    tokenRequests: (): readonly EndedTokenRequest[] => tokenRequests,
    occurred: (type: TokenEvent['type']): Occurred =>
      occurred.get(type) ?? { count: 0, at: undefined },
    /** The lifetime of the token is longer than can be believed. */
    isLifetimeDoubtful: () => isLifetimeDoubtful,
    /** Refreshes that failed since one succeeded. */
    refreshes: () => refreshes,
    /** Why the book of logins is not in `STATE_DIR`. Undefined: it is. */
    stateTrouble: () => stateTrouble,
    /** What is wrong with files that are watched: what they held before stays in use. */
    fileErrors: (): readonly SettingProblem[] => [...fileErrors.values()].flat(),

    onTokenEvent(event: TokenEvent): void {
      const { count } = occurred.get(event.type) ?? { count: 0 }
      occurred.set(event.type, { count: count + 1, at: event.at })
      if (event.type !== 'granted' && event.type !== 'failed') return
      const { operation, at, durationMs } = event
      const failure = event.type === 'failed' ? event.failure : undefined
      if (event.type === 'granted') isLifetimeDoubtful = event.lifetimeDoubt === 'too-long'
      if (operation === 'refresh')
        refreshes = { failed: failure === undefined ? 0 : refreshes.failed + 1, last: failure }
      tokenRequests.push({ operation, at, durationMs, reason: failure?.reason })
      if (tokenRequests.length > MAX_TOKEN_REQUESTS) tokenRequests.shift()
    },

    onStateTrouble(why: Failure | undefined): void {
      stateTrouble = why
    },

    /** What is wrong with one part of the files now. */
    filesRead(part: Part, errors: readonly SettingProblem[]): void {
      fileErrors.set(part, errors)
    },
  }
}
