// Drives the reducers of a token's life by hand; time stands still unless `after` moves it.
import type { Operation } from '../../src/token/isales-client.ts'
import { initialState, next, onRequestEnded, onRequestPending } from '../../src/token/lifecycle.ts'
import { sendable } from '../../src/token/lifecycle.ts'
import type { Reducer } from '../../src/token/lifecycle.ts'
import { takeSnapshot } from '../../src/token/snapshot.ts'
import { NO_ATTEMPTS, type AttemptRecord, type Rules } from '../../src/token/login-guard.ts'
import type { FailedTokenRequest, TokenEvent, TokenResult } from '../../src/token/token.ts'
import { credentialsOf, DOWN, grant as grantOf, REFUSED, RULES, START } from './support.ts'

type GrantArguments = Parameters<typeof grantOf>
export const grant = (...given: GrantArguments) => ({
  token: grantOf(...given),
  name: 'p',
  adopted: false,
  record: NO_ATTEMPTS as AttemptRecord | undefined,
})
export const adopt = (...given: GrantArguments) => ({ ...grant(...given), adopted: true })
/** The record after logins that iSales rejected just now. */
export const rejections = (count: number): AttemptRecord => ({
  ...NO_ATTEMPTS,
  attempts: count,
  rejections: count,
  pauseFrom: START,
  lastCode: 'password',
})
/** The last of several refused logins in a row; the next one is due in 5 s, 10 s, 15 min. */
export const rejectedAs = (count: number): FailedTokenRequest => {
  return { failure: REFUSED, counted: true, durationMs: 0, record: rejections(count) }
}
const AT_ONCE = { durationMs: 0, record: NO_ATTEMPTS }
export const LOST: FailedTokenRequest = { ...AT_ONCE, failure: DOWN, counted: false }
export const busy = (ms: number) => ({ postponed: 'busy', ms, record: undefined }) as const
export const guarded = (count = 3) =>
  ({ postponed: 'login-pause', ms: 900_000, record: rejections(count) }) as const

export type Life = ReturnType<typeof live>

export function live(rules: Partial<Rules> = {}, random = 0.5) {
  const all = { ...RULES, ...rules }
  let now = START
  let event: TokenEvent | undefined
  let state = initialState(credentialsOf('wrong'), now)
  const life = {
    now: () => now,
    state: () => state,
    event: () => event,
    after(ms: number) {
      now += ms
      return life
    },
    does<Input>(reducer: Reducer<Input>, input: Input) {
      const transition = reducer(state, input, { rules: all, now, random })
      ;({ state, event } = { event: undefined, ...transition })
      return life
    },
    begins: (operation: Operation) => life.does(onRequestPending, operation),
    /** Dates a grant from its request, and an attempt from now. */
    ends: ({ record, ...result }: TokenResult) => {
      const pauseFrom = record && record.attempts > 0 ? now : record?.pauseFrom
      const dated = record && { ...record, pauseFrom: pauseFrom ?? now }
      const sentAt = state.request?.startedAt ?? now
      const durationMs = now - sentAt
      const given =
        'token' in result
          ? { ...result, durationMs, token: { ...result.token, sentAt } }
          : { ...result, durationMs }
      return life.does(onRequestEnded, { ...given, record: dated })
    },
    login: (result: TokenResult) => life.begins('login').ends(result),
    refresh: (result: TokenResult) => life.begins('refresh').ends({ ...result, record: undefined }),
    wait: () => Math.max(0, next(state, all, now).at - now),
    due: () => (next(state, all, now).at <= now ? next(state, all, now).operation : undefined),
    sent: () => sendable(state, now)?.generation,
    snapshot: () => takeSnapshot(state, all, now, 0),
    backoff: () => takeSnapshot(state, all, now, 0).login.kind,
  }
  return life
}
