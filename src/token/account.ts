import { SECOND } from '../clock.ts'
import {
  isGrant,
  isMissing,
  isRejection,
  type AuthFailure,
  type Operation,
} from './isales-client.ts'
import {
  extendKnownGood,
  loginFrom,
  recordFailure,
  recordGrant,
  recordStart,
  type AttemptRecord,
  type Rules,
} from './login-guard.ts'
import { MIN_RENEWAL_INTERVAL } from './rejection-tracker.ts'
import { usableUntil, type Token, type TokenRequest } from './token.ts'

/** State of one user's account, as one value. Instants are milliseconds on the monotonic clock. */
export interface Account {
  /** Record of the requested credentials. */
  readonly record: AttemptRecord
  readonly lease: Lease | undefined
  readonly token: Token | undefined
  /** Name of the requested credentials. */
  readonly name: string
}

/**
 * Held by the process that asks iSales. As in Kubernetes, another process may ask if `holder` stops renewing it.
 * `refreshingSince`: start of a refresh, which a login of another process may replace.
 */
export type Lease = Readonly<{
  holder: string
  until: number
  refreshingSince?: number | undefined
}>

/** `alone`: the account's home is unavailable, so the change is in memory only. */
export type UpdateContext = Readonly<{ now: number; alone: boolean }>

/** Returns the next account, or undefined for no change. Called again after a lost race. */
export type StateUpdate = (account: Account, context: UpdateContext) => Account | undefined

const LEASE_DURATION = 3 * SECOND
/** Holder of the lease after a login that iSales did not process: the back-offs of all replicas together would be too fast. */
const NO_REPLICA = ''
const FAILED_LOGINS_APART = SECOND
/** For a login in a home that keeps no token: no poll renews its lease. */
const LOGIN_LEASE_DURATION = 5900
export const POLL_INTERVAL = SECOND
/** Milliseconds until a process sees another one's token. */
export const PROPAGATION_DELAY = POLL_INTERVAL + SECOND / 5
/** Used while calls wait for another process's token. */
const URGENT_POLL_INTERVAL = 100
/** Another replica has probably logged in, which ended this token. A call waits at most 2.5 s, and a login must fit into that. */
const [MIN_WAIT_REJECTED, MAX_WAIT_REJECTED] = [750, 1500]

/** Which process asks; `shared` if processes share tokens. */
export type Requester = Readonly<{ holder: string; shared: boolean; rules: Rules }>

/** The next action of a process; `next` is the changed account. */
export type Turn = { readonly next?: Account | undefined } & (
  | { readonly type: 'adopt'; readonly token: Token }
  /** Sends no request; `ms` until the next attempt. */
  | { readonly type: 'busy' | 'login-pause'; readonly ms: number }
  | { readonly type: 'begun' }
)

/**
 * Decides who may ask iSales now.
 *
 * @param random in [0, 1).
 *
 * @example two replicas, and a token that iSales ends
 *   0.00 s  A writes its lease and its login attempt in one update. B finds the lease, and polls again in 100 ms
 *   0.05 s  A is granted a token, writes it, and releases the lease in one update
 *   0.10 s  B finds the newer token and adopts it
 *   If A is killed at 0.03 s, its lease expires at 3.00 s. B then asks, and A's attempt counts
 */
export function decideTurn(
  account: Account,
  request: Omit<TokenRequest, 'credentials' | 'signal'>,
  { holder, shared, rules }: Requester,
  { now, alone, random }: UpdateContext & { readonly random: number },
): Turn {
  const { token, record, name } = account
  const { operation, current, rejectedAt, loginDue, forced } = request
  // Another replica already logged in with the credentials that are new here.
  const isOurs = loginDue && rejectedAt === undefined && token?.of === name
  if (shared && isNewer(token, isOurs ? undefined : current, now)) return { type: 'adopt', token }
  const isLogin = operation === 'login'
  // The pause before the next replacement of a rejected token is the same for all replicas.
  const isTooSoon =
    rejectedAt !== undefined && now < (token?.sentAt ?? -Infinity) + MIN_RENEWAL_INTERVAL
  const isServing = rejectedAt === undefined && current && now < current.usableUntil
  // Calls wait for a refresh of another process only as long as for one of this process.
  const giveUpAt = (account.lease?.refreshingSince ?? Infinity) + refreshPatience(rules)
  const isWaiting = !(isLogin && !isServing && now >= giveUpAt)
  const isLeased = (shared || isLogin) && isLeasedByOther(account, holder, now)
  const isTaken = (shared && isTooSoon) || (isLeased && isWaiting)
  const interval = isServing ? POLL_INTERVAL : URGENT_POLL_INTERVAL
  if (isTaken && !alone) return { type: 'busy', ms: interval }
  const wait = shared && alone ? waitForStore(request, now, random) : 0
  if (wait > 0) return { type: 'busy', ms: Math.min(interval, wait) }
  if (!isLogin) {
    const lease = { holder, until: now + LEASE_DURATION, refreshingSince: now }
    return { type: 'begun', next: shared ? { ...account, lease } : undefined }
  }
  const from = loginFrom(record, rules, forced)
  if (now < from)
    return { type: 'login-pause', ms: from - now, next: releaseLease(account, holder) }
  const started = {
    ...account,
    record: recordStart(record, now, { forced, alone: shared && alone }),
  }
  const lease = { holder, until: now + (shared ? LEASE_DURATION : LOGIN_LEASE_DURATION) }
  return { type: 'begun', next: { ...started, lease } }
}

/**
 * Records in one update how a token request ended: the login's result, the token, and the lease's release. After a rejected
 * refresh the lease stays for the login that follows, so that no other replica intervenes. If iSales answers that it did not
 * process a login, no replica asks for a second. Undefined if nothing changes.
 *
 * @param before the record before the request began.
 */
export function recordOutcome(
  account: Account,
  ended: Readonly<{ operation: Operation; result: Token | AuthFailure; before: AttemptRecord }>,
  { holder, shared }: Requester,
  { now }: UpdateContext,
): Account | undefined {
  const { operation, result, before } = ended
  const { record } = account
  const released = releaseLease(account, holder)
  if (!isGrant(result)) {
    // A login certainly follows if iSales rejected the token, or has no refresh path.
    if (operation === 'refresh')
      return isRejection(result) || isMissing(result) ? undefined : released
    const failed = recordFailure(record, before, result, now)
    const next = { ...(released ?? account), record: failed }
    const isAnswered = result.kind === 'not-processed' && result.status !== undefined
    if (!released || !shared || !isAnswered) return next
    return { ...next, lease: { holder: NO_REPLICA, until: now + FAILED_LOGINS_APART } }
  }
  const isLogin = operation === 'login'
  const granted = isLogin
    ? recordGrant(record, before, { sentAt: result.sentAt, now })
    : result.of === account.name
      ? extendKnownGood(record, now)
      : record
  if (!shared && !isLogin && granted === record) return undefined
  const isOlder = (account.token?.sentAt ?? -Infinity) > result.sentAt
  return { ...(released ?? account), record: granted, token: isOlder ? account.token : result }
}

/** Returns how many milliseconds calls that need a token wait for a refresh before a login replaces it. */
export function refreshPatience({ clientDeadline }: Rules): number {
  return Math.min(SECOND, clientDeadline / 4)
}

/** True while another process asks iSales. A lease dated before the clock was set back does not block. */
export function isLeasedByOther({ lease }: Account, holder: string, now: number): boolean {
  if (lease === undefined || lease.holder === holder) return false
  return now < lease.until && lease.until < now + 2 * LEASE_DURATION
}

/** Renews the lease of a request in flight; undefined if another process holds the lease. */
export function renewLease(account: Account, holder: string, now: number): Account | undefined {
  const { lease } = account
  if (lease?.holder !== holder) return undefined
  return { ...account, lease: { ...lease, until: now + LEASE_DURATION } }
}

function releaseLease(account: Account, holder: string): Account | undefined {
  return account.lease?.holder === holder ? { ...account, lease: undefined } : undefined
}

/** True if `one` replaces `other`: a different token that is usable and was requested later. */
export function isNewer(
  one: Token | undefined,
  other: Token | undefined,
  now: number,
): one is Token {
  if (one === undefined) return false
  if (now >= usableUntil(one)) return false
  if (other === undefined) return true
  if (one.token.reveal() === other.token.reveal()) return false
  return one.sentAt > other.sentAt
}

/**
 * Returns how many milliseconds a replica waits for the store before it asks alone. Jittered: one login ends every replica's
 * token at the same moment, and of two simultaneous logins either may give the later token.
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
