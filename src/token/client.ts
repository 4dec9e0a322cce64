import { authFailureOf, cause } from '../causes.ts'
import type { Clock } from '../clock.ts'
import type { Config, Secret } from '../config/index.ts'
import type { Post, PostResult } from '../upstream/index.ts'
import {
  isGrant,
  loginBody,
  parseResponse,
  refreshBody,
  type AuthFailure,
  type Grant,
  type Operation,
} from './protocol.ts'
import { withScheme, type Token } from './token.ts'

// What the token source asks for, and what it gets.

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

export interface RefreshTokens extends Pick<Token, 'token' | 'refreshExpiresAt'> {
  readonly refreshToken: Secret
}

/** A token request, and what it is made for. */
export interface Ask {
  readonly operation: Operation
  readonly credentials: Credentials
  /** Aborted: nobody waits for the outcome any more. */
  readonly signal: AbortSignal
  /** The token at hand; it may have ended. A refresh is of this one. */
  readonly current: Token | undefined
  /** Since when business calls find it rejected, on the monotonic clock; undefined: they do not. */
  readonly rejectedAt: number | undefined
  /** The credentials have given no token yet. One that they gave to another replica will do. */
  readonly loginDue: boolean
  /** An operator ended the pause: the book lets a login pass once, unless it may be the fifth in 15 min. */
  readonly forced: boolean
  /** Called when the request is sent to iSales. */
  readonly onSent: () => void
  /** Failed token requests in a row before this one. */
  readonly failures: number
  /** As how many refusals one counts, when others may each try as well. Default: 1. */
  readonly weight?: number | undefined
}

/**
 * Why the next token request waits.
 *
 * - `none`: nothing; the next token request is an ordinary renewal.
 * - `transient`: a failure that says nothing about the credentials (network, TLS, timeout, 429, 5xx, malformed).
 * - `rejected`: iSales refused the credentials; 5 s, then 10 s.
 * - `guarded`: after `LOGIN_REJECTED_ATTEMPTS` refusals, or three attempts of which nobody knows the outcome; the next ones
 *   come so rarely that the account is not locked.
 */
export const BACKOFFS = ['none', 'transient', 'rejected', 'guarded'] as const
export type BackoffState = (typeof BACKOFFS)[number]

/** Why the next token request waits, and whether iSales has refused the credentials since the last grant. */
export interface Backoff {
  readonly state: BackoffState
  readonly refused: boolean
}

/** Why iSales was not asked. */
export type DeferredReason =
  /** Another process or replica asks iSales. Or it may, as the store is away, and there is time to find out. */
  | 'busy'
  /** The account is spared: logins wait. */
  | 'guarded'

/** iSales was not asked; `ms` until the next look. */
export interface Deferred {
  readonly deferred: DeferredReason
  readonly ms: number
  /** Undefined: nothing has changed. */
  readonly backoff?: Backoff | undefined
}

/** A token request that gave no token, and what follows. */
export interface Failed {
  readonly failure: AuthFailure
  /** Milliseconds until the next token request. */
  readonly pause: number
  /** The login is in the book: the pause spares the account, and a refresh does not wait for it. */
  readonly counted: boolean
  readonly backoff: Backoff
}

export type Outcome = Grant | Failed | Deferred

/** What the token source asks. Wrappers of one another: the book of attempts, then what several replicas share. */
export type TokenClient = (ask: Ask) => Promise<Outcome>

/** What a token request needs to be sent. */
export type Sending = Pick<Ask, 'signal' | 'onSent'>

/** The two token requests, one HTTP request each, never repeated. They never reject. */
export interface IsalesClient {
  readonly login: (credentials: Credentials, sending: Sending) => Promise<Grant | AuthFailure>
  readonly refresh: (tokens: RefreshTokens, sending: Sending) => Promise<Grant | AuthFailure>
}

// The client of iSales.

export interface IsalesClientOptions extends Pick<
  Config,
  | 'isalesUrl'
  | 'isalesLoginPath'
  | 'isalesRefreshPath'
  | 'isalesRefreshHeaderToken'
  | 'isalesTokenHeader'
> {
  readonly post: Post
  readonly clock: Clock
  /** Milliseconds since 1970, for a `Retry-After` that is a date. */
  readonly wallClock: () => number
}

/** For a command, which looks at nothing but the outcome. */
export function askOnce(signal: AbortSignal): Sending {
  return { signal, onSent() {} }
}

/** A login for a command, before which nothing is known. */
export function loginOnce(credentials: Credentials, sending: Sending): Ask {
  const nothing = { current: undefined, rejectedAt: undefined, failures: 0 }
  return {
    ...sending,
    ...nothing,
    operation: 'login',
    loginDue: true,
    forced: false,
    credentials,
  }
}

function failureOf(result: Extract<PostResult, { ok: false }>): AuthFailure {
  const { failure, cause, code, written, certificate } = result
  const known = { cause, reason: authFailureOf(cause), detail: code, certificate }
  if (cause.code === 'egress-login') return { kind: 'egress', ...known }
  // A TLS failure may come after the first bytes were written, and still nothing of them was read.
  return { kind: written && failure !== 'tls' ? 'unclear' : 'untouched', ...known }
}

export function createIsalesClient(options: IsalesClientOptions): IsalesClient {
  const { isalesRefreshPath = '' } = options

  const post = async (
    request: Omit<Parameters<Post>[0], 'signal'>,
    { signal, onSent }: Sending,
  ) => {
    onSent()
    const sentAt = options.clock.now()
    const result = await options.post({ ...request, signal })
    if (!result.ok) return failureOf(result)
    const plain = options.isalesUrl.startsWith('http:')
    return parseResponse({ ...result, plain }, sentAt, options.wallClock())
  }

  return {
    login: ({ user, password }, ask) =>
      post({ path: options.isalesLoginPath, body: loginBody(user, password) }, ask),

    async refresh(tokens, ask) {
      const field = options.isalesRefreshHeaderToken
      const value = field && withScheme(options.isalesTokenHeader.scheme, tokens[field].reveal())
      const headers = value === undefined ? [] : ['Authentication', value]
      const body = refreshBody(tokens.refreshToken)
      const outcome = await post({ path: isalesRefreshPath, headers, body }, ask)
      const isRefused = !isGrant(outcome) && outcome.cause.stage === 'login'
      return isRefused ? { ...outcome, cause: cause('refresh-refused') } : outcome
    },
  }
}
