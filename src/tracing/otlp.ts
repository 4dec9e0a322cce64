import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  defaultTextMapGetter,
  defaultTextMapSetter,
  trace,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { EndedRequest } from '../http/ended.ts'
import type { TokenEvent } from '../token/events.ts'

/** Milliseconds that the last spans may take to be sent. */
const MAX_STOP = 2000
/** A client cannot make up the name of a span (HTTP semantic conventions, `_OTHER`). */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const PROPAGATOR = new W3CTraceContextPropagator()

export interface TracingOptions {
  /** Where OTLP over HTTP is accepted; `/v1/traces` is appended. */
  readonly endpoint: string
  readonly version: string
  /** Called each time the delivery of spans begins to fail, and each time it works again. Default: nothing. */
  readonly onDelivery?: (working: boolean) => void
}

export type Tracing = ReturnType<typeof openTracing>

/**
 * Everything that knows OpenTelemetry. Its own settings (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`,
 * `OTEL_BSP_...`) are read by the SDK from the environment. Nothing is registered globally.
 */
export function openTracing(options: TracingOptions) {
  const { endpoint, version, onDelivery = () => undefined } = options
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` })
  const provider = new BasicTracerProvider({
    // `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win.
    resource: resourceFromAttributes({
      'service.name': 'isales-auth-proxy',
      'service.version': version,
    }).merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(watched(exporter, onDelivery))],
  })
  const tracer = provider.getTracer('isales-auth-proxy', version)

  return {
    requestStarted: (request: Pick<IncomingMessage, 'method' | 'headers'>) =>
      startRequest(tracer, request),
    /** Makes a span of each login and refresh. */
    onTokenEvent: (event: TokenEvent): void => tokenRequestSpan(tracer, event),
    /** Sends what is still in memory, for at most 2 s. */
    async stop(): Promise<void> {
      await Promise.race([
        provider.shutdown().catch(() => undefined),
        delay(MAX_STOP, undefined, { ref: false }),
      ])
    },
  }
}

/** One request in a trace. */
export type RequestSpan = ReturnType<typeof startRequest>

function startRequest(
  tracer: Tracer,
  { method = '', headers }: Pick<IncomingMessage, 'method' | 'headers'>,
) {
  // Node joins several to one that is malformed: W3C Trace Context section 3.2 takes several for none. The client's
  // `tracestate` is forwarded as it came, so it is not parsed.
  const carrier = { traceparent: headers['traceparent'] }
  const parent = PROPAGATOR.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)
  const continued = trace.getSpanContext(parent) !== undefined
  const known = METHODS.has(method) ? method : '_OTHER'
  const name = known === '_OTHER' ? 'HTTP' : known
  const attributes = { 'http.request.method': known }
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
  let replay: Span | undefined

  return {
    /**
     * The `traceparent` of the request to iSales. With `keepState: false` the client's trace is not continued, so its
     * `tracestate` must not be forwarded (W3C Trace Context section 3.3.1).
     */
    outgoing() {
      const carrier = { traceparent: '' }
      const within = trace.setSpan(ROOT_CONTEXT, replay ?? span)
      PROPAGATOR.inject(within, carrier, defaultTextMapSetter)
      return { traceparent: carrier.traceparent, keepState: continued }
    },

    /** The request is sent once more, with a newer token; `outgoing` then names the span of that. */
    replayed(): void {
      const within = trace.setSpan(ROOT_CONTEXT, span)
      replay = tracer.startSpan('replay', { kind: SpanKind.CLIENT, attributes }, within)
    },

    ended({ status, code, requestId }: Pick<EndedRequest, 'status' | 'code' | 'requestId'>): void {
      if (replay !== undefined) finish(replay, status, code)
      span.setAttribute('isales_proxy.request_id', requestId)
      finish(span, status, code)
    },
  }
}

function finish(span: Span, status: number, code: string | undefined): void {
  if (status > 0) span.setAttribute('http.response.status_code', status)
  if (code !== undefined) span.setAttribute('error.type', code)
  // HTTP semantic conventions: for a server, a 4xx is no error of the span.
  if (code !== undefined || status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

/** A login or refresh is reported when it has ended; its start is counted back. */
function tokenRequestSpan(tracer: Tracer, event: TokenEvent): void {
  if (event.type !== 'granted' && event.type !== 'failed') return
  const failure = event.type === 'failed' ? event.failure : undefined
  // Attributes without a value are left out.
  const attributes = {
    'isales_proxy.generation': event.type === 'granted' ? event.token.generation : undefined,
    'error.type': failure?.reason,
    'http.response.status_code': failure?.status,
  }
  const now = Date.now()
  const startTime = now - event.durationMs
  const span = tracer.startSpan(
    event.operation,
    { kind: SpanKind.CLIENT, attributes, startTime },
    ROOT_CONTEXT,
  )
  if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(now)
}

/** The SDK does not report spans that it could not deliver; this reports each change once. */
function watched(exporter: SpanExporter, onDelivery: (working: boolean) => void): SpanExporter {
  let working = true
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const works = (result.code as number) === 0
        if (works !== working) onDelivery(works)
        working = works
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  }
}
