// The properties that hold at any time, for the simulation and for the soak. They are applied to the responses that clients got
// and the requests that iSales saw. The proxy's own reports are not trusted: its status page is compared with them.
import type { Status } from '../../src/admin/index.ts'
import { createAccountRules } from './judge-account.ts'
import { createCallRules } from './judge-calls.ts'
import { createTokenRules } from './judge-token.ts'
import type { Plan } from './plan.ts'
import { createTruth, type Fate } from './truth.ts'
import {
  createWire,
  isRefusable,
  isSafe,
  type Arrival,
  type Call,
  type Finding,
  type TokenRequest,
} from './wire.ts'

/** After the absence of a process, its page is not checked for this time. */
const AFTER_ABSENCE = 8000
/** The proxy reads a whole request within this time. */
const READ_WITHIN = 50
/** Time in which a refusal is known to all processes, and shown. */
const KNOWN = 8000
/** The page names a changed file for 5 min. */
const NEW = 290_000

export type Judge = ReturnType<typeof createJudge>

/** @param deadline CLIENT_DEADLINE and the network's share, in milliseconds. */
export function createJudge(plan: Plan, deadline: number, onFinding: (finding: Finding) => void) {
  const wire = createWire(plan, onFinding)
  const { arrivals, ended, spans, during, find, open, absences } = wire
  const calls = createCallRules(wire, deadline)
  const tokens = createTokenRules(wire)
  const account = createAccountRules(wire)
  const truths = Array.from({ length: plan.replicas }, (_, replica) =>
    createTruth((property, text, at) => find(property, at, `replica ${replica}: ${text}`)),
  )
  const replicaOf = new Map<string, number>()
  /** When each process began. */
  const beganAt = new Map<number, number>()
  /** The credentials in the mounted file. */
  let inFile = { password: '', since: 0, isProven: false }
  /** How iSales answered the last login with them, if it refused it. */
  let refusal: { readonly at: number; readonly status: number } | undefined
  /** Credentials that iSales rejected: the proxy sends no login with them. */
  const refusedOnes = new Set<string>()

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
    if (status >= 500 || status === 429 || body.startsWith('<')) return 'lost'
    const isRejected = last?.rejected !== undefined && last.status === status
    if (isRejected || status === 401 || status === 403) return 'rejected'
    const isUseless = !isSafe(call) && (status !== 200 || !/^{"result":"?0.*}$/s.test(body))
    return isUseless ? 'useless' : 'answered'
  }

  /** Returns the status with which iSales rejected the last login, if every process must know it. */
  function knownRefusal(now: number): number | undefined {
    if (refusal === undefined) return undefined
    const since = Math.max(refusal.at, inFile.since)
    const excused = ['store', 'cut', 'delayed', 'unproven', 'unreached']
    const isKnown = now - since > KNOWN && !during(excused, since - KNOWN, now)
    return isKnown ? refusal.status : undefined
  }

  return {
    ...account,
    ...tokens,
    ...calls,
    /** All that have ended. */
    calls: (): readonly Call[] => [...ended.values()],
    find,
    open,

    /** The mounted file has another password. */
    changed(password: string, at: number): void {
      if (password !== inFile.password) account.changed(password, at)
      inFile = { password, since: at, isProven: false }
      refusal = undefined
      for (const truth of truths) truth.noPromise()
    },

    /** A login or a refresh. `isNeeded` is false if a process with a valid refresh token needs no password. */
    tokenRequest(request: TokenRequest, isNeeded: boolean): void {
      account.tokenRequest(request)
      tokens.tokenRequest(request, isNeeded)
      const { credentials, from, to, granted, refused, status } = request
      // Without a store, the wire does not show whose token is the newer one.
      if (granted) for (const truth of truths) truth.granted(to, !wire.apart)
      const isLast = credentials === undefined && (status === 401 || status === 403)
      if (isLast && refusedOnes.has(inFile.password))
        spans.push({ kind: 'no-login', from, to: Infinity, endsWith: 'login' })
      if (credentials === undefined) return
      if (refused && status > 0) refusedOnes.add(credentials)
      for (const truth of truths) truth.noPromise()
      const isOfFile = credentials === inFile.password && from >= inFile.since
      if (isOfFile && granted) inFile = { ...inFile, isProven: true }
      refusal = isOfFile && refused && status > 0 ? { at: to, status } : undefined
    },

    /** An operator asked a replica for a login. */
    asked(replica: number, at: number): void {
      account.asked(replica, at)
      truths[replica]?.noPromise()
      truths[replica]?.asked(at)
    },

    /** A client sends a call. */
    sent(callId: string, replica: number): void {
      replicaOf.set(callId, replica)
    },

    /** iSales has answered a call, which may wait for a replay and end later. */
    arrived(arrival: Arrival): void {
      tokens.arrived(arrival)
      truths[replicaOf.get(arrival.callId) ?? -1]?.arrived(arrival)
    },

    called(call: Call): void {
      truths[call.replica]?.ended(call.to, fateOf(call))
      calls.ended(call)
    },

    /** The end of a misbehaving client's connection: the proxy may have counted a request. */
    held(replica: number, at: number, fate: Fate = 'unknown'): void {
      truths[replica]?.ended(at, fate)
    },

    /** A process starts. */
    began(replica: number, at: number): void {
      beganAt.set(replica, at)
      truths[replica]?.pause(true)
    },

    /** Called every second for each replica. @returns true if the page has to be read now. */
    look(replica: number, now: number): boolean {
      account.look(now)
      // A login that reaches no iSales is not seen.
      if (during(['unreached'], now, now)) truths[replica]?.noPromise()
      const isAway = during(absences(replica), now - AFTER_ABSENCE, now)
      const since = inFile.isProven ? -Infinity : inFile.since
      const isChanged = since > (beganAt.get(replica) ?? 0) + KNOWN && since > now - NEW
      if (!isAway) return truths[replica]?.look(now, knownRefusal(now), isChanged) === true
      truths[replica]?.pause(false)
      return false
    },
    shows: (replica: number, page: Status) => truths[replica]?.shows(page),

    /** Checks after the end of the run. */
    finish(): void {
      calls.finish()
      tokens.finish()
    },
  }
}
