// Rules about calls and their tokens: properties 8 and 9.
import {
  isSafe,
  isUnwanted,
  type Arrival,
  type Call,
  type Span,
  type TokenRequest,
} from './wire.ts'
import type { Wire } from './wire.ts'

const MAX_BACKOFF = 30_000
/** Fewer than ten failures in a row fit in. After ten, the next login is minutes later. */
const MAX_FAILING = 20_000
/** A fault of the network may lose a response that iSales sent so long before. */
const LOST = 1000
/** For a call that is rejected later than this, a login comes after its deadline. */
const LATE = 1500
/** Two tokens may end within this time. */
const OVERTAKEN = 4000
const SLOW = 200
/** Maximum cost of a wrong decision on calls that iSales answers without a look at the token, including the next login. */
const MAX_BLIND = 32_000
/** Maximum distance of rejection-triggered renewals after one that did not help. */
const MAX_PACE = 28_000
/** A refresh in flight is given up for a login after a second. */
const PATIENCE = 1000
/** The login pause after one attempt. */
const PAUSE = 6000
/** A call whose login fits into its deadline gets its token. */
const MARGIN = 1200

export function createTokenRules(wire: Wire) {
  const { apart, arrivals, ended, spans, during, find, open, absences } = wire
  const grants: number[] = []
  const ineffective: number[] = []
  /** By credentials: the last granted login, and the last login that may have caused a long pause. */
  const provenAt = new Map<string, number>()
  const doubtedAt = new Map<string, number>()
  /** The first failure since the last grant. */
  let failingSince = Infinity

  /** True if the next login may be minutes later, because iSales has not accepted these credentials. */
  function mayPause(credentials: string): boolean {
    const proven = provenAt.get(credentials)
    if (proven === undefined || proven <= (doubtedAt.get(credentials) ?? -Infinity)) return true
    return during(['store', 'unproven'], proven, Infinity)
  }

  /** A call waits for no token while iSales grants logins. */
  function judgeMissing({ id, code, replica, sentAt, to, manner }: Call): void {
    if (code !== 'no-token' || manner.pause > 0 || manner.hangUp !== undefined) return
    const excused = ['no-login', 'paused', 'store', 'delayed', 'unproven', ...absences(replica)]
    // A call that is refused at once ends before `MARGIN`.
    const isExcused = during(excused, sentAt - PATIENCE, Math.max(sentAt, to - MARGIN))
    // A login whose response is lost is an attempt, after which the next one waits, as after one that does not arrive in time.
    const isPaused =
      during(['cut'], sentAt - PAUSE, to) ||
      during(['delayed'], sentAt - PATIENCE - MAX_BACKOFF, to)
    if (!isExcused && !isPaused) find(8, to, `no token: ${id} got a 503 while iSales grants logins`)
  }

  /** Checks a rejection after the end of the run, because later events matter. */
  function judgeRejection(call: Call): void {
    const seen = arrivals.get(call.id) ?? []
    const last = seen.at(-1)
    const rejections = seen.filter(({ rejected }) => rejected === 'token')
    const isRejection =
      call.code === undefined && last?.rejected !== undefined && call.status === last.status
    if (!isUnwanted(call) && (call.status === 401 || call.status === 403)) {
      if (seen.length === 0)
        find(8, call.to, `${call.id} got a ${call.status} that iSales did not send`)
    }
    if (last?.rejected === 'call' && call.heard === 'response' && !isRejection) {
      // A renewal may be in flight at the deadline, or iSales unreachable for the replay. The lease in the store may be of a
      // replica that has given up.
      const isLate = call.to > call.sentAt + LATE
      const excused = during(['no-login', 'store'], last.from - MAX_PACE, call.to)
      if (!excused || (call.code === 'no-token' && !isLate))
        find(
          8,
          call.to,
          `${call.id} was rejected for itself with ${last.status} and got ${call.status} ${call.code ?? ''}`,
        )
    }
    if (!isRejection || last.rejected === 'call') return
    const since = last.from - MAX_BLIND
    const mayBeBlind = during(['token-ended', 'no-login'], since, last.to)
    if (mayBeBlind && during(['public'], since, last.to)) return
    if (rejections.length > 1) return judgeReplay(call, rejections, last)
    const isSoon = ({ kind, from, to }: Span): boolean =>
      ['token-ended', 'no-login'].includes(kind) && from < call.to && to > last.from - OVERTAKEN
    const paced =
      ineffective.some((at) => at > last.from - MAX_PACE && at < call.to) ||
      // A process whose new token has also ended waits before its next request.
      spans.filter(isSoon).length > 1
    const isLate = last.from > call.sentAt + LATE
    // Refreshes may have kept a token alive while logins were paused.
    const excused = during(['no-login', 'paused', 'store'], last.from, call.to)
    if (!paced && !isLate && !excused) {
      find(8, call.to, `late login: ${call.id} got a ${call.status} that a login would have fixed`)
    }
  }

  /** Checks a call that was rejected more than once. */
  function judgeReplay(call: Call, rejections: readonly Arrival[], last: Arrival): void {
    const [one, other] = rejections.slice(-2).map(({ token }) => token)
    // A GET whose response was lost is sent again with the same token.
    const isLost =
      isSafe(call) && (rejections.at(-2)?.cut === true || during(['cut'], call.from, call.to))
    if (one !== undefined && one === other && !isLost)
      find(8, call.to, `${call.id} was sent twice with a token that had ended`)
    // The newer token may have ended before the first rejection, unnoticed.
    const granted = grants.findLast((at) => at < last.from) ?? 0
    const before = Math.min(granted, rejections.at(-2)?.from ?? 0)
    if (!during(['token-ended', 'no-login', 'store'], before, last.to))
      find(8, call.to, `${call.id} was rejected twice, and no token had ended between`)
  }

  return {
    mayPause,

    /** iSales is unreachable: the next token request may be later by the back-off. */
    unreached(from: number, since: number): void {
      failingSince = Math.min(failingSince, from)
      open('unreached', since, from + MAX_BACKOFF)
      spans.push({ kind: 'no-login', from, to: from + MAX_BACKOFF, endsWith: 'grant' })
    },

    arrived(arrival: Arrival): void {
      const before = arrivals.get(arrival.callId) ?? []
      arrivals.set(arrival.callId, [...before, arrival])
      const { callId, from, to, rejected, expired } = arrival
      // A renewal helps neither a call that is rejected with any token, nor a replay with another ended token.
      const isReplay = before.some((former) => former.rejected === 'token')
      if (rejected === 'call' || (rejected === 'token' && isReplay)) ineffective.push(from)
      // A slow iSales checks the token late.
      if (expired && to - from < SLOW && !during(['delayed'], from - 100, from)) {
        find(8, from, `${callId} was sent with a token after its end`)
      }
    },

    /** `isNeeded` is false if a process with a valid refresh token needs no password. */
    tokenRequest(
      { from, to, granted, credentials, refused }: TokenRequest,
      isNeeded: boolean,
    ): void {
      if (credentials !== undefined) {
        const isLong = refused || to - failingSince > MAX_FAILING || mayPause(credentials)
        const end = isLong ? Infinity : to + MAX_BACKOFF
        if (!granted) spans.push({ kind: 'paused', from, to: end, endsWith: 'login' })
        if (!granted && isLong) doubtedAt.set(credentials, to)
        if (granted && !during(['cut', 'delayed'], from, to + LOST)) provenAt.set(credentials, from)
      }
      if (!isNeeded) return
      if (!granted && credentials === undefined) {
        // The login that follows waits no longer for the refresh.
        open('no-login', from, Math.min(to, from + PATIENCE))
        return
      }
      failingSince = granted ? Infinity : Math.min(failingSince, from)
      if (!granted) {
        const endsWith = refused ? 'login' : 'grant'
        spans.push({ kind: 'no-login', from, to: Infinity, endsWith })
        return
      }
      for (const span of spans) {
        const ends =
          span.endsWith === 'grant' || (credentials !== undefined && span.endsWith === 'login')
        if (ends && !apart) span.to = Math.min(span.to, to)
      }
      open('no-login', from, to)
      grants.push(from)
    },

    finish(): void {
      for (const call of ended.values()) {
        judgeRejection(call)
        judgeMissing(call)
      }
    },
  }
}
