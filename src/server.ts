import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { openAdmin } from './admin/app.ts'
import { readCertificateEnds } from './admin/certificates.ts'
import { createHistory } from './admin/history.ts'
import { createMetrics } from './admin/metrics.ts'
import { createMonitor } from './admin/monitor.ts'
import { systemClock, type Clock } from './clock.ts'
import { readTls } from './config/certificates.ts'
import { valueOf } from './config/errors.ts'
import { watchConfigFiles } from './config/reload.ts'
import type { EffectiveSetting } from './config/load.ts'
import type { Config } from './config/settings.ts'
import { renewFile } from './config/reload.ts'
import { watchFiles, type FileWatch } from './config/watch.ts'
import { openDataPlane, type DataPlane, type DataPlaneOptions, type Isales } from './data-plane.ts'
import { ListenError } from './listener/address.ts'
import { adminHosts } from './listener/hosts.ts'
import { createListener, type Listener, type ListenerOptions } from './listener/listener.ts'
import type { Logger } from './log/logger.ts'
import { createThrottledLog } from './log/throttle.ts'
import { createEchoes } from './proxy/echoes.ts'
import type { Share } from './sharing/share.ts'
import { createIsalesClient } from './token/client.ts'
import type { TokenEvent } from './token/events.ts'
import { obtainDirectly, type Obtain } from './token/obtain.ts'
import { createRefusalBook } from './token/refusals.ts'
import type { SharingEvent, SharingSnapshot, StoreCall } from './token/sharing.ts'
import { createTokenSource, type TokenSource } from './token/source.ts'
import { sharingLog, tokenLog } from './token/token-log.ts'
import type { Tracing } from './tracing/tracing.ts'
import { createUpstream, type UpstreamOptions } from './upstream/pool.ts'

export interface AppOptions {
  readonly config: Config
  readonly version: string
  readonly logger: Logger
  /** Lines that the log has dropped since the start. Default: none. */
  readonly logLinesDropped?: () => number
  /** What the status page shows of the configuration. Default: nothing. */
  readonly settings?: readonly EffectiveSetting[]
  /** Default: nothing is traced. */
  readonly tracing?: Tracing | undefined
  /** Default: the monotonic clock of the machine. */
  readonly clock?: Clock
  /** Milliseconds since 1970. Default: the machine's date. */
  readonly wallClock?: () => number
  /** In [0, 1). Default: `Math.random`. */
  readonly random?: () => number
  /** Called with every change of the token, after metrics and log. */
  readonly onTokenEvent?: (event: TokenEvent) => void
}

/** URLs, or `unix:` and a path. */
export interface Addresses {
  readonly proxy: string
  readonly admin: string
}

export interface App {
  /**
   * Opens both listeners and begins the first login, without waiting for it.
   *
   * @throws ListenError, or an error that names an unreadable TLS file.
   */
  start(): Promise<Addresses>
  /** An operator asks for a login now: reads secrets and certificates again, and tries whatever the back-off is. */
  renew(): void
  /** Readiness off, no new connections, requests in flight finished within the drain time, then everything is closed. */
  stop(): Promise<void>
}

/** The admin listener serves probes, Prometheus and a person or two. */
const ADMIN_LIMITS = {
  headerTimeout: 5000,
  bodyIdleTimeout: 5000,
  maxConnections: 64,
} as const satisfies ListenerOptions['limits']

/** Milliseconds for a scrape that is in progress when the process ends. */
const ADMIN_GRACE = 1000

/** The composition root: the only place that knows all modules. Each module gets functions, never another module. */
export function createApp(options: AppOptions): App {
  const { config, logger } = options
  const running = { listening: false, draining: false, inFlight: 0 }
  const sharing = openSharing(options, {
    onEvent: sharingLog(logger),
    onCall: (call) => metrics.storeCalled(call),
  })
  const isales = openIsales(options, sharing, {
    onEvent: (event) => observe(event),
    onConnect: (outcome) => metrics.upstreamConnected(outcome),
  })
  const monitor = createMonitor({
    snapshot: isales.tokens.snapshot,
    running,
    clock: options.clock ?? systemClock,
    log: logger.log,
  })
  const shared = {
    running,
    certificates: () => readCertificateEnds(config),
    version: options.version,
    wallClock: options.wallClock ?? Date.now,
  }
  const metrics = createMetrics({
    ...shared,
    upstreamConnections: () => isales.upstream.stats().open,
    token: monitor.token,
    state: () => monitor.verdict().state,
    rejectedStatuses: config.isalesRejectedStatuses,
    logLinesDropped: options.logLinesDropped,
    sharing: sharing.snapshot,
  })
  const history = createHistory()
  const logToken = tokenLog(logger, { takeTally: monitor.takeTally })
  const echoes = createEchoes()
  const observe = (event: TokenEvent): void => {
    metrics.onTokenEvent(event)
    monitor.onTokenEvent(event)
    history.onTokenEvent(event)
    logToken(event)
    echoes.onTokenEvent(event)
    sharing.onTokenEvent(event)
    options.tracing?.onTokenEvent(event)
    options.onTokenEvent?.(event)
  }
  const proxy = openDataPlane({ ...options, isales, metrics, monitor, running, echoes })
  const settings = options.settings ?? []
  const serveAdmin = openAdmin({
    ...shared,
    host: hostname(),
    hosts: adminHosts(config, hostname()),
    metrics,
    monitor,
    history: history.view,
    sharing: sharing.snapshot,
    settings,
  })
  const logAdmin = createThrottledLog(options.clock ?? systemClock, logger.log)
  const admin = createListener({
    address: config.adminListen,
    limits: ADMIN_LIMITS,
    onRequest: (request, response) => serveAdmin(request, response),
    onError: (error) => logger.log('unexpected', { error }),
    onProblem({ code, refusal }) {
      if (refusal !== 'connections') return
      metrics.connectionFailed(code, refusal)
      logAdmin('connections-full', refusal, { listener: 'admin' })
    },
    onClientClosed(reason) {
      metrics.slowClientClosed()
      logAdmin('slow-client-closed', reason, { listener: 'admin' })
    },
  })
  // Each response closes its connection, so that probes need not wait for those who keep theirs.
  admin.retire()
  /** Both listeners are open, or neither. */
  async function openBoth() {
    try {
      return [await open('ADMIN_LISTEN', admin), await open('LISTEN', proxy.listener)] as const
    } catch (error) {
      isales.tokens.stop()
      await Promise.all([
        proxy.listener.stop(0),
        admin.stop(0),
        sharing.stop(),
        isales.upstream.destroy(),
      ])
      throw error
    }
  }

  let files: FileWatch | undefined
  let renewals: FileWatch | undefined
  const renew = (): void => {
    logger.log('renew-asked')
    files?.reread()
    isales.tokens.renew()
  }

  return {
    async start() {
      // The first login is in flight when the first request comes.
      await sharing.start(isales.tokens)
      isales.tokens.start()
      const [adminAddress, proxyAddress] = await openBoth()
      running.listening = true
      logger.log('listening', { listener: 'proxy', address: proxyAddress.text })
      logger.log('listening', { listener: 'admin', address: adminAddress.text })
      files = watchFilesOf({ config, logger, metrics, isales, proxy })
      renewals = watchRenewFile(config, renew)
      return { proxy: proxyAddress.text, admin: adminAddress.text }
    },

    renew,

    async stop() {
      running.draining = true
      logger.log('draining', { inFlight: running.inFlight })
      proxy.listener.retire()
      await delay(config.drainDelay)
      files?.close()
      renewals?.close()
      // Renewal goes on until the last request has its response. Those that still wait for a token near the end of the
      // drain get a response instead of being cut.
      const ending = setTimeout(() => isales.tokens.stop(), config.drainTimeout * 0.9)
      await proxy.listener.stop(config.drainTimeout)
      clearTimeout(ending)
      isales.tokens.stop()
      await sharing.stop()
      await isales.upstream.destroy()
      await admin.stop(ADMIN_GRACE)
      await options.tracing?.stop()
      logger.log('stopped', { inFlight: running.inFlight })
    },
  }
}

/** @throws ListenError that names the setting. */
async function open(setting: string, listener: Listener) {
  try {
    return await listener.start()
  } catch (error) {
    if (error instanceof ListenError) error.setting = setting
    throw error
  }
}

/** One token for all replicas, where that is configured. */
interface SharingPart {
  /** Undefined: not configured. */
  readonly obtain: Obtain | undefined
  readonly snapshot: () => SharingSnapshot | undefined
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly start: (holder: TokenSource) => Promise<void>
  readonly stop: () => Promise<void>
}

function openSharing(
  { config, clock = systemClock, random = Math.random }: AppOptions,
  observers: {
    readonly onEvent: (event: SharingEvent) => void
    readonly onCall: (call: StoreCall) => void
  },
): SharingPart {
  let share: Share | undefined
  return {
    obtain:
      config.sessionStoreUrl === undefined
        ? undefined
        : (wanted, ask, signal) => (share?.obtain ?? obtainDirectly)(wanted, ask, signal),
    snapshot: () => share?.snapshot(),
    onTokenEvent: (event) => share?.onTokenEvent(event),
    async start(holder) {
      if (config.sessionStoreUrl === undefined) return
      const { openShare } = await import('./sharing/open.ts')
      const { onEvent: observe, onCall: observeCall } = observers
      share = await openShare({ config, clock, random, observe, observeCall })
      share?.start(holder)
    },
    async stop() {
      await share?.stop()
    },
  }
}

function openIsales(
  options: AppOptions,
  sharing: SharingPart,
  observers: {
    readonly onEvent: (event: TokenEvent) => void
    readonly onConnect: UpstreamOptions['onConnect'] & {}
  },
): Isales {
  const { config, logger, wallClock = Date.now } = options
  const upstream = createUpstream({
    config,
    tls: valueOf(readTls('isales', config)),
    clock: options.clock ?? systemClock,
    onConnect: observers.onConnect,
  })
  const client = createIsalesClient({
    ...config,
    post: upstream.post,
    wallClock,
  })
  if (config.stateDir === undefined) logger.log('state-in-memory')
  const tokens = createTokenSource({
    rules: config,
    waiters: config.tokenWaiters,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    client,
    credentials: { user: config.isalesUser, password: config.isalesPassword },
    refusals: createRefusalBook({
      directory: config.stateDir,
      wallClock,
      onUnusable: (error) => logger.log('state-unusable', { setting: 'STATE_DIR', error }),
    }),
    obtain: sharing.obtain,
    observe: observers.onEvent,
  })
  return { upstream, tokens }
}

interface FilesParts extends Pick<DataPlaneOptions, 'config' | 'logger' | 'metrics' | 'isales'> {
  readonly proxy: DataPlane
}

/** The command `renew` writes this file. */
function watchRenewFile({ stateDir }: Config, renew: () => void): FileWatch {
  const files = stateDir === undefined ? [] : [renewFile(stateDir)]
  return watchFiles(files, { onChange: renew, settle: 500 })
}

/** New secrets and certificates are used while the former ones still serve. */
function watchFilesOf({ config, logger, metrics, isales, proxy }: FilesParts): FileWatch {
  return watchConfigFiles(
    config,
    {
      credentials({ isalesUser: user, isalesPassword: password }) {
        if (isales.tokens.changeCredentials({ user, password }))
          metrics.credentialsReloaded('success')
      },
      obsSecrets: proxy.localLogin.replaceSecrets,
      upstreamTls: (tls) => isales.upstream.reload(tls),
      listenTls: (tls) => proxy.listener.replaceTls(tls),
    },
    {
      onWarning({ setting, problem, remedy }) {
        logger.log('setting-doubtful', { setting, detail: `${problem}. ${remedy}` })
      },
      onReloaded(settings) {
        metrics.credentialsReloaded('success')
        logger.log('files-reloaded', { setting: settings.join(', ') })
      },
      onFailed(errors) {
        metrics.credentialsReloaded('failure')
        for (const { setting, problem, remedy } of errors) {
          logger.log('secret-unreadable', { setting, detail: `${problem}. ${remedy}` })
        }
      },
    },
  )
}
