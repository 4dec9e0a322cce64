import type { Clock } from '../clock.ts'
import {
  decideTurn,
  isLeasedByOther,
  isNewer,
  recordOutcome,
  renewLease,
  type Account,
  type SharedToken,
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
import { backoffAfter, countAs, NO_ATTEMPTS } from './login-guard.ts'
import type { AttemptRecord, GuardRules } from './login-guard.ts'
import type { Register } from './register.ts'
import type { Granted, Token, TokenRequest, TokenResult } from './token.ts'

export type TokenRequestOptions = Readonly<{
  client: IsalesClient
  register: Register
  rules: GuardRules
  clock: Clock
  /** In [0, 1). */
  random: () => number
}>

/**
 * Asks iSales for tokens, wherever the account lives. A login is an attempt before it is sent, so that a crash at any moment
 * counts; a grant crosses it out, and it is taken back if nothing of the account was touched.
 */
export function createTokenRequests(options: TokenRequestOptions) {
  const { client, register, rules, clock, random } = options
  const { holder } = register
  const shared = register.propagationDelay > 0
  /** The token that the token source has from here. */
  let held: SharedToken | undefined
  let adoptedAt: number | undefined
  /** Of the last token request. */
  let credentials: Credentials | undefined
  let isInFlight = false
  /** The record before an attempt that was perhaps written, and not sent. */
  let unsent: AttemptRecord | undefined

  const asker = () => ({ holder, shared, held, rules })

  /** The record during the login of another process looks like a failure: it plans nothing here. */
  const recordIn = (account: Account): AttemptRecord | undefined =>
    isLeasedByOther(account, holder, clock.now()) ? undefined : account.record

  const adopt = (token: SharedToken, account: Account): Granted => {
    held = token
    adoptedAt = clock.now()
    const grant = { ...token.grant, adopted: true, otherCredentials: !token.own }
    return { grant, record: recordIn(account) }
  }

  /** Takes an attempt back that the home has, although its reply was lost and no login was sent. */
  const withoutUnsent = (account: Account): Account => {
    if (unsent === undefined || account.lease?.holder !== holder) return account
    const isThere = account.record.attempts === unsent.attempts + 1
    return isThere ? { ...account, record: unsent } : account
  }

  const requestToken = async (request: TokenRequest): Promise<TokenResult> => {
    const jitter = random()
    const decided = { turn: { type: 'busy', ms: 0 } as Turn, before: NO_ATTEMPTS }
    credentials = request.credentials
    const { account } = await register.update(credentials, (found, context) => {
      const before = withoutUnsent(found)
      decided.turn = decideTurn(before, request, asker(), { ...context, random: jitter })
      decided.before = before.record
      if (decided.turn.type === 'begun') unsent = before.record
      return decided.turn.next
    })
    const { turn, before } = decided
    if (turn.type === 'adopt') return adopt(turn.token, account)
    if (turn.type !== 'begun') {
      const record = turn.type === 'busy' ? undefined : account.record
      return { postponed: turn.type, ms: turn.ms, record }
    }
    unsent = undefined
    return finish(request, before, await ask(request))
  }

  const ask = async (request: TokenRequest): Promise<Grant | AuthFailure> => {
    const { operation, current } = request
    const refreshToken = current?.refreshToken
    if (operation === 'login' || current === undefined || refreshToken === undefined)
      return client.login(request.credentials, request)
    const result = await client.refresh({ token: current.token, refreshToken }, request)
    return isGrant(result) ? withRefreshToken(result, current) : result
  }

  const finish = async (
    { operation, credentials: by, failures }: TokenRequest,
    before: AttemptRecord,
    result: Grant | AuthFailure,
  ): Promise<TokenResult> => {
    const endedAt = clock.now()
    const { account } = await register.update(by, (found, context) =>
      recordOutcome(found, { operation, result, before }, asker(), context),
    )
    const { token } = account
    const record = recordIn(account)
    const isLogin = operation === 'login'
    if (!isGrant(result)) {
      const isCounted = isLogin && countAs(result, before, endedAt) !== undefined
      const pause = isCounted ? 0 : backoffAfter(result, failures, random())
      return { failure: result, pause, record }
    }
    held = { grant: result, own: isLogin || held?.own !== false }
    // Another process has asked at the same time, and has the later token.
    if (isNewer(token, held, clock.now())) return adopt(token, account)
    adoptedAt = undefined
    return { grant: result, record }
  }

  return {
    /** One token request, or what it gives way to. Never rejects. */
    requestToken: async (request: TokenRequest): Promise<TokenResult> => {
      isInFlight = true
      const result = await requestToken(request)
      isInFlight = false
      return result
    },

    /** One look at a shared account: renews the lease of a request in flight, or gives the newer token of another process. */
    poll: async (): Promise<Granted | undefined> => {
      if (credentials === undefined) return undefined
      const { account } = await register.update(credentials, (found, { now, alone }) =>
        isInFlight && !alone ? renewLease(found, holder, now) : undefined,
      )
      const { token } = account
      // The result of the request in flight comes first.
      return !isInFlight && isNewer(token, held, clock.now()) ? adopt(token, account) : undefined
    },

    /** When the token in use was adopted, on the monotonic clock. Undefined: this process obtained it. */
    adoptedAt: () => adoptedAt,
  }
}

/** A refresh that gives no refresh token leaves the previous one in force (RFC 6749 section 6). */
function withRefreshToken(grant: Grant, { refreshToken, refreshExpiresAt: end }: Token): Grant {
  if (grant.refreshToken !== undefined) return grant
  const refreshLifetime = end === undefined ? end : Math.max(MIN_LIFETIME, end - grant.sentAt)
  return { ...grant, refreshToken, refreshLifetime }
}
