// Drives the rules of a token's life by hand.
import type { Operation } from '../../src/token/isales-client.ts'
import {
  initialState,
  next,
  onRequestEnded,
  onRequestStarted,
  sendable,
  takeSnapshot,
  type Reducer,
  type Rules,
} from '../../src/token/lifecycle.ts'
import { NO_ATTEMPTS, type AttemptRecord } from '../../src/token/login-guard.ts'
import type { FailedTokenRequest, TokenEvent, TokenResult } from '../../src/token/token.ts'
import { credentialsOf, DOWN, grant as grantOf, REFUSED, RULES, START } from './support.ts'

export const grant = (...given: Parameters<typeof grantOf>) => ({
  grant: grantOf(...given),
  record: NO_ATTEMPTS as AttemptRecord | undefined,
})
export const adopt = (...given: Parameters<typeof grantOf>) => ({
  grant: { ...grantOf(...given), adopted: true },
  record: NO_ATTEMPTS,
})
/** The record after so many logins that iSales refused just now. */
export const refusals = (count: number): AttemptRecord => ({
  ...NO_ATTEMPTS,
  attempts: count,
  refusals: count,
  at: START,
  lastCode: 'password',
})
/** A login that iSales refuses, as so many in a row: the next one is in 5 s, 10 s, 15 min. */
export const refusedAs = (count: number): FailedTokenRequest => ({
  failure: REFUSED,
  pause: 0,
  record: refusals(count),
})
export const LOST: FailedTokenRequest = { failure: DOWN, pause: 250, record: NO_ATTEMPTS }
/** Of a refresh. */
export const NOT_REFRESHED: FailedTokenRequest = { failure: REFUSED, pause: 0, record: undefined }

/** Drives the rules by hand: time stands still unless `after` moves it. */
export function live(rules: Partial<Rules> = {}, random = 0.5) {
  const all = { ...RULES, ...rules }
  let now = START
  let event: TokenEvent | undefined
  let state = initialState(credentialsOf('wrong'), now)
  const life = {
    now: () => now,
    state: () => state,
    /** What the last reducer reported. */
    event: () => event,
    after(ms: number) {
      now += ms
      return life
    },
    does<Input>(reducer: Reducer<Input>, input: Input) {
      ;({ state, event } = {
        event: undefined,
        ...reducer(state, input, { rules: all, now, random }),
      })
      return life
    },
    begins: (operation: Operation) => life.does(onRequestStarted, operation),
    /** A grant is of when it was requested, an attempt of now. */
    ends: ({ record, ...result }: TokenResult) => {
      const dated = record && { ...record, at: record.attempts > 0 ? now : record.at }
      const sentAt = state.request?.startedAt ?? now
      const given = 'grant' in result ? { grant: { ...result.grant, sentAt } } : result
      return life.does(onRequestEnded, { ...given, record: dated })
    },
    login: (result: TokenResult) => life.begins('login').ends(result),
    /** A refresh tells nothing of logins. */
    refresh: (result: TokenResult) => life.begins('refresh').ends({ ...result, record: undefined }),
    wait: () => Math.max(0, next(state, all, now).at - now),
    /** What is asked for now; undefined: nothing. */
    due: () => (next(state, all, now).at <= now ? next(state, all, now).operation : undefined),
    /** The generation that is sent. */
    sent: () => sendable(state, now)?.generation,
    snapshot: () => takeSnapshot(state, all, now, 0),
    backoff: () => takeSnapshot(state, all, now, 0).backoff,
  }
  return life
}
