// Rules about logins and refreshes as iSales saw them: properties 4, 9 and 10.
import type { TokenRequest, Wire } from './wire.ts'

/** A window of the account's lock, and the most wrong passwords in it. */
const LOCK_WINDOW = 900_000
const MAX_WRONG = 4
const MINUTE = 60_000
/** A fault of the network may lose a response that iSales sent so long before. */
const LOST = 1000
/** Minimum distance of logins that an operator forces. */
const ASKS_APART = 3000
/** Per minute: scheduled and rejection-triggered renewals. The end of a token adds more, by its duration. */
const MAX_RENEWALS = 20
/** Additional renewals of each further replica, whose clients meet other rejections. */
const RENEWALS_OF_REPLICA = 7
const RENEWALS_OF_END = 3
/** Maximum of a replica, for any lifetime of tokens and any state of the store. */
const MAX_EVER = 60
const PACE = 5000
/** A lease that no process renews lasts for 3 s. */
const LEASE = 3500
/** A refresh uses no password: its next try follows within 30 s, and the time of a request. */
const MAX_REFRESH_PAUSE = 35_500
/** A login with a changed password follows within this time, also if a refresh is in flight. */
const MAX_CHANGE = 8000
/** Answers to a login that iSales did not process: another login follows as soon as a refresh would. */
const NOT_PROCESSED: ReadonlySet<number> = new Set([404, 405, 407, 429, 502, 503, 504])
/** Refreshes that iSales rejects are not repeated, and the operator may have a wrong path. */
const FINAL: ReadonlySet<number> = new Set([200, 401, 403, 404, 429])

export function createAccountRules(wire: Wire) {
  const { replicas, apart, spans, during, find, absences } = wire
  const away = Array.from({ length: replicas }, (_, replica) => absences(replica)).flat()
  /** When iSales sent the last granted token. */
  let lastGrant = 0
  /** Times of the last minute's token requests. */
  let requestedAt: number[] = []
  const askedAt: number[] = []
  const lastAsk = new Map<number, number>()
  const wrongAt = new Map<string, number[]>()
  /** Credentials with a grant, and no later refusal. */
  const knownGood = new Set<string>()
  let budget = MAX_WRONG
  /** The file's credentials, until iSales has processed a login with them, which is sent by `by`. */
  let owed:
    | { readonly credentials: string; readonly since: number; readonly by: number }
    | undefined
  /** Credentials whose next login may be paused. */
  const doubted = new Set<string>()
  /** The token's credentials, which need no other login. */
  let ofToken: string | undefined
  /** End of the latest refresh that failed, and that no token request followed. */
  let failedRefreshAt: number | undefined
  /** Lifetime of the refresh tokens that iSales grants, and the end of the latest one. */
  let refreshLifetime = Infinity
  let refreshEndsAt = Infinity

  /** Checks the rate of token requests, granted or not. */
  function judgeRate(from: number): void {
    const since = from - MINUTE
    requestedAt = [...requestedAt.filter((at) => at > since), from]
    const recent = requestedAt.length
    const ends = spans.filter(
      (span) => span.kind === 'token-ended' && span.to >= since && span.from <= from,
    )
    const most = ends.reduce(
      (sum, end) => sum + RENEWALS_OF_END + (end.to - end.from) / PACE,
      MAX_RENEWALS +
        (replicas - 1) * RENEWALS_OF_REPLICA +
        askedAt.filter((at) => at > since).length,
    )
    const isExcused = during(['store', 'short-lives'], since, from)
    if (recent > (isExcused ? Math.max(most, MAX_EVER * replicas) : most))
      find(10, from, `${recent} token requests in a minute`)
  }

  /** Processes with one session take turns, unless one of them or the store does not respond. */
  function judgeTurn({ from, to, granted }: TokenRequest): void {
    const excused = ['store', 'cut', 'delayed', 'unproven', ...away]
    if (granted && !apart && from < lastGrant && !during(excused, from - LEASE, to))
      find(10, from, 'two tokens were requested at the same time')
    if (granted) lastGrant = to
  }

  /** While its token is valid, a refresh waits for no pause of logins, and for no other failure than its own. */
  function judgeRefreshPause(now: number): void {
    if (failedRefreshAt === undefined || now - failedRefreshAt <= MAX_REFRESH_PAUSE) return
    const excused = ['store', 'cut', 'delayed', 'unreached', 'refresh-ended', ...away]
    const isValid = refreshEndsAt > failedRefreshAt + MAX_REFRESH_PAUSE
    if (isValid && !during(excused, failedRefreshAt, now))
      find(9, now, `refresh delayed: none for ${Math.round((now - failedRefreshAt) / 1000)} s`)
    failedRefreshAt = undefined
  }

  /** The login that follows a changed file is sent, however refreshes end. */
  function judgeChange(now: number): void {
    if (owed === undefined || now <= owed.by) return
    const excused = ['store', 'cut', 'delayed', 'unreached', 'unproven', ...away]
    if (!during(excused, owed.since, now)) find(4, now, 'changed file: no login with its password')
    owed = undefined
  }

  function noteLogin({ from, to, granted, status }: TokenRequest, credentials: string): void {
    const isProcessed = !NOT_PROCESSED.has(status)
    if (granted) {
      doubted.delete(credentials)
      ofToken = credentials
    } else if (isProcessed) doubted.add(credentials)
    if (owed === undefined) return
    if (credentials !== owed.credentials || from < owed.since)
      owed = { ...owed, by: Math.max(owed.by, to + MAX_CHANGE) }
    else owed = isProcessed ? undefined : { ...owed, by: to + MAX_REFRESH_PAUSE }
  }

  return {
    /** The mounted file has other credentials. */
    changed(credentials: string, at: number): void {
      const isOwed = credentials !== ofToken && !doubted.has(credentials)
      owed = isOwed ? { credentials, since: at, by: at + MAX_CHANGE } : undefined
    },

    /** A login or a refresh. */
    tokenRequest(request: TokenRequest): void {
      const { from, to, granted, credentials, status } = request
      judgeRate(from)
      judgeTurn(request)
      judgeRefreshPause(from)
      judgeChange(from)
      if (credentials !== undefined) noteLogin(request, credentials)
      const fails = credentials === undefined && !granted && !FINAL.has(status)
      if (fails) failedRefreshAt = to
      else if (granted || credentials === undefined) failedRefreshAt = undefined
      if (granted) refreshEndsAt = from + refreshLifetime
    },

    /** iSales grants refresh tokens with this lifetime from now on, in seconds. */
    refreshTokensLast(seconds: unknown): void {
      refreshLifetime = Number(seconds) * 1000
    },

    /** A login with credentials that do not work; `status` 0 if iSales left it unanswered. */
    wrongLogin(credentials: string, from: number, at: number, status: number): void {
      const isAnswered = status !== 0 && !during(['cut', 'delayed'], from, at + LOST)
      // Excluded: an unanswered login is not counted while the credentials are known good.
      if (!isAnswered && knownGood.has(credentials)) return
      // The published 500 may also be a failure of iSales.
      if (isAnswered && status !== 500) knownGood.delete(credentials)
      const alone = spans.find(
        ({ uncounted = 0, from, to }) => uncounted > 0 && from <= at && at <= to,
      )
      if (alone?.uncounted !== undefined) {
        alone.uncounted -= 1
        return
      }
      const all = [...(wrongAt.get(credentials) ?? []), at]
      wrongAt.set(credentials, all)
      const recent = all.filter((one) => one > at - LOCK_WINDOW).length
      if (recent <= budget) return
      find(10, at, `${recent} logins with ${credentials} within 15 min, ${budget} are allowed`)
    },

    /** An operator asked a replica for a login. */
    asked(replica: number, at: number): void {
      if (at < (lastAsk.get(replica) ?? -Infinity) + ASKS_APART) return
      lastAsk.set(replica, at)
      askedAt.push(at)
    },

    /** iSales counts from the start again. */
    rightLogin(credentials: string): void {
      knownGood.add(credentials)
      wrongAt.delete(credentials)
    },

    /** Records of this many logins may be lost from now on. */
    attemptsUnrecorded(logins = MAX_WRONG): void {
      budget += logins
    },

    /** All replicas have lost their records of logins. */
    attemptsForgotten(): void {
      wrongAt.clear()
    },

    look(now: number): void {
      judgeRefreshPause(now)
      judgeChange(now)
    },
  }
}
