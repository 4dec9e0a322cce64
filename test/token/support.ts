import { Secret } from '../../src/config/secret.ts'
import type { Rules } from '../../src/token/login-guard.ts'
import type { AuthFailure, Credentials } from '../../src/token/isales-client.ts'
import { createToken, type RefreshableToken, type Token } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'

export const RULES: Rules = {
  clientDeadline: 2800,
  isalesTokenHeader: { names: ['Authorization'], scheme: 'Bearer', field: 'token' },
  isalesRefreshPath: '/auth/refresh',
  loginRejectedAttempts: 3,
}

export const START = 1_000_000

export interface GrantOptions {
  readonly token?: string
  /** When the request was sent. Default: `START`. */
  readonly sentAt?: number
  /** Seconds; undefined for none, which counts as 300. */
  readonly lives?: number | undefined
  readonly refreshToken?: string | null
  /** Seconds; undefined if unknown. */
  readonly refreshLives?: number | undefined
  /** Default: `p`. */
  readonly of?: string
}

export function grant(options: GrantOptions = {}): Token {
  const { token = 't1', refreshToken = 'r1' } = options
  const lives = 'lives' in options ? options.lives : 300
  const refreshLives = 'refreshLives' in options ? options.refreshLives : 3600
  return {
    token: new Secret(token),
    sentAt: options.sentAt ?? START,
    lifetime: lives === undefined ? { ms: 300_000, doubt: 'missing' } : { ms: lives * 1000 },
    refreshToken: refreshToken === null ? undefined : new Secret(refreshToken),
    refreshLifetime: refreshLives === undefined ? undefined : refreshLives * 1000,
    of: options.of ?? 'p',
  }
}

export function refreshed(of: Token): RefreshableToken {
  const { refreshToken = new Secret('r1') } = of
  return { ...createToken(of, RULES, 0), refreshToken }
}

export const REFUSED = authFailure('rejected', 'password', { status: 403 })
export const DOWN = authFailure('not-processed', 'connection-refused', { detail: 'ECONNREFUSED' })

/** A response unrelated to the credentials, such as a gateway's page. */
export function unknown(status: number): AuthFailure {
  return authFailure('unknown', 'not-isales', { status })
}

export function throttled(retryAfter: number): AuthFailure {
  return authFailure('not-processed', 'throttled', { status: 429, retryAfter })
}

export function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}
