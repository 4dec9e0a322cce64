import type { EndedRequest } from '../http/ended.ts'
import type { TokenEvent } from '../token/events.ts'

/** W3C Trace Context: what goes into the `traceparent` header of a request to iSales. */
export interface Outgoing {
  readonly traceparent: string
  /** False: the client's trace is not continued, so its `tracestate` must not be forwarded (section 3.3.1). */
  readonly keepState: boolean
}

/** One request in a trace. */
export interface RequestSpan {
  readonly outgoing: () => Outgoing
  /** The request is sent once more, with a newer token; `outgoing` then names the span of that. */
  readonly replayed: () => void
  readonly ended: (end: Pick<EndedRequest, 'status' | 'code' | 'requestId'>) => void
}

export interface Tracing {
  /** @param rawHeaders name, value, name, value, as Node gives them. */
  readonly requestStarted: (method: string, rawHeaders: readonly string[]) => RequestSpan
  /** Makes a span of each login and refresh. */
  readonly onTokenEvent: (event: TokenEvent) => void
  /** Sends what is still in memory, for at most 2 s. */
  readonly stop: () => Promise<void>
}

export interface TracingOptions {
  /** Where OTLP over HTTP is accepted; `/v1/traces` is appended. */
  readonly endpoint: string
  readonly serviceName: string
  readonly version: string
  /** Milliseconds since 1970. Default: the machine's date. */
  readonly wallClock?: () => number
  /** Called each time the delivery of spans begins to fail, and each time it works again. */
  readonly onDelivery?: (working: boolean) => void
}
