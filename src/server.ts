import { hostname } from 'node:os'
import { createMetrics, openAdmin, recordActivity, type AdminSources } from './admin/index.ts'
import { delay, SECOND, systemClock, type Clock } from './clock.ts'
import {
  connectionsWithin,
  createHostRule,
  diagnosticContext,
  watchFiles,
  type Config,
  type Environment,
} from './config/index.ts'
import { createListener, type ListenerLimits } from './listener/index.ts'
import { createLogThrottle, type Log } from './log/index.ts'
import { openClientAuth } from './client-auth/index.ts'
import { openProxy } from './proxy/index.ts'
import { openShare } from './sharing/index.ts'
import { createObservers } from './telemetry.ts'
import {
  createIsalesClient,
  createRegister,
  createTokenSource,
  openAttemptFile,
  tokenLog,
  type TokenEvent,
} from './token/index.ts'
import { createUpstream, type LIMITS } from './upstream/index.ts'
import { en, LANGUAGES, formatLine, loadPages } from './messages/index.ts'

export interface AppOptions {
  readonly config: Config
  /** Environment that names the files to read again when they change. Default: none. */
  readonly env?: Environment
  readonly version: string
  /** Process id for the command `renew`. Default: unknown. */
  readonly process?: { readonly pid: number; readonly processScope: string }
  readonly log: Log
  /** Destination of the log. Default: writes everything. */
  readonly stdout?: AdminSources['stdout']
  /** Default: the clock of the machine. */
  readonly clock?: Clock
  /** In [0, 1). Default: `Math.random`. */
  readonly random?: () => number
  /** Milliseconds. Default: the limits of `upstream/`. */
  readonly limits?: Partial<typeof LIMITS> | undefined
  /** Called after metrics and log for every change of the token. */
  readonly onTokenEvent?: (event: TokenEvent) => void
}

export type App = Awaited<ReturnType<typeof startApp>>

/**
 * Milliseconds. A head may take 15 s on a slow network, the most that one slow client costs. Load balancers keep idle
 * connections for 60 s, and the side that sends requests must close first.
 */
const CLIENT_LIMITS = {
  headerTimeout: 15 * SECOND,
  idleTimeout: 5 * SECOND,
  keepAlive: 65 * SECOND,
}

/** The admin listener serves probes, Prometheus and a person or two. */
const ADMIN_LIMITS = {
  headerTimeout: 5 * SECOND,
  idleTimeout: 5 * SECOND,
  listenMaxConnections: 64,
  // Each response closes its connection.
  keepAlive: 5 * SECOND,
} as const satisfies ListenerLimits

/** Milliseconds for a scrape that is in progress when the process ends. */
const ADMIN_GRACE = SECOND

/**
 * The composition root and the map of the program: the only place that knows all modules. Each module receives
 * functions, never another module. Opens both listeners, then begins the first login without waiting for it.
 *
 * @throws ListenError
 */
export async function startApp(options: AppOptions) {
  const { config, log, clock = systemClock, random = Math.random } = options

  // Counters, memory and log.
  const diagnostics = diagnosticContext(config)
  const logThrottle = createLogThrottle(() => clock.now())
  const activity = recordActivity(clock, diagnostics)
  const metrics = createMetrics(config.isalesRejected.statuses, activity.totals)
  const observers = createObservers(config, { metrics, activity, log, logThrottle })
  const logToken = tokenLog(log, logThrottle, diagnostics)
  let look = (): void => undefined
  const observeToken = (event: TokenEvent): void => {
    metrics.onTokenEvent(event)
    activity.onTokenEvent(event)
    logToken(event)
    // A failure that ends within a second must also have its line.
    if (event.type === 'granted' || event.type === 'failed') look()
    options.onTokenEvent?.(event)
  }

  // iSales: connections, the two token requests, the account and the token.
  const tls = { isalesTls: config.isalesTls, listenTls: config.listenTls }
  const upstream = createUpstream({
    config,
    tls: tls.isalesTls,
    limits: options.limits,
    clock,
    onConnect: (outcome) => metrics.upstreamConnected(outcome),
  })
  const client = createIsalesClient({ ...config, post: upstream.post, clock })
  const share = await openShare({
    config,
    clock,
    random,
    onUnreadable: () => log('shared-token-unreadable'),
    observeCall: (call) => metrics.storeCalled(call),
  })
  const register = createRegister(clock, share?.home ?? openStateDir())
  const tokens = createTokenSource({
    rules: config,
    clock,
    random,
    client,
    register,
    credentials: { user: config.isalesUser, password: config.isalesPassword },
    observe: observeToken,
  })

  // CTI-OBS: its login, its calls, and the listener.
  const { requestEnded } = observers
  const login = openClientAuth(config, { clock, onEnd: requestEnded })
  const proxy = openProxy({
    ...login,
    config,
    isOwnHost: createHostRule(config.listen, config.allowedHosts),
    tokens,
    upstream,
    clock,
    random,
    onEnd: requestEnded,
    onError: (error, requestId) => log('unexpected', { error, requestId }),
  })
  const maxConnections = connectionsWithin(config)
  const listener = createListener({
    ...observers.ofProxyListener,
    setting: 'LISTEN',
    address: config.listen,
    tls: config.listenTlsCertFile === undefined ? undefined : tls.listenTls,
    clientNames: config.listenClientNames,
    limits: {
      ...CLIENT_LIMITS,
      listenMaxConnections: maxConnections,
      limitedBy: maxConnections < config.listenMaxConnections ? 'descriptors' : 'connections',
    },
    clock,
    onRequest: proxy.serve,
  })

  // People, probes and Prometheus.
  const running = {
    listening: false,
    draining: false,
    get inFlight() {
      return proxy.inFlight()
    },
  }
  const machine = hostname()
  const admin = openAdmin(
    {
      clock,
      diagnostics,
      token: tokens.snapshot,
      sharing: () => share?.snapshot(),
      running,
      upstreamConnections: upstream.open,
      certificates: () => ({
        listener: tls.listenTls.certEnd,
        client: tls.isalesTls.certEnd,
        ca: tls.isalesTls.caEnd && Math.min(tls.isalesTls.caEnd, upstream.authorityEnd()),
      }),
      onMisdirected: requestEnded,
      stdout: options.stdout ?? { dropped: () => 0, failure: () => undefined },
      isOwnHost: createHostRule(config.adminListen, [
        machine.toLowerCase(),
        ...config.allowedHosts,
      ]),
      instance: machine,
      version: options.version,
      process: options.process,
      utcOffset: () => -new Date(clock.date()).getTimezoneOffset(),
      log,
      logThrottle,
    },
    metrics,
    activity,
  )
  const adminListener = createListener({
    ...observers.ofAdminListener,
    setting: 'ADMIN_LISTEN',
    address: config.adminListen,
    limits: ADMIN_LIMITS,
    clock,
    onRequest: (request, response) => admin.serve(request, response),
  })
  // Every response closes its connection, so that probes need not wait for clients that keep theirs.
  adminListener.drain()

  // Read now, because an upgrade in place removes the files.
  LANGUAGES.forEach(loadPages)

  // Both listeners open, or neither. The first login begins only then: a second proxy on occupied ports would end the
  // session of the first one. No request has been read yet.
  const addresses = await openBoth()
  diagnostics.settings.listen = addresses.proxy
  register.start(tokens.poll)
  tokens.start()
  running.listening = true
  const findings = admin.watch()
  look = findings.look
  log('listening', { listener: 'proxy', address: addresses.proxy })
  log('listening', { listener: 'admin', address: addresses.admin })

  // New secrets and certificates are used for new work while previous ones still finish.
  const files = watchFiles({
    env: options.env ?? {},
    config,
    ...observers.reloads,
    apply: {
      credentials(latest) {
        diagnostics.credentials = diagnosticContext(latest).credentials
        const { isalesUser: user, isalesPassword: password } = latest
        tokens.changeCredentials({ user, password })
      },
      obsLogin: login.replaceSecrets,
      isalesTls({ isalesTls }) {
        tls.isalesTls = isalesTls
        upstream.reload(isalesTls)
      },
      listenTls({ listenTls }) {
        tls.listenTls = listenTls
        listener.replaceTls(listenTls)
      },
    },
  })

  function openStateDir() {
    const { stateDir: directory } = config
    if (directory === undefined) {
      log('state-in-memory')
      return undefined
    }
    return openAttemptFile({
      directory,
      clock,
      onStorageError(error) {
        activity.onStorageError(error)
        if (error !== undefined) metrics.count('state_failures_total', {})
      },
      onExposed() {
        const detail = formatLine(en, { code: 'exposed-directory', facts: [] })
        log('setting-doubtful', { setting: 'STATE_DIR', detail })
      },
    })
  }

  async function openBoth() {
    try {
      return { admin: await adminListener.start(), proxy: await listener.start() }
    } catch (error) {
      await close(0, 0)
      throw error
    }
  }

  /** Lets requests in flight finish within `drainTimeout` ms. Renewal continues until the last response. */
  async function close(drainTimeout: number, adminGrace: number): Promise<void> {
    // Requests that still wait for a token near the end of the drain get a response instead of a cut connection.
    const ending = clock.setTimer(() => void tokens.stop(), drainTimeout * 0.9)
    await listener.stop(drainTimeout)
    ending.cancel()
    await tokens.stop()
    await register.stop()
    await upstream.destroy()
    await adminListener.stop(adminGrace)
  }

  return {
    /** URLs of the listeners for clients and for the admin port. */
    ...addresses,
    /** Reads files again, and ends a login pause once, for an operator (SIGHUP). */
    async renew(): Promise<void> {
      await files.now()
      tokens.renew()
    },
    /** Ends readiness, stops accepting, finishes requests in flight within the drain time, and closes everything. */
    async stop(by?: string): Promise<void> {
      running.draining = true
      findings.end()
      log('draining', { by, inFlight: running.inFlight })
      listener.drain()
      await delay(clock, config.drainDelay)
      files.close()
      await close(config.drainTimeout, ADMIN_GRACE)
      log('stopped', { by, inFlight: running.inFlight })
    },
  }
}
