// Rules about the responses that clients got: properties 8, 11 and 12.
import { isSafe, isUnwanted, type Arrival, type Call, type Span, type Wire } from './wire.ts'

/** Maximum time of a pipelined head behind a call, in milliseconds. */
const READ_AHEAD = 1500
/** A call waits for this part of its deadline at least, unless iSales is down for this time. */
const EARLY = 0.6
const MAY_RECOVER = 4900
/** Two outages may be one for a pool that opens no connection between them. */
const TOGETHER = 2000
/** The proxy refuses an incomplete head within this time, and an incomplete body sooner. */
const STALL = 17_000
/** A response's body may arrive so much later than its head. */
const DELAY = 3000
const LONG_RENEWAL = 500
/** Maximum time in which a silent client that does not read keeps its connection. */
const PLACE_FREE = 14_000

/** @param deadline CLIENT_DEADLINE and the network's share, in milliseconds. */
export function createCallRules(wire: Wire, deadline: number) {
  const { arrivals, executions, ended, spans, during, find, isDisturbed } = wire

  /** RFC 9112 section 9.3.2: no request begins before the end of the previous request. */
  function judgeOrder({ id, after = '' }: Call): void {
    const [first] = arrivals.get(id) ?? []
    const last = arrivals.get(after)?.at(-1)
    if (first === undefined || last === undefined || last.status === 0) return
    // iSales may continue a call after its client got a timeout.
    const heardAt = ended.get(after)?.to ?? Infinity
    if (first.from < Math.min(last.to - 1, heardAt)) {
      find(11, first.from, `${id} was begun before the end of ${after}`)
    }
  }

  /** Other clients do not displace a client that opens a connection for a call. */
  function judgePlace(call: Call): void {
    const { id, replica, heard, code, from, to, fresh } = call
    // Waiting calls keep their places, also those for the first token of a process. No call waits for an ordinary renewal.
    const keepsCalls = (span: Span): boolean =>
      ['no-login', 'store', 'token-ended', 'slow', `replica-${replica}`].includes(span.kind) &&
      (span.kind === 'token-ended' || span.to > span.from + LONG_RENEWAL) &&
      span.from <= to &&
      span.to >= from - deadline
    if (code === 'overloaded' && !spans.some(keepsCalls)) find(8, to, `${id} had no place`)
    if (heard !== 'cut' || !fresh || isUnwanted(call) || !during(['held'], from, to)) return
    if (arrivals.has(id) || isDisturbed(replica, from, to)) return
    find(8, to, `${id} lost its new connection to others`)
  }

  /** A refused connection is tried again until 95 % of the deadline, unless all are refused for 5 s. */
  function judgeEarly({ id, replica, code, sentAt, to, manner }: Call): void {
    const isEarly = code === 'upstream-unreachable' && to < sentAt + deadline * EARLY
    if (!isEarly || manner.pause > 0 || isDisturbed(replica, sentAt, to)) return
    const lasts = (span: Span): boolean =>
      span.kind === 'down' && span.from < to - MAY_RECOVER && span.to > sentAt
    if (!spans.some(lasts)) find(8, to, `${id} got a 502 after ${Math.round(to - sentAt)} ms`)
  }

  /** Checks a call whose client stayed and lost iSales's response. */
  function judgeLoss({ id, replica, heard, from, to, manner }: Call): void {
    const last = arrivals.get(id)?.at(-1)
    if (heard !== 'cut' || manner.hangUp === 'stall' || last === undefined || last.cut) return
    if (during(['cut', `replica-${replica}`], from, to)) return
    const isOver = last.status > 0 && last.to < to
    find(8, to, `${id} ${isOver ? 'lost the response of iSales' : 'was cut during its execution'}`)
  }

  /** A call that iSales may have executed is not sent again. */
  function judgeRepetition(call: Call, seen: readonly Arrival[]): void {
    const { id, to } = call
    const again = seen.toSorted((one, other) => one.from - other.from).slice(0, -1)
    const executable = again.find(({ rejected }) => rejected === undefined)
    if (executable !== undefined)
      find(
        11,
        executable.to,
        `${id} was sent again after a ${executable.status || 'lost response'}`,
      )
    judgeOrder(call)
    if ((executions.get(id) ?? 0) > 1) find(11, to, `${id} was executed twice`)
  }

  return {
    /** iSales accepts no connection. Soon after another time, it is the same. */
    down(at: number, ms: number): void {
      const before = spans.findLast(({ kind, to }) => kind === 'down' && to > at - TOGETHER)
      spans.push({ kind: 'down', from: before?.from ?? at, to: at + ms })
    },

    executed(callId: string, at: number): void {
      executions.set(callId, (executions.get(callId) ?? 0) + 1)
      const call = ended.get(callId)
      if (call?.sent === 'no')
        find(11, at, `${callId} was executed after its client heard sent: no`)
      if (call !== undefined && isUnwanted(call))
        find(11, at, `${callId} is not for iSales and was executed`)
    },

    ended(call: Call): void {
      ended.set(call.id, call)
      const { id, heard, manner, sentAt, to, replica } = call
      const times = executions.get(id) ?? 0
      if (call.sent === 'no' && times > 0)
        find(11, to, `${id} was executed, and its client heard sent: no`)
      const took = to - sentAt
      const excused = during([`replica-${replica}`], sentAt - 100, to)
      // On a slow network, the body may arrive later than the head.
      const isDelayed = heard === 'response' && during(['delayed'], sentAt, to)
      const isIncomplete = manner.hangUp === 'stall' || manner.kind === 'garbage'
      const most = isIncomplete ? STALL : deadline + (isDelayed ? DELAY : 0)
      if (heard !== 'hung-up' && took > most && !excused)
        find(8, to, `${id} was ${heard} after ${Math.round(took)} ms`)
      const succeeded =
        heard === 'response' && call.status === 200 && /^{"result":0.*}$/s.test(call.body)
      if (succeeded && times === 0 && !isSafe(call))
        find(11, to, `${id} succeeded and was not executed`)
    },

    /** A client that does not read has kept its connection. */
    keptPlace(replica: number, from: number): void {
      if (!isDisturbed(replica, from, from + PLACE_FREE))
        find(8, from, 'a client that was silent and then did not read keeps its place')
    },

    /** More than one head was taken of a connection whose call has no response. */
    readAhead(replica: number, from: number): void {
      if (!isDisturbed(replica, from, from + READ_AHEAD))
        find(8, from, 'heads were read ahead of a call that is in progress')
    },

    finish(): void {
      for (const [id, seen] of arrivals) {
        const call = ended.get(id)
        if (call !== undefined && !isSafe(call)) judgeRepetition(call, seen)
      }
      for (const call of ended.values()) {
        judgeLoss(call)
        judgeEarly(call)
        judgePlace(call)
      }
    },
  }
}
