import { SECOND } from '../clock.ts'
import {
  isGrant,
  isMissing,
  isRefusal,
  type AuthFailure,
  type Grant,
  type Operation,
} from './isales-client.ts'
import {
  extendKnownGood,
  loginFrom,
  recordFailure,
  recordGrant,
  recordStart,
  type AttemptRecord,
  type GuardRules,
} from './login-guard.ts'
import { MIN_RENEWAL_INTERVAL } from './rejection-tracker.ts'
import { usableUntil, type TokenRequest } from './token.ts'

/** What is known of the account of one user, as one value. Instants are milliseconds on the monotonic clock. */
export interface Account {
  /** Of the credentials that are asked for. */
  readonly record: AttemptRecord
  /** The process that asks iSales for a token. */
  readonly lease: Lease | undefined
  readonly token: SharedToken | undefined
}

/** As the Lease of Kubernetes: a holder that does not renew it has died, and another process may ask. */
export type Lease = Readonly<{ holder: string; renewedAt: number }>

export interface SharedToken {
  readonly grant: Grant
  /** The login that the token goes back to had the credentials that are asked for. */
  readonly own: boolean
}

/** `alone`: the account could not be read or written where other processes see it; the change is in memory only. */
export type UpdateContext = Readonly<{ now: number; alone: boolean }>

/** Returns the next account; undefined, it stays as it is. Called again if another process was quicker. */
export type StateUpdate = (account: Account, context: UpdateContext) => Account | undefined

/** How long a holder that does not renew its lease keeps it. */
const LEASE_DURATION = 3 * SECOND
export const POLL_INTERVAL = SECOND
/** While another process asks iSales, and calls wait. */
const URGENT_POLL_INTERVAL = 100
/** Another replica that had to log in has probably ended the token. Calls wait for 2.5 s, which a login is part of. */
const [MIN_WAIT_REJECTED, MAX_WAIT_REJECTED] = [750, 1500]

/** The process that asks, and its token. */
export interface Asker {
  readonly holder: string
  /** Processes see the tokens of each other. */
  readonly shared: boolean
  /** The token in use. */
  readonly held: SharedToken | undefined
  readonly rules: GuardRules
}

/** What a process does next; `next` is the account that follows, if it changes. */
export type Turn = { readonly next?: Account | undefined } & (
  | { readonly type: 'adopt'; readonly token: SharedToken }
  /** iSales is not asked. `ms`: until the next look. */
  | { readonly type: 'busy' | 'guarded'; readonly ms: number }
  | { readonly type: 'begun' }
)

/**
 * Decides who may ask iSales now.
 *
 * @param random in [0, 1).
 *
 * @example two replicas, and a token that iSales ends
 *   0.00 s  A writes its lease and its login as an attempt: one value. B finds the lease, and looks again in 100 ms
 *   0.05 s  A is granted a token. It writes the token, and the end of its login and of its lease: one value
 *   0.10 s  B finds a newer token, and adopts it
 *   or A is killed at 0.03 s: at 3.00 s its lease has expired. Then B asks, and the attempt of A counts
 */
export function decideTurn(
  account: Account,
  request: Omit<TokenRequest, 'credentials' | 'signal'>,
  { holder, shared, held, rules }: Asker,
  { now, alone, random }: UpdateContext & { readonly random: number },
): Turn {
  const { token, record } = account
  const { operation, current, rejectedAt, loginDue, forced } = request
  // Another replica obtained it with the credentials that are new here only: no login is needed.
  const isOurs = loginDue && rejectedAt === undefined && token?.own && isUsable(token.grant, now)
  if (shared && token && (isOurs || isNewer(token, held, now))) return { type: 'adopt', token }
  const isLogin = operation === 'login'
  // A rejected token may be so new that the account would be asked for too many: all replicas have one pace.
  const isTooSoon =
    rejectedAt !== undefined && now < (token?.grant.sentAt ?? -Infinity) + MIN_RENEWAL_INTERVAL
  const isTaken =
    (shared && isTooSoon) || ((shared || isLogin) && isLeasedByOther(account, holder, now))
  const isServing = rejectedAt === undefined && current && now < current.usableUntil
  const look = isServing ? POLL_INTERVAL : URGENT_POLL_INTERVAL
  if (isTaken && !alone) return { type: 'busy', ms: look }
  const wait = shared && alone ? waitForStore(request, now, random) : 0
  if (wait > 0) return { type: 'busy', ms: Math.min(look, wait) }
  if (!isLogin) return { type: 'begun', next: shared ? withLease(account, holder, now) : undefined }
  const from = loginFrom(record, rules, forced)
  if (now < from) return { type: 'guarded', ms: from - now, next: releaseLease(account, holder) }
  const started = { ...account, record: recordStart(record, now, forced) }
  return { type: 'begun', next: withLease(started, holder, now) }
}

/**
 * Records how a token request ended, in one write: the end of the login, the token, and the end of the lease. After a
 * refresh that iSales refused, the lease stays for the login that follows: another replica would slip in between.
 *
 * @param before the record before the request began.
 * @returns undefined if nothing changes.
 */
export function recordOutcome(
  account: Account,
  ended: Readonly<{ operation: Operation; result: Grant | AuthFailure; before: AttemptRecord }>,
  { holder, shared, held, rules }: Asker,
  { now, alone }: UpdateContext,
): Account | undefined {
  const { operation, result, before } = ended
  const { record } = account
  const released = releaseLease(account, holder)
  if (!isGrant(result)) {
    if (operation === 'refresh') return isFollowedByLogin(result) ? undefined : released
    const failed = recordFailure(record, before, result, { now, alone, rules })
    return { ...(released ?? account), record: failed }
  }
  const isLogin = operation === 'login'
  const granted = isLogin
    ? recordGrant(record, before, { sentAt: result.sentAt, now })
    : extendKnownGood(record, now)
  if (!shared && !isLogin && granted === record) return undefined
  // A refresh goes back to the login of the token before it.
  const token = { grant: result, own: isLogin || held?.own !== false }
  const isOlder = (account.token?.grant.sentAt ?? -Infinity) > result.sentAt
  return { ...(released ?? account), record: granted, token: isOlder ? account.token : token }
}

/** True if iSales refused the refresh token or has no such path: a login follows at once. */
export function isFollowedByLogin(failure: AuthFailure): boolean {
  return isRefusal(failure) || isMissing(failure)
}

/** True while another process asks iSales. A lease that was dated by a clock that was set back does not block. */
export function isLeasedByOther({ lease }: Account, holder: string, now: number): boolean {
  if (lease === undefined || lease.holder === holder) return false
  return Math.abs(now - lease.renewedAt) < LEASE_DURATION
}

function withLease(account: Account, holder: string, now: number): Account {
  return { ...account, lease: { holder, renewedAt: now } }
}

/** Renews the lease of a request in flight; undefined if another process has it. */
export function renewLease(account: Account, holder: string, now: number): Account | undefined {
  return account.lease?.holder === holder ? withLease(account, holder, now) : undefined
}

function releaseLease(account: Account, holder: string): Account | undefined {
  return account.lease?.holder === holder ? { ...account, lease: undefined } : undefined
}

/** True if one token is to take the place of the other: it is usable, not the same, and was requested later. */
export function isNewer<Held extends Pick<SharedToken, 'grant'>>(
  one: Held | undefined,
  other: Held | undefined,
  now: number,
): one is Held {
  if (one === undefined || !isUsable(one.grant, now)) return false
  if (other === undefined) return true
  if (one.grant.token.reveal() === other.grant.token.reveal()) return false
  return one.grant.sentAt > other.grant.sentAt
}

function isUsable({ sentAt, lifetime }: Grant, now: number): boolean {
  return now < usableUntil(sentAt, lifetime.ms)
}

/**
 * Returns how long a replica waits for the store before it asks without it, in milliseconds. Jittered: nobody knows which of
 * two simultaneous logins gives the later token, and one login ends the tokens of all other replicas in one moment.
 */
function waitForStore(
  { current, rejectedAt }: Pick<TokenRequest, 'current' | 'rejectedAt'>,
  now: number,
  random: number,
): number {
  if (current === undefined) return 0
  const at =
    rejectedAt === undefined
      ? current.usableUntil - SECOND * random
      : rejectedAt + MIN_WAIT_REJECTED + (MAX_WAIT_REJECTED - MIN_WAIT_REJECTED) * random
  return at - now
}
