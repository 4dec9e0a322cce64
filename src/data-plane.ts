import { randomBytes } from 'node:crypto'
import type { Metrics } from './admin/metrics.ts'
import type { Monitor } from './admin/monitor.ts'
import { systemClock, type Clock } from './clock.ts'
import { readTls } from './config/certificates.ts'
import { valueOf } from './config/errors.ts'
import type { Config } from './config/settings.ts'
import type { EndedRequest, ObsLoginOutcome } from './http/ended.ts'
import { PROBLEMS, REFUSALS } from './http/problem.ts'
import { ownHosts } from './listener/address.ts'
import { createListener, type Listener } from './listener/listener.ts'
import { accessFields, type Log } from './log/logger.ts'
import { createThrottledLog } from './log/throttle.ts'
import { openLocalLogin } from './login/app.ts'
import type { Echoes } from './proxy/echoes.ts'
import { createForward } from './proxy/forward.ts'
import { createHandler } from './proxy/handler.ts'
import type { RequestRules } from './proxy/validate.ts'
import type { TokenSource } from './token/source.ts'
import type { Tracing } from './tracing/otlp.ts'
import type { Upstream } from './upstream/pool.ts'

/** The connections to iSales and the token for them. */
export interface Isales {
  readonly upstream: Upstream
  readonly tokens: TokenSource
}

/** What the data plane reports to, and where it gets the token and the connections. */
export interface DataPlaneOptions {
  readonly config: Config
  readonly log: Log
  readonly tracing?: Tracing | undefined
  readonly clock?: Clock
  readonly wallClock?: () => number
  readonly random?: () => number
  readonly isales: Isales
  readonly metrics: Metrics
  readonly monitor: Monitor
  readonly running: { inFlight: number }
  readonly echoes: Echoes
}

export interface DataPlane {
  readonly listener: Listener
  readonly localLogin: ReturnType<typeof openLocalLogin>
}

/** Listener, handler, login and forward, not started yet. */
export function openDataPlane(options: DataPlaneOptions): DataPlane {
  const { config, log, tracing, isales, metrics, monitor, running, echoes } = options
  const { clock = systemClock, random = Math.random } = options
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

  const logObsLogin = (operation: 'login' | 'refresh', outcome: ObsLoginOutcome): void => {
    const event = outcome === 'success' ? 'obs-logged-in' : 'obs-login-refused'
    logThrottled(event, outcome, { operation })
  }

  const forward = createForward({
    config,
    rules,
    tokens: isales.tokens,
    dispatch: isales.upstream.dispatch,
    carriesToken: echoes.carriesToken,
    clock,
    onEnd(end) {
      running.inFlight -= 1
      ended(end)
    },
    onReplay: (outcome) => metrics.replays.inc({ outcome }),
  })
  const localLogin = openLocalLogin(config, {
    clock,
    wallClock: options.wallClock ?? Date.now,
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
      running.inFlight += 1
      if (tracing === undefined) return forward(call)
      return forward({ ...call, span: tracing.requestStarted(call.request) })
    },
    inFlight: () => running.inFlight,
    maxInFlight: config.maxInFlight,
    newRequestId: requestIds(),
    onRefused: ended,
  })
  const listener = createListener({
    address: config.listen,
    socketMode: config.listenSocketMode,
    tls: config.listenTlsCertFile === undefined ? undefined : valueOf(readTls('listen', config)),
    limits: config,
    onRequest: handler,
    onError(error) {
      metrics.connectionFailed('internal', undefined)
      log('unexpected', { error })
    },
    onRefused(refusal, requestId) {
      const { code } = REFUSALS[refusal]
      metrics.connectionFailed(code, refusal)
      // Without a request id no request came: the connection was closed to stay under the cap.
      if (requestId !== undefined) monitor.callEnded({ status: PROBLEMS[code].status, code })
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
  return { listener, localLogin }
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
