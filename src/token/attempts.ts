import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import type { Ask, BackoffState, Credentials, Entry, Failed, Outcome, TokenClient } from './ask.ts'
import type { IsalesClient } from './client.ts'
import { isGrant, isMissing, isRefusal, type AuthFailure } from './protocol.ts'

/** Where the book of logins lives. An entry that was written outlives the process if the home does. */
export interface AttemptHome {
  readonly find: (credentials: Credentials) => Promise<Entry | undefined>
  /** @returns false when it could not be written. */
  readonly save: (credentials: Credentials, entry: Entry) => Promise<boolean>
}

export type AttemptRules = Pick<Config, 'loginRejectedAttempts'>

/** What follows a failed login. */
export type FailedAttempt = Omit<Failed, 'failure'>

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const PROOF = 24 * HOUR
/** After one attempt, two, and more. So few do not lock an account: at most four in 15 min. */
const PAUSES = [5 * SECOND, 10 * SECOND] as const
const UNCLEAR_PAUSE = 8 * MINUTE
const REFUSED_PAUSE = 15 * MINUTE
/** The same credentials were refused after that: nobody has corrected them yet. */
const LONG_PAUSE = 4 * HOUR
const MIN_BACKOFF = 500
const MAX_BACKOFF = 30 * SECOND
/** An iSales that has not responded clearly ten times in a row is asked less often. */
const MANY_FAILURES = 10
const MAX_UNCLEAR = 5 * MINUTE
const EGRESS = 30 * SECOND
const MAX_EGRESS = 5 * MINUTE
/** `Retry-After: 0`, or a date that is past, would be a hot loop. */
const MIN_RETRY_AFTER = SECOND
const MAX_RETRY_AFTER = 5 * MINUTE

export const NO_ENTRY: Entry = {
  attempts: 0,
  refusals: 0,
  notBefore: -Infinity,
  provenUntil: -Infinity,
}

/** The entry while a login is in flight: what a process that dies now leaves. */
export function begun(before: Entry, now: number): Entry {
  const attempts = before.attempts + 1
  return { ...before, attempts, notBefore: now + unclearPause(attempts), provenUntil: -Infinity }
}

/** The entry after a grant. */
export function granted(now: number): Entry {
  return { ...NO_ENTRY, provenUntil: now + PROOF }
}

/**
 * What follows a failed login.
 *
 * - refused: after 5 s, 10 s, from `LOGIN_REJECTED_ATTEMPTS` 15 min, then each 4 h.
 * - unclear: after 5 s, 10 s, then each 8 min; proven credentials 0.5 s doubling to 30 s, after ten failures to 5 min.
 * - untouched: 0.5 s doubling to 30 s. The egress proxy's refusal: 30 s doubling to 5 min.
 *
 * All but the first are jittered or prolonged by `Retry-After` (1 s to 5 min).
 *
 * @param before the entry before the login.
 * @param failuresBefore failed token requests in a row before this one.
 * @param random in [0, 1).
 */
export function afterFailure(
  before: Entry,
  failure: AuthFailure,
  given: {
    readonly rules: AttemptRules
    /** As how many attempts it counts. */
    readonly weight: number
    readonly failuresBefore: number
    readonly now: number
    readonly random: number
  },
): FailedAttempt {
  const { rules, weight, failuresBefore, now, random } = given
  const { retryAfter } = failure
  const proven = now < before.provenUntil
  const kind = failure.kind === 'ambiguous' ? (proven ? 'unclear' : 'refused') : failure.kind
  const asked =
    retryAfter === undefined ? 0 : Math.min(Math.max(retryAfter, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
  const counted = (refusals: number, pause: number): FailedAttempt => {
    const attempts = before.attempts + weight
    const longest = Math.max(pause, attempts > PAUSES.length ? UNCLEAR_PAUSE : 0, asked)
    const entry = { attempts, refusals, notBefore: now + longest, provenUntil: -Infinity }
    return { entry, pause: longest, counted: true, backoff: backoffOf(entry, rules) }
  }
  const uncounted = (pause: number): FailedAttempt => {
    const longest = Math.max(pause, asked)
    const backoff = before.refusals > 0 ? backoffOf(before, rules) : 'transient'
    return { entry: before, pause: longest, counted: false, backoff }
  }
  switch (kind) {
    case 'refused': {
      const refusals = Math.max(before.refusals + 1, weight)
      return counted(refusals, refusedPause(refusals, rules))
    }
    case 'unclear': {
      if (!proven) return counted(before.refusals, unclearPause(before.attempts + 1))
      const max = failuresBefore < MANY_FAILURES ? MAX_BACKOFF : MAX_UNCLEAR
      // In the upper half: iSales may have counted it.
      return uncounted((doubled(MIN_BACKOFF, failuresBefore, max) * (1 + random)) / 2)
    }
    case 'untouched':
      return uncounted(doubled(MIN_BACKOFF, failuresBefore, MAX_BACKOFF) * random)
    case 'egress':
      return uncounted(doubled(EGRESS, failuresBefore, MAX_EGRESS))
  }
}

/** What the account is spared by; `transient` when nothing was refused. */
export function backoffOf({ attempts, refusals }: Entry, rules: AttemptRules): BackoffState {
  if (refusals >= rules.loginRejectedAttempts || attempts > PAUSES.length) return 'guarded'
  return refusals > 0 ? 'rejected' : 'transient'
}

function refusedPause(refusals: number, { loginRejectedAttempts: limit }: AttemptRules): number {
  if (refusals > limit) return LONG_PAUSE
  return refusals === limit ? REFUSED_PAUSE : (PAUSES[refusals - 1] ?? PAUSES[1])
}

function unclearPause(attempts: number): number {
  return PAUSES[attempts - 1] ?? UNCLEAR_PAUSE
}

function doubled(base: number, times: number, max: number): number {
  return Math.min(max, base * 2 ** times)
}

export interface AttemptsOptions {
  readonly client: IsalesClient
  readonly home: AttemptHome
  readonly rules: AttemptRules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * Wraps the client of iSales: each login is written into the book before it is sent, crossed out by a grant, and taken
 * back when nothing of the account was touched. So a crash at any moment counts as an attempt. A login that would come
 * too early is deferred, unless an operator asks for it.
 */
export function withAttempts(options: AttemptsOptions): TokenClient {
  const { client, home, rules, clock, random } = options
  let failures = 0

  /** The next login waits, and so does the next refresh: a failed one leads to a login. */
  const failed = (before: Entry, failure: AuthFailure, ask: Ask): FailedAttempt => {
    const { weight = 1, failures: failuresBefore = failures } = ask
    const given = { rules, weight, failuresBefore, now: clock.now(), random: random() }
    failures = failuresBefore + 1
    return afterFailure(before, failure, given)
  }

  return {
    async login(credentials, ask): Promise<Outcome> {
      const known = await home.find(credentials)
      const before = merged(known ?? NO_ENTRY, ask.known)
      const now = clock.now()
      if (now < before.notBefore && !ask.forced) {
        const ms = before.notBefore - now
        return { deferred: 'guarded', ms, backoff: backoffOf(before, rules) }
      }
      const isWritten = await home.save(credentials, begun(before, now))
      const outcome = await client.login(credentials, ask)
      if (isGrant(outcome)) {
        failures = 0
        await home.save(credentials, granted(clock.now()))
        return outcome
      }
      const verdict = failed(before, outcome, ask)
      await home.save(credentials, verdict.entry)
      // A restart would forget it: the account is spared while this process lives.
      const isForgotten = verdict.counted && !isWritten
      const pause = isForgotten ? Math.max(verdict.pause, UNCLEAR_PAUSE) : verdict.pause
      return { failure: outcome, ...verdict, pause }
    },

    async refresh(tokens, credentials, ask): Promise<Outcome> {
      const outcome = await client.refresh(tokens, ask)
      const known = (await home.find(credentials)) ?? NO_ENTRY
      const now = clock.now()
      if (isGrant(outcome)) {
        failures = 0
        if (now < known.provenUntil) await home.save(credentials, granted(now))
        return outcome
      }
      // It says nothing of the credentials; the login that follows tells more.
      if (isRefusal(outcome) || isMissing(outcome)) {
        const backoff = known.attempts > 0 ? backoffOf(known, rules) : 'none'
        return { failure: outcome, entry: known, pause: 0, counted: false, backoff }
      }
      const proven = { ...known, provenUntil: Infinity }
      return { failure: outcome, ...failed(proven, outcome, ask), entry: known }
    },
  }
}

/** What two books know of the same credentials. An attempt that no grant has crossed out proves nothing. */
export function merged(entry: Entry, other: Entry = NO_ENTRY): Entry {
  const attempts = Math.max(entry.attempts, other.attempts)
  return {
    attempts,
    refusals: Math.max(entry.refusals, other.refusals),
    notBefore: Math.max(entry.notBefore, other.notBefore),
    provenUntil: attempts > 0 ? -Infinity : Math.max(entry.provenUntil, other.provenUntil),
  }
}

/** The book of one process: what a restart forgets. */
export function memoryHome(): AttemptHome {
  const key = randomBytes(32)
  const entries = new Map<string, Entry>()
  const idOf = ({ user, password }: Credentials): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password.reveal()]))
      .digest('base64')
  return {
    find: (credentials) => Promise.resolve(entries.get(idOf(credentials))),
    save(credentials, entry) {
      entries.set(idOf(credentials), entry)
      return Promise.resolve(true)
    },
  }
}
