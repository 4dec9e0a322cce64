// The rules that hold at any time, for the simulation and for the soak. They are applied to the responses that clients got and
// the requests that iSales saw. The proxy's own reports are not trusted: its status page is compared with them.
import { REFUSED, type Manner, type Plan } from './plan.ts'
import { createTruth, type Fate, type StatusPage } from './truth.ts'

/**
 * The end of a call at its client.
 *
 * - `response`: a whole response.
 * - `cut`: the connection ended before a whole response.
 * - `hung-up`: the client left.
 */
export type Heard = 'response' | 'cut' | 'hung-up'

/** A call of a client; instants in milliseconds. */
export interface Request {
  readonly id: string
  readonly manner: Manner
  readonly from: number
  /** When its last byte was sent, or when it became the first call in progress on its connection. */
  sentAt: number
  /** The unanswered call before it on the connection. */
  readonly after: string | undefined
  /** Sent whole, on a new connection. */
  readonly fresh: boolean
}

/** A finished call. */
export interface Call extends Request {
  readonly replica: number
  readonly to: number
  readonly heard: Heard
  /** 0 without a response. */
  readonly status: number
  readonly body: string
  /** Only in an error of the proxy. */
  readonly code?: string
  readonly sent?: string
}

/** True if the call may be sent twice. */
const isSafe = ({ manner }: Call): boolean => manner.kind === 'get'
/** A POST that the proxy must refuse. */
const isRefusable = ({ manner }: Call): boolean =>
  (REFUSED as readonly string[]).includes(manner.kind)
/** True if the call must not reach iSales. */
const isUnwanted = (call: Call): boolean => call.manner.kind === 'garbage' || isRefusable(call)

/** A business call as iSales saw it, after the end of its response. */
export interface Arrival {
  readonly callId: string
  readonly from: number
  readonly to: number
  /** 0 if iSales sent none. */
  readonly status: number
  /** Its response was cut on purpose. */
  readonly cut: boolean
  /** `token`: its token was invalid. `call`: iSales rejects this call with any token. */
  readonly rejected: 'token' | 'call' | undefined
  /** The token was sent after its end. */
  readonly expired: boolean
  /** Undefined if iSales may grant the same token again. */
  readonly token: string | undefined
}

/** A login or a refresh as iSales saw it. */
export interface TokenRequest {
  readonly from: number
  readonly to: number
  readonly granted: boolean
  /** Undefined for a refresh. */
  readonly credentials: string | undefined
  /** iSales rejected the credentials. The next login may follow 15 min later, even if a refresh succeeds. */
  readonly refused: boolean
}

/**
 * A period in which something is excused.
 *
 * - `no-login`: iSales grants no token.
 * - `token-ended`: a token ended early.
 * - `cut`: connections are cut.
 * - `delayed`: the network is slow.
 * - `replica-N`: the process does not run, or its clients do not reach it.
 * - `stopping-N`: the process is stopping, or has not started again.
 * - `slow`: iSales answers some calls slowly.
 * - `held`: another client holds connections.
 * - `store`: the store is unavailable, or has lost or changed values.
 * - `public`: iSales answers calls without a look at their token.
 * - `unproven`: the proxy may have forgotten that the credentials were accepted.
 */
export interface Span {
  readonly kind: string
  readonly from: number
  to: number
  /** The next grant of iSales ends the span, or the next grant for a login. */
  readonly endsWith?: 'grant' | 'login'
  /** Logins with a wrong password that are not counted during the span. */
  uncounted?: number
}

export interface Finding {
  readonly judgment: number
  readonly at: number
  readonly text: string
}

/** A window of the account's lock, and the most wrong passwords in it. */
const LOCK_WINDOW = 900_000
const MAX_WRONG = 4
const MINUTE = 60_000
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
const LONG_RENEWAL = 500
/** Maximum cost of a wrong decision on calls that iSales answers without a look at the token, including the next login. */
const MAX_BLIND = 32_000
/** Minimum distance of logins that an operator forces. */
const ASKS_APART = 3000
/** The proxy refuses an incomplete head within this time, and an incomplete body sooner. */
const STALL = 17_000
/** Per minute: scheduled and rejection-triggered renewals. The end of a token adds more, by its duration. */
const MAX_RENEWALS = 20
/** Additional renewals of each further replica, whose clients meet other rejections. */
const RENEWALS_OF_REPLICA = 7
const RENEWALS_OF_END = 3
/** Maximum of a replica, for any lifetime of tokens and any state of the store. */
const MAX_EVER = 60
const PACE = 5000
const DELAY = 3000
/** Maximum distance of rejection-triggered renewals after one that did not help. */
const MAX_PACE = 28_000

/** After the absence of a process, its page is not checked for this time. */
const AFTER_ABSENCE = 8000
/** Maximum time in which a silent client that does not read keeps its connection. */
const PLACE_FREE = 14_000
/** The proxy reads a whole request within this time. */
const READ_WITHIN = 50

/** A lease that no process renews lasts for 3 s. */
const LEASE = 3500

export type Judge = ReturnType<typeof createJudge>

/** @param deadline CLIENT_DEADLINE and the network's share, in milliseconds. */
export function createJudge(
  { replicas, shared }: Plan,
  deadline: number,
  onFinding: (finding: Finding) => void,
) {
  /** A grant to one replica does not help the others. */
  const apart = replicas > 1 && !shared
  const arrivals = new Map<string, Arrival[]>()
  const executions = new Map<string, number>()
  const ended = new Map<string, Call>()
  const spans: Span[] = []
  const grants: number[] = []
  /** When iSales sent the last granted token. */
  let lastGrant = 0
  /** Times of the last minute's token requests. */
  let requestedAt: number[] = []
  const askedAt: number[] = []
  const lastAsk = new Map<number, number>()
  const wrongAt = new Map<string, number[]>()
  /** Credentials with a grant, and no later refusal. */
  const knownGood = new Set<string>()
  const ineffective: number[] = []
  /** By credentials: the last granted login, and the last login that may have caused a long pause. */
  const provenAt = new Map<string, number>()
  const doubtedAt = new Map<string, number>()
  /** The first failure since the last grant. */
  let failingSince = Infinity
  let budget = MAX_WRONG
  const find = (judgment: number, at: number, text: string): void =>
    onFinding({ judgment, at, text })
  const during = (kinds: readonly string[], from: number, to: number): boolean =>
    spans.some((span) => kinds.includes(span.kind) && span.from <= to && span.to >= from)

  const absences = (replica: number) => [`replica-${replica}`, `stopping-${replica}`]
  /** True if a fault may have ended a connection, or kept it open. */
  const isDisturbed = (replica: number, from: number, to: number): boolean =>
    during(['cut', 'delayed', ...absences(replica)], from - 100, to)

  /** True if the next login may be minutes later, because iSales has not accepted these credentials. */
  function mayPause(credentials: string): boolean {
    const proven = provenAt.get(credentials)
    if (proven === undefined || proven <= (doubtedAt.get(credentials) ?? -Infinity)) return true
    return during(['store', 'unproven'], proven, Infinity)
  }

  /** Default of `to`: until the caller ends the span. */
  function open(kind: string, from: number, to = Infinity): Span {
    const span = { kind, from, to }
    spans.push(span)
    return span
  }

  const truths = Array.from({ length: replicas }, (_, replica) =>
    createTruth((text, at) => find(5, at, `replica ${replica}: ${text}`)),
  )

  /** Returns the class in which the proxy must count the call. */
  function fateOf(call: Call): Fate {
    const { heard, manner, code, status, body, sentAt, to } = call
    const seen = arrivals.get(call.id) ?? []
    if (heard === 'hung-up') {
      const isWhole = manner.hangUp === 'waiting' && manner.pause === 0
      return isWhole && to - sentAt > READ_WITHIN && seen.length === 0 ? 'lost' : 'unknown'
    }
    if (heard === 'cut' || manner.kind === 'garbage') return 'unknown'
    if (code !== undefined && status < 500) return isRefusable(call) ? 'refused' : 'unknown'
    const last = seen.at(-1)
    const isRejected = last?.rejected !== undefined && last.status === status
    const isLost = status >= 500 || [401, 403, 429].includes(status) || body.startsWith('<')
    return isRejected || isLost ? 'lost' : 'answered'
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
        find(3, call.to, `${call.id} got a ${call.status} that iSales did not send`)
    }
    if (last?.rejected === 'call' && call.heard === 'response' && !isRejection) {
      // A renewal may be in flight at the deadline, or iSales unreachable for the replay. The lease in the store may be of a
      // replica that has given up.
      const isLate = call.to > call.sentAt + LATE
      const excused = during(['no-login', 'store'], last.from - MAX_PACE, call.to)
      if (!excused || (call.code === 'no-token' && !isLate))
        find(
          3,
          call.to,
          `${call.id} was rejected for itself with ${last.status} and got ${call.status} ${call.code ?? ''}`,
        )
    }
    if (!isRejection || last.rejected === 'call') return
    const since = last.from - MAX_BLIND
    const mayBeBlind = during(['token-ended', 'no-login'], since, last.to)
    if (mayBeBlind && during(['public'], since, last.to)) return
    if (rejections.length > 1) {
      const [one, other] = rejections.slice(-2).map(({ token }) => token)
      // A GET whose response was lost is sent again with the same token.
      const isLost =
        isSafe(call) && (rejections.at(-2)?.cut === true || during(['cut'], call.from, call.to))
      if (one !== undefined && one === other && !isLost)
        find(3, call.to, `${call.id} was sent twice with a token that had ended`)
      // The newer token may have ended before the first rejection, unnoticed.
      const granted = grants.findLast((at) => at < last.from) ?? 0
      const before = Math.min(granted, rejections.at(-2)?.from ?? 0)
      if (!during(['token-ended', 'no-login', 'store'], before, last.to)) {
        find(3, call.to, `${call.id} was rejected twice, and no token had ended between`)
      }
      return
    }
    const isSoon = ({ kind, from, to }: Span): boolean =>
      ['token-ended', 'no-login'].includes(kind) && from < call.to && to > last.from - OVERTAKEN
    const paced =
      ineffective.some((at) => at > last.from - MAX_PACE && at < call.to) ||
      // A process whose new token has also ended waits before its next request.
      spans.filter(isSoon).length > 1
    const isLate = last.from > call.sentAt + LATE
    if (!paced && !isLate && !during(['no-login', 'store'], last.from, call.to)) {
      find(3, call.to, `${call.id} got a ${call.status} that a login would have fixed`)
    }
  }

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
      find(3, from, `${recent} token requests in a minute`)
  }

  /** Processes with one session take turns, unless one of them or the store does not respond. */
  function judgeTurn({ from, to, granted }: TokenRequest): void {
    const away = truths.flatMap((_, replica) => absences(replica))
    const excused = ['store', 'cut', 'delayed', 'unproven', ...away]
    if (granted && !apart && from < lastGrant && !during(excused, from - LEASE, to))
      find(3, from, 'two tokens were requested at the same time')
    if (granted) lastGrant = to
  }

  /** RFC 9112 section 9.3.2: no request begins before the end of the previous request. */
  function judgeOrder({ id, after = '' }: Call): void {
    const [first] = arrivals.get(id) ?? []
    const last = arrivals.get(after)?.at(-1)
    if (first === undefined || last === undefined || last.status === 0) return
    // iSales may continue a call after its client got a timeout.
    const heardAt = ended.get(after)?.to ?? Infinity
    if (first.from < Math.min(last.to - 1, heardAt)) {
      find(2, first.from, `${id} was begun before the end of ${after}`)
    }
  }

  /** Guarantee 6: other clients do not displace a client that opens a connection for a call. */
  function judgePlace(call: Call): void {
    const { id, replica, heard, code, from, to, fresh } = call
    // Waiting calls keep their places, also those for the first token of a process. No call waits for an ordinary renewal.
    const keepsCalls = (span: Span): boolean =>
      ['no-login', 'store', 'token-ended', 'slow', `replica-${replica}`].includes(span.kind) &&
      (span.kind === 'token-ended' || span.to > span.from + LONG_RENEWAL) &&
      span.from <= to &&
      span.to >= from - deadline
    if (code === 'overloaded' && !spans.some(keepsCalls)) find(6, to, `${id} had no place`)
    if (heard !== 'cut' || !fresh || isUnwanted(call) || !during(['held'], from, to)) return
    if (arrivals.has(id) || isDisturbed(replica, from, to)) return
    find(6, to, `${id} lost its new connection to others`)
  }

  /** Checks a call whose client stayed and lost iSales's response. */
  function judgeLoss({ id, replica, heard, from, to, manner }: Call): void {
    const last = arrivals.get(id)?.at(-1)
    if (heard !== 'cut' || manner.hangUp === 'stall' || last === undefined || last.cut) return
    if (during(['cut', `replica-${replica}`], from, to)) return
    const isOver = last.status > 0 && last.to < to
    find(1, to, `${id} ${isOver ? 'lost the response of iSales' : 'was cut during its execution'}`)
  }

  return {
    /** All that have ended. */
    calls: (): readonly Call[] => [...ended.values()],
    find,
    open,
    mayPause,

    /** iSales is unreachable: the next token request may be later by the back-off. */
    unreached(from: number): void {
      failingSince = Math.min(failingSince, from)
      spans.push({ kind: 'no-login', from, to: from + MAX_BACKOFF, endsWith: 'grant' })
    },

    executed(callId: string, at: number): void {
      executions.set(callId, (executions.get(callId) ?? 0) + 1)
      const call = ended.get(callId)
      if (call?.sent === 'no') find(2, at, `${callId} was executed after its client heard sent: no`)
      if (call !== undefined && isUnwanted(call))
        find(2, at, `${callId} is not for iSales and was executed`)
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
        find(3, from, `${callId} was sent with a token after its end`)
      }
    },

    /** A login or a refresh. `isNeeded` is false if a process with a valid refresh token needs no password. */
    tokenRequest(request: TokenRequest, isNeeded: boolean): void {
      const { from, to, granted, credentials, refused } = request
      judgeRate(from)
      judgeTurn(request)
      if (credentials !== undefined) {
        const isLong = to - failingSince > MAX_FAILING
        if (!granted && (refused || isLong || mayPause(credentials))) doubtedAt.set(credentials, to)
        if (granted && !during(['cut', 'delayed'], from, to + LOST)) provenAt.set(credentials, from)
      }
      if (!isNeeded) return
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

    /** A login with credentials that do not work; `status` 0 if iSales left it unanswered. */
    wrongLogin(credentials: string, from: number, at: number, status: number): void {
      const isAnswered = status !== 0 && !during(['cut', 'delayed'], from, at + LOST)
      // README names this exemption: an unanswered login is not counted while the credentials are known good.
      if (!isAnswered && knownGood.has(credentials)) return
      // The published 500 may also be a failure of iSales.
      if (isAnswered && status !== 500) knownGood.delete(credentials)
      const away = spans.find(
        ({ uncounted = 0, from, to }) => uncounted > 0 && from <= at && at <= to,
      )
      if (away?.uncounted !== undefined) {
        away.uncounted -= 1
        return
      }
      const all = [...(wrongAt.get(credentials) ?? []), at]
      wrongAt.set(credentials, all)
      const recent = all.filter((one) => one > at - LOCK_WINDOW).length
      if (recent <= budget) return
      find(4, at, `${recent} logins with ${credentials} within 15 min, ${budget} are allowed`)
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

    called(call: Call): void {
      truths[call.replica]?.ended(call.to, fateOf(call))
      ended.set(call.id, call)
      const times = executions.get(call.id) ?? 0
      if (call.sent === 'no' && times > 0)
        find(2, call.to, `${call.id} was executed, and its client heard sent: no`)
      const took = call.to - call.sentAt
      const excused = during([`replica-${call.replica}`], call.sentAt - 100, call.to)
      // On a slow network, the body may arrive later than the head.
      const isDelayed = call.heard === 'response' && during(['delayed'], call.sentAt, call.to)
      const most =
        call.manner.hangUp === 'stall' || call.manner.kind === 'garbage'
          ? STALL
          : deadline + (isDelayed ? DELAY : 0)
      if (call.heard !== 'hung-up' && took > most && !excused) {
        find(1, call.to, `${call.id} was ${call.heard} after ${Math.round(took)} ms`)
      }
      if (
        call.heard === 'response' &&
        call.status === 200 &&
        call.body.startsWith('{"result":0') &&
        times === 0 &&
        !isSafe(call)
      ) {
        find(2, call.to, `${call.id} succeeded and was not executed`)
      }
    },

    /** The end of a misbehaving client's connection: the proxy may have counted a request. */
    held(replica: number, at: number): void {
      truths[replica]?.ended(at, 'unknown')
    },

    /** A process starts. */
    began(replica: number): void {
      truths[replica]?.pause(true)
    },

    /** Called every second for each replica. @returns true if the page has to be read now. */
    look(replica: number, now: number): boolean {
      const isAway = during(absences(replica), now - AFTER_ABSENCE, now)
      if (!isAway) return truths[replica]?.look(now) === true
      truths[replica]?.pause(false)
      return false
    },
    shows: (replica: number, page: StatusPage) => truths[replica]?.shows(page),

    /** A client that does not read has kept its connection. */
    keptPlace(replica: number, from: number): void {
      if (!isDisturbed(replica, from, from + PLACE_FREE))
        find(6, from, 'a client that was silent and then did not read keeps its place')
    },

    /** More than one head was taken of a connection whose call has no response. */
    readAhead(replica: number, from: number): void {
      if (!isDisturbed(replica, from, from + LATE))
        find(6, from, 'heads were read ahead of a call that is in progress')
    },

    /** Checks after the end of the run. */
    finish(): void {
      for (const [id, seen] of arrivals) {
        const call = ended.get(id)
        if (call === undefined || isSafe(call)) continue
        const again = seen.toSorted((one, other) => one.from - other.from).slice(0, -1)
        const executable = again.find(({ rejected }) => rejected === undefined)
        if (executable !== undefined)
          find(
            2,
            executable.to,
            `${id} was sent again after a ${executable.status || 'lost response'}`,
          )
        judgeOrder(call)
        if ((executions.get(id) ?? 0) > 1) find(2, call.to, `${id} was executed twice`)
      }
      for (const call of ended.values()) {
        judgeRejection(call)
        judgeLoss(call)
        judgePlace(call)
      }
    },
  }
}
