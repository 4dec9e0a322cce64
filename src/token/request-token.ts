import type { Clock } from '../clock.ts'
import {
  decideTurn,
  isLeasedByOther,
  isNewer,
  recordOutcome,
  renewLease,
  type Account,
  type Turn,
} from './account.ts'
import {
  isGrant,
  MIN_LIFETIME,
  type AuthFailure,
  type Credentials,
  type Grant,
  type IsalesClient,
} from './isales-client.ts'
import { countAs, NO_ATTEMPTS, type AttemptRecord, type Rules } from './login-guard.ts'
import type { Register } from './register.ts'
import type { CurrentToken, Granted, Token, TokenRequest, TokenResult } from './token.ts'

export interface TokenRequestOptions {
  readonly client: IsalesClient
  readonly register: Register
  readonly rules: Rules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * Requests tokens, wherever the account lives. A login counts as an attempt before it is sent, so that a crash counts. A grant
 * deletes the attempt; if iSales did not process the login, the attempt is taken back.
 */
export function createTokenRequests(options: TokenRequestOptions) {
  const { client, register, rules, clock, random } = options
  const { holder, shared, update } = register
  let isInFlight = false
  /** The account before an attempt that may have been written although no login was sent. */
  let unsent: Account | undefined

  const requester = { holder, shared, rules }

  /** Hides a record that includes another process's login in flight, which looks like a failure. */
  const recordIn = (account: Account): AttemptRecord | undefined =>
    isLeasedByOther(account, holder, clock.now()) ? undefined : account.record

  const granted = (token: Token, account: Account, durationMs?: number): Granted => {
    const { name } = account
    return { token, name, adopted: durationMs === undefined, durationMs, record: recordIn(account) }
  }

  /** Takes back an attempt whose write succeeded but whose reply was lost, so that no login was sent. */
  const withoutUnsent = (account: Account): Account => {
    if (unsent?.name !== account.name || account.lease?.holder !== holder) return account
    const isThere = account.record.attempts === unsent.record.attempts + 1
    return isThere ? { ...account, record: unsent.record } : account
  }

  /** @param name of the credentials. */
  const ask = async (request: TokenRequest, name: string): Promise<Token | AuthFailure> => {
    const isLogin = request.operation === 'login'
    request.onSending?.()
    const result = isLogin
      ? await client.login(request.credentials, request.signal)
      : await client.refresh(request.current, request.signal)
    if (!isGrant(result)) return result
    const whole = isLogin ? result : withRefreshToken(result, request.current)
    return { ...withinRefreshToken(whole, rules), of: isLogin ? name : request.current.of }
  }

  /** Makes one token request, or postpones it, or adopts a token. Never rejects. */
  const requestToken = async (request: TokenRequest): Promise<TokenResult> => {
    const { operation } = request
    const jitter = random()
    let turn = { type: 'busy', ms: 0 } as Turn
    let before = NO_ATTEMPTS
    const decided = await update(request.credentials, (found, context) => {
      const attempted = withoutUnsent(found)
      before = attempted.record
      turn = decideTurn(attempted, request, requester, { ...context, random: jitter })
      if (turn.type === 'begun') unsent = attempted
      return turn.next
    })
    if (turn.type === 'adopt') return granted(turn.token, decided)
    if (turn.type !== 'begun') {
      const record = turn.type === 'busy' ? undefined : decided.record
      return { postponed: turn.type, ms: turn.ms, record }
    }
    unsent = undefined
    isInFlight = true

    const sentAt = clock.now()
    const result = await ask(request, decided.name)
    const endedAt = clock.now()
    const durationMs = endedAt - sentAt
    const account = await update(request.credentials, (found, context) =>
      recordOutcome(found, { operation, result, before }, requester, context),
    )
    isInFlight = false
    const { token } = account
    if (!isGrant(result)) {
      const counted = operation === 'login' && countAs(result, before, endedAt) !== undefined
      return { failure: result, counted, durationMs, record: recordIn(account) }
    }
    // Another process asked at the same time and got the later token.
    const isLate = isNewer(token, result, clock.now())
    return isLate ? granted(token, account) : granted(result, account, durationMs)
  }

  return {
    requestToken,

    /**
     * Reads a shared account, and renews the lease of a request in flight. Writes one that is not shared again, which shows
     * whether the disk works. Returns the account of these credentials.
     */
    poll: async (credentials: Credentials) => {
      const account = await update(credentials, (found, { now, alone }) => {
        if (alone) return undefined
        if (!shared) return found
        return isInFlight ? renewLease(found, holder, now) : undefined
      })
      return { ...account, record: recordIn(account) }
    },
  }
}

/** Limits the lifetime: a token cannot outlive the refresh token that its header carries. */
function withinRefreshToken(grant: Grant, { isalesTokenHeader }: Rules): Grant {
  const { lifetime, refreshToken, refreshLifetime = Infinity } = grant
  const isCarried = isalesTokenHeader.field === 'refreshToken' && refreshToken !== undefined
  const ms = Math.min(lifetime.ms, isCarried ? refreshLifetime : Infinity)
  return { ...grant, lifetime: { ...lifetime, ms } }
}

/** Keeps the previous refresh token if a refresh returns none (RFC 6749 section 6). */
function withRefreshToken(
  grant: Grant,
  { refreshToken, refreshExpiresAt: end }: CurrentToken,
): Grant {
  if (grant.refreshToken !== undefined) return grant
  const refreshLifetime = end === undefined ? end : Math.max(MIN_LIFETIME, end - grant.sentAt)
  return { ...grant, refreshToken, refreshLifetime }
}
