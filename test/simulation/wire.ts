// Everything that clients and iSales saw, and the periods that the guarantees exclude.
import { REFUSED, type Manner, type Plan } from './plan.ts'

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
export const isSafe = ({ manner }: Call): boolean => manner.kind === 'get'
/** A POST that the proxy must refuse. */
export const isRefusable = ({ manner }: Call): boolean =>
  (REFUSED as readonly string[]).includes(manner.kind)
/** True if the call must not reach iSales. */
export const isUnwanted = (call: Call): boolean =>
  call.manner.kind === 'garbage' || isRefusable(call)

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
  /** 0 if the proxy cannot know the result. */
  readonly status: number
}

/**
 * A period in which something is excused.
 *
 * - `no-login`: iSales grants no token.
 * - `paused`: a login failed, the next one may wait for it, and none has been granted since.
 * - `unreached`: no connection reaches iSales.
 * - `refresh-ended`: iSales has ended the refresh tokens.
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
  /** Number of the property in docs/dev/reliability.md. */
  readonly property: number
  readonly at: number
  readonly text: string
}

export type Wire = ReturnType<typeof createWire>

export function createWire({ replicas, shared }: Plan, onFinding: (finding: Finding) => void) {
  const arrivals = new Map<string, Arrival[]>()
  const executions = new Map<string, number>()
  const ended = new Map<string, Call>()
  const spans: Span[] = []
  const during = (kinds: readonly string[], from: number, to: number): boolean =>
    spans.some((span) => kinds.includes(span.kind) && span.from <= to && span.to >= from)
  const absences = (replica: number) => [`replica-${replica}`, `stopping-${replica}`]

  /** Default of `to`: until the caller ends the span. */
  const open = (kind: string, from: number, to = Infinity): Span => {
    const span = { kind, from, to }
    spans.push(span)
    return span
  }

  return {
    replicas,
    /** A grant to one replica does not help the others. */
    apart: replicas > 1 && !shared,
    arrivals,
    executions,
    /** Calls that have ended. */
    ended,
    spans,
    during,
    absences,
    find: (property: number, at: number, text: string): void => onFinding({ property, at, text }),

    open,

    /** True if a fault may have ended a connection, or kept it open. */
    isDisturbed: (replica: number, from: number, to: number): boolean =>
      during(['cut', 'delayed', ...absences(replica)], from - 100, to),
  }
}
