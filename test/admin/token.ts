import { Secret } from '../../src/config/secret.ts'
import type { JudgedToken } from '../../src/admin/state.ts'
import type { TokenEvent, TokenSnapshot } from '../../src/token/events.ts'
import type { Token } from '../../src/token/token.ts'

/** The monotonic instant that all these tests take as now. */
export const NOW = 1_000_000

export const CANARY = 'canary-token-5f1e'

export function session(changes: Partial<Token> = {}): Token {
  return {
    generation: 1,
    headerValue: new Secret(`Bearer ${CANARY}`),
    token: new Secret(CANARY),
    obtainedAt: NOW - 60_000,
    lifetime: 300_000,
    expiresAt: NOW + 240_000,
    usableUntil: NOW + 235_000,
    refreshToken: new Secret(`${CANARY}-refresh`),
    refreshExpiresAt: NOW + 3_540_000,
    accepted: true,
    ...changes,
  }
}

export function snapshot(changes: Partial<TokenSnapshot> = {}): TokenSnapshot {
  return {
    now: NOW,
    session: session(),
    usable: true,
    exchange: undefined,
    backoff: 'none',
    nextExchangeAt: NOW + 180_000,
    idle: false,
    lastSuccessAt: NOW - 60_000,
    outageBudget: 235_000,
    waiters: 0,
    failuresInRow: 0,
    lastFailure: undefined,
    ...changes,
  }
}

export function token(changes: Partial<JudgedToken> = {}): JudgedToken {
  return { ...snapshot(), rejected: false, ...changes }
}

type Granted = Extract<TokenEvent, { type: 'granted' }>
type Failed = Extract<TokenEvent, { type: 'failed' }>

export function granted(changes: Partial<Granted> = {}): Granted {
  return {
    type: 'granted',
    operation: 'login',
    at: NOW,
    durationMs: 42,
    session: session({ obtainedAt: NOW - 42 }),
    failuresBefore: 0,
    sameToken: false,
    lifetimeAssumed: false,
    ...changes,
  }
}

export function failed(changes: Partial<Failed> = {}): Failed {
  return {
    type: 'failed',
    operation: 'login',
    at: NOW,
    durationMs: 42,
    failure: { kind: 'unreached', reason: 'unavailable', detail: 'ECONNREFUSED' },
    failuresInRow: 1,
    backoff: 'transient',
    retryIn: 500,
    outageBudget: 235_000,
    ...changes,
  }
}
