// What must hold, whatever happens: one description for the simulation and for the soak. It trusts what clients heard and
// what iSales saw, never what the proxy says of itself.

/**
 * What a client heard.
 *
 * - `response`: one that is whole.
 * - `cut`: the connection ended before that.
 * - `hung-up`: the client left.
 */
export type Heard = 'response' | 'cut' | 'hung-up'

/** One call of a client, when it has ended; instants in milliseconds. */
export interface Call {
  readonly id: string
  readonly replica: number
  /** GET: it may be sent twice. */
  readonly safe: boolean
  /** No HTTP, or not for iSales: it must not reach iSales. */
  readonly garbage: boolean
  /** Its client sent a part of it and no more. */
  readonly stalls: boolean
  /** Sent whole, on a connection that was opened for it. */
  readonly fresh: boolean
  readonly from: number
  /** When its last byte was sent. */
  readonly sentAt: number
  readonly to: number
  readonly heard: Heard
  /** 0 without a response. */
  readonly status: number
  readonly body: string
  /** Of a problem of the proxy. */
  readonly code?: string
  readonly sent?: string
  /** The call before it on the connection, which had no response yet. */
  readonly after: string | undefined
}

/** A business call as iSales saw it, when its response has ended. */
export interface Arrival {
  readonly callId: string
  readonly from: number
  readonly to: number
  /** 0: none was sent. */
  readonly status: number
  /** Its response was cut on purpose. */
  readonly cut: boolean
  /** `token`: its token was not good. `call`: iSales rejected it whatever its token. */
  readonly rejected: 'token' | 'call' | undefined
  /** The token was sent after its end. */
  readonly expired: boolean
  /** Undefined where iSales may grant the same one again. */
  readonly token: string | undefined
}

/** A login or a refresh as iSales saw it. */
export interface TokenRequest {
  readonly from: number
  readonly to: number
  readonly granted: boolean
  /** Of a login. */
  readonly credentials: string | undefined
  /** iSales refused the credentials: the next login may be 15 min later, whatever a refresh gives. */
  readonly refused: boolean
}

/**
 * What excuses something, from one instant to another.
 *
 * - `no-login`: no token can be had of iSales.
 * - `token-ended`: a token ended early.
 * - `cut`: connections are cut.
 * - `delayed`: what was sent arrives later.
 * - `replica-N`: the process does not run, or its clients do not reach it.
 * - `stopping-N`: the process ends, or is not there yet again.
 * - `slow`: iSales takes its time for some calls.
 * - `held`: another client holds connections.
 * - `store`: the store is not what it should be.
 * - `public`: iSales answers calls without a look at their token.
 * - `unproven`: that credentials have worked may be forgotten.
 */
export interface Span {
  readonly kind: string
  readonly from: number
  to: number
  /** The next token that iSales grants ends it, or the next that it grants to a login. */
  readonly endsWith?: 'grant' | 'login'
  /** Logins with a wrong password that count for nothing while it lasts. */
  spare?: number
}

export interface Finding {
  readonly judgement: number
  readonly at: number
  readonly text: string
}

export interface JudgeOptions {
  /** CLIENT_DEADLINE, and what the network may add, in milliseconds. */
  readonly deadline: number
  /** More than one share a token. */
  readonly replicas: number
  /** They share no token: what one is granted helps no other. */
  readonly apart: boolean
  readonly onFinding: (finding: Finding) => void
}

/** A window of the account's lock, and the most wrong passwords in it. */
const LOCK_WINDOW = 900_000
const MAX_WRONG = 4
const MINUTE = 60_000
const MAX_BACKOFF = 30_000
/** Ten failures in a row take longer, mostly. After them the next login is minutes later. */
const MAX_FAILING = 20_000
/** What iSales sent may be lost for so long. */
const LOST = 1000
/** A call that is rejected later is at its deadline before a login can cure it. */
const LATE = 1500
/** Two tokens that end within so long. */
const OVERTAKEN = 4000
const SLOW = 200
const LONG_RENEWAL = 500
/** A wrong judgement, by calls that iSales answers without a look at the token, costs no more, the next login included. */
const MAX_BLIND = 32_000
/** An operator who asks more often gets no more logins. */
const ASKS_APART = 3000
/** A head that does not end is refused after so long, and a body sooner. */
const STALL = 17_000
/** In a minute: those that are due, and those that rejected calls buy; more for each end of a token, by how long it lasts. */
const MAX_RENEWALS = 20
/** Of each further replica, whose clients hear of other refused calls. */
const RENEWALS_OF_REPLICA = 7
const RENEWALS_OF_END = 3
/** Of each replica, however short tokens live, and whatever the store does. */
const MAX_EVER = 60
const PACE = 5000
const DELAY = 3000
/** After a renewal that cured nothing, the next ones are up to so far apart. */
const MAX_PACE = 15_000

const NO_COUNTS = {
  calls: 0,
  succeeded: 0,
  problems: 0,
  relayed: 0,
  cut: 0,
  hungUp: 0,
  /** Rejected twice, since the token of its replay had ended, too. */
  secondRejections: 0,
}
export type Counts = Readonly<typeof NO_COUNTS>

export type Judge = ReturnType<typeof createJudge>

export function createJudge({ deadline, replicas, apart, onFinding }: JudgeOptions) {
  const arrivals = new Map<string, Arrival[]>()
  const executions = new Map<string, number>()
  const ended = new Map<string, Call>()
  const spans: Span[] = []
  const grants: number[] = []
  /** Token requests of the last minute. */
  let requestedAt: number[] = []
  const askedAt: number[] = []
  const lastAsk = new Map<number, number>()
  const wrongAt = new Map<string, number[]>()
  /** Credentials that iSales has granted a token, and not refused since. */
  const knownGood = new Set<string>()
  const uncured: number[] = []
  /** By credentials: the last login that was granted, and the last that may have made the program pause for long. */
  const provenAt = new Map<string, number>()
  const doubtedAt = new Map<string, number>()
  /** The first failure since the last grant. */
  let failingSince = Infinity
  let budget = MAX_WRONG
  const counts = { ...NO_COUNTS }
  const find = (judgement: number, at: number, text: string): void =>
    onFinding({ judgement, at, text })
  const during = (kinds: readonly string[], from: number, to: number): boolean =>
    spans.some((span) => kinds.includes(span.kind) && span.from <= to && span.to >= from)

  /** After a failed login the next one may be minutes later, since iSales has not accepted these credentials. */
  function mayPause(credentials: string): boolean {
    const proven = provenAt.get(credentials)
    if (proven === undefined || proven <= (doubtedAt.get(credentials) ?? -Infinity)) return true
    return during(['store', 'unproven'], proven, Infinity)
  }

  /** Without `to` it lasts until it is ended. */
  function open(kind: string, from: number, to = Infinity): Span {
    const span = { kind, from, to }
    spans.push(span)
    return span
  }

  /** Judgements that need what comes later: when all has ended. */
  function judgeRejection(call: Call): void {
    const seen = arrivals.get(call.id) ?? []
    const last = seen.at(-1)
    const rejections = seen.filter(({ rejected }) => rejected === 'token')
    const isRejection =
      call.code === undefined && last?.rejected !== undefined && call.status === last.status
    if (!call.garbage && (call.status === 401 || call.status === 403)) {
      if (seen.length === 0)
        find(3, call.to, `${call.id} got a ${call.status} that iSales did not send`)
    }
    if (last?.rejected === 'call' && call.heard === 'response' && !isRejection) {
      // A renewal is in flight when there is no time left, or iSales cannot be reached a second time. The store may name a
      // replica as asking that has given up.
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
      counts.secondRejections += 1
      const [one, other] = rejections.slice(-2).map(({ token }) => token)
      // A GET whose response was lost is sent again as it was.
      const isLost =
        call.safe && (rejections.at(-2)?.cut === true || during(['cut'], call.from, call.to))
      if (one !== undefined && one === other && !isLost)
        find(3, call.to, `${call.id} was sent twice with a token that had ended`)
      // The newer token may have ended before the first rejection: no call had shown it.
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
      uncured.some((at) => at > last.from - MAX_PACE && at < call.to) ||
      // Whoever got a token that had ended, too, does not ask again at once.
      spans.filter(isSoon).length > 1
    const isLate = last.from > call.sentAt + LATE
    if (!paced && !isLate && !during(['no-login', 'store'], last.from, call.to)) {
      find(3, call.to, `${call.id} got a ${call.status} that a login would have cured`)
    }
  }

  /** Any request for a token, whatever came of it. */
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

  /** RFC 9112 section 9.3.2: nothing is begun before the end of the request before it. */
  function judgeOrder({ id, after = '' }: Call): void {
    const [first] = arrivals.get(id) ?? []
    const last = arrivals.get(after)?.at(-1)
    if (first === undefined || last === undefined || last.status === 0) return
    // iSales may go on with a call whose client has heard that it took too long.
    const heardAt = ended.get(after)?.to ?? Infinity
    if (first.from < Math.min(last.to - 1, heardAt)) {
      find(2, first.from, `${id} was begun before the end of ${after}`)
    }
  }

  /** Promise 6: whoever opens a connection for a call keeps it, whatever others do with theirs. */
  function judgePlace({ id, replica, heard, code, from, to, fresh, garbage }: Call): void {
    // Calls that wait keep theirs, whoever they are of. For the token of an ordinary renewal none waits.
    const keepsCalls = (span: Span): boolean =>
      ['no-login', 'store', 'token-ended', 'slow'].includes(span.kind) &&
      (span.kind === 'token-ended' || span.to > span.from + LONG_RENEWAL) &&
      span.from <= to &&
      span.to >= from - deadline
    if (code === 'overloaded' && !spans.some(keepsCalls)) find(6, to, `${id} had no place`)
    if (heard !== 'cut' || !fresh || garbage || !during(['held'], from, to)) return
    const elsewhere = ['cut', 'delayed', `replica-${replica}`, `stopping-${replica}`]
    if (arrivals.has(id) || during(elsewhere, from - 100, to)) return
    find(6, to, `${id} lost its new connection to others`)
  }

  /** iSales responded, and the client has stayed. */
  function judgeLoss({ id, replica, heard, from, to, stalls }: Call): void {
    const last = arrivals.get(id)?.at(-1)
    if (heard !== 'cut' || stalls || last === undefined || last.cut) return
    if (during(['cut', `replica-${replica}`], from, to)) return
    if (last.status > 0 && last.to < to) find(1, to, `${id} lost the response of iSales`)
    else find(1, to, `${id} was cut while iSales was at it`)
  }

  return {
    counts,
    find,
    open,
    mayPause,

    /** iSales could not be reached, and the next token request may be so much later. */
    unreached(from: number): void {
      failingSince = Math.min(failingSince, from)
      spans.push({ kind: 'no-login', from, to: from + MAX_BACKOFF, endsWith: 'grant' })
    },

    executed(callId: string, at: number): void {
      executions.set(callId, (executions.get(callId) ?? 0) + 1)
      const call = ended.get(callId)
      if (call?.sent === 'no') find(2, at, `${callId} was executed after its client heard sent: no`)
      if (call?.garbage === true) find(2, at, `${callId} is no HTTP and was executed`)
    },

    arrived(arrival: Arrival): void {
      const before = arrivals.get(arrival.callId) ?? []
      arrivals.set(arrival.callId, [...before, arrival])
      const { callId, from, to, rejected, expired } = arrival
      // A renewal cures neither a call that is rejected for itself, nor one whose replay meets another ended token.
      const isReplay = before.some((former) => former.rejected === 'token')
      if (rejected === 'call' || (rejected === 'token' && isReplay)) uncured.push(from)
      // A slow iSales looks at the token late.
      if (expired && to - from < SLOW && !during(['delayed'], from - 100, from)) {
        find(3, from, `${callId} was sent with a token after its end`)
      }
    },

    /** A login or a refresh. `isNeeded`: whoever has a refresh token that lives needs no password. */
    tokenRequest(request: TokenRequest, isNeeded: boolean): void {
      const { from, to, granted, credentials, refused } = request
      judgeRate(from)
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
      // README names it: a login left unanswered is not counted while the credentials are known good.
      if (!isAnswered && knownGood.has(credentials)) return
      // The published 500 may also be an iSales that is ill.
      if (isAnswered && status !== 500) knownGood.delete(credentials)
      const away = spans.find(({ spare = 0, from, to }) => spare > 0 && from <= at && at <= to)
      if (away?.spare !== undefined) {
        away.spare -= 1
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

    /** What is written of logins from now on may be lost, of so many. */
    bookLost(logins = MAX_WRONG): void {
      budget += logins
    },

    /** What all replicas knew of logins is lost. */
    bookForgotten(): void {
      wrongAt.clear()
    },

    called(call: Call): void {
      counts.calls += 1
      ended.set(call.id, call)
      if (call.heard === 'hung-up') counts.hungUp += 1
      else if (call.heard === 'cut') counts.cut += 1
      else if (call.code !== undefined) counts.problems += 1
      else if (call.status === 200) counts.succeeded += 1
      else counts.relayed += 1
      const times = executions.get(call.id) ?? 0
      if (call.sent === 'no' && times > 0)
        find(2, call.to, `${call.id} was executed, and its client heard sent: no`)
      const took = call.to - call.sentAt
      const excused = during([`replica-${call.replica}`], call.sentAt - 100, call.to)
      // Its head came in time; what follows it on a slow network may come later.
      const isDelayed = call.heard === 'response' && during(['delayed'], call.sentAt, call.to)
      // Node's parser reports no error behind a request with `Upgrade`: what is no HTTP waits for the rest of its head.
      const most = call.stalls || call.garbage ? STALL : deadline + (isDelayed ? DELAY : 0)
      if (call.heard !== 'hung-up' && took > most && !excused) {
        find(1, call.to, `${call.id} was ${call.heard} after ${Math.round(took)} ms`)
      }
      if (
        call.heard === 'response' &&
        call.status === 200 &&
        call.body.startsWith('{"result":0') &&
        times === 0 &&
        !call.safe
      ) {
        find(2, call.to, `${call.id} succeeded and was not executed`)
      }
    },

    /** More than one head was taken of a connection whose call has no response. */
    readAhead(replica: number, from: number): void {
      const now = from + LATE
      if (during(['cut', 'delayed', `replica-${replica}`], from - 100, now)) return
      find(6, from, `heads were read ahead of a call that is in progress`)
    },

    /** When all has ended. */
    finish(): void {
      for (const [id, seen] of arrivals) {
        const call = ended.get(id)
        if (call === undefined || call.safe) continue
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
