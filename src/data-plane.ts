import { randomBytes } from 'node:crypto'
import type { Metrics } from './admin/metrics.ts'
import type { Monitor } from './admin/monitor.ts'
import type { Clock } from './clock.ts'
import { readTls } from './config/certificates.ts'
import { valueOf } from './config/errors.ts'
import type { Config } from './config/settings.ts'
import type { EndedRequest, ObsLoginOutcome } from './http/ended.ts'
import { PROBLEMS, REFUSALS, type ProblemCode } from './http/problem.ts'
import { ownHosts } from './listener/address.ts'
import { createListener } from './listener/listener.ts'
import { accessFields, type Log } from './log/logger.ts'
import { createThrottledLog } from './log/throttle.ts'
import { openLocalLogin } from './login/app.ts'
import { createEchoes } from './proxy/echoes.ts'
import { createForward } from './proxy/forward.ts'
import { createHandler } from './proxy/handler.ts'
import type { RequestRules } from './proxy/validate.ts'
import type { TokenEvent } from './token/events.ts'
import type { TokenSource } from './token/source.ts'
import type { Tracing } from './tracing/otlp.ts'
import type { Upstream } from './upstream/pool.ts'

/** What the data plane reports to, and where it gets the token and the connections. */
export interface DataPlaneOptions {
  readonly config: Config
  readonly tokens: TokenSource
  readonly upstream: Upstream
  readonly metrics: Metrics
  readonly monitor: Monitor
  readonly log: Log
  readonly tracing: Tracing | undefined
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * Milliseconds. 15 s for a head is what a slow network needs, and what one slow client costs at most; load balancers keep
 * idle connections for 60 s, and the side that sends requests must be the one that closes first.
 */
const CLIENT_LIMITS = { headerTimeout: 15_000, keepAlive: 65_000 }

export type DataPlane = ReturnType<typeof openDataPlane>

/** Listener, handler, login and forward, not started yet. */
export function openDataPlane(options: DataPlaneOptions) {
  const { config, log, tracing, metrics, monitor, clock, random } = options
  const echoes = createEchoes()
  const rules: RequestRules = {
    ...config,
    hosts: ownHosts(config),
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    pseudonym: viaPseudonym(),
  }
  const logThrottled = createThrottledLog(clock, log)
  const ended = (end: EndedRequest): void => {
    metrics.requestEnded(end)
    if (end.byListener !== true) monitor.callEnded(end)
    const { code, refusal, requestId } = end
    if (code !== undefined) {
      const { upstreamMs, attempts } = end
      log('request-failed', { ...accessFields(end), upstreamMs, attempts })
    }
    if (refusal !== undefined) logThrottled('client-refused', refusal, { code, requestId })
    if (random() < config.accessLog) log('access', accessFields(end))
  }

  /** A failure of which the listener knows the code and nothing else. */
  const failedHere = (code: ProblemCode, requestId: string): void => {
    const { status } = PROBLEMS[code]
    monitor.callEnded({ method: '', target: '', status, code, requestId })
  }

  const logObsLogin = (operation: 'login' | 'refresh', outcome: ObsLoginOutcome): void => {
    const event = outcome === 'success' ? 'obs-logged-in' : 'obs-login-refused'
    logThrottled(event, outcome, { operation })
  }

  const forward = createForward({
    config,
    rules,
    tokens: options.tokens,
    dispatch: options.upstream.dispatch,
    carriesToken: echoes.carriesToken,
    clock,
    onEnd: ended,
    onReplay: (outcome) => metrics.replays.inc({ outcome }),
    onError: (error, requestId) => log('unexpected', { error, requestId }),
  })
  const localLogin = openLocalLogin(config, {
    clock,
    wallClock: options.wallClock,
    onLogin(outcome) {
      metrics.obsLogins.inc({ outcome })
      logObsLogin('login', outcome)
    },
    onRefresh(outcome) {
      metrics.obsRefreshes.inc({ outcome })
      logObsLogin('refresh', outcome)
    },
  })
  const handler = createHandler({
    rules,
    ...localLogin,
    forward(call) {
      if (tracing === undefined) return forward(call)
      const { request, response, validated, requestId } = call
      const span = tracing.requestStarted(request)
      return forward({ request, response, validated, requestId, span })
    },
    maxInFlight: config.maxInFlight,
    newRequestId: requestIds(),
    onEnd: ended,
  })
  const listener = createListener({
    address: config.listen,
    socketMode: config.listenSocketMode,
    tls: config.listenTlsCertFile === undefined ? undefined : valueOf(readTls('listen', config)),
    limits: { ...config, ...CLIENT_LIMITS },
    onRequest: (...request) => handler.handle(...request),
    onError(error, requestId) {
      const code = 'internal'
      metrics.connectionFailed(code, undefined)
      failedHere(code, requestId)
      log('unexpected', { error, requestId })
    },
    onRefused(refusal, requestId) {
      const { code } = REFUSALS[refusal]
      metrics.connectionFailed(code, refusal)
      // Without a request id no request came: the connection was closed to stay under the cap.
      if (requestId !== undefined) failedHere(code, requestId)
      if (refusal === 'connections')
        logThrottled('connections-full', refusal, { listener: 'proxy', requestId })
      else logThrottled('client-refused', refusal, { code, requestId })
    },
    onClientClosed(reason) {
      metrics.slowClientsClosed.inc()
      logThrottled('slow-client-closed', reason, { listener: 'proxy' })
    },
    onHandshakeFailure(reason) {
      metrics.handshakeFailures.inc({ reason })
      // A load balancer that probes the port would write a line a minute.
      if (reason !== 'closed') logThrottled('client-handshake-failed', reason)
    },
  })
  return {
    listener,
    localLogin,
    inFlight: handler.inFlight,
    onTokenEvent: (event: TokenEvent) => echoes.onTokenEvent(event),
  }
}

/** Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another. */
function viaPseudonym(): string {
  return `isales-auth-proxy-${randomBytes(6).toString('hex')}`
}

/** Unique in this process and, by a random start, between processes. */
function requestIds(): () => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return () => {
    count += 1
    return `${start}-${count.toString(36)}`
  }
}
