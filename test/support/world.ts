import { onTestFinished } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import type { Clock } from '../../src/clock.ts'
import type { Environment } from '../../src/config/load.ts'
import type { Config } from '../../src/config/index.ts'
import type { LogFields, LogLevel } from '../../src/log/log-events.ts'
import { createLog } from '../../src/log/logger.ts'
import { startApp, type AppOptions } from '../../src/server.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { createSimulator, INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
import { configOf } from './config.ts'
import { call, type Calling } from './call.ts'
import { until } from './until.ts'

export interface WorldOptions extends Pick<AppOptions, 'random' | 'limits' | 'stdout'> {
  /** Default: the machine's clock. A manual clock continues while the app stops. */
  readonly clock?: Clock & { readonly advance?: (ms: number) => Promise<void> }
  readonly simulator?: SimulatorOptions
  /** Settings that override the ones from `settingsFor`. */
  readonly env?: Environment
  /** Values that override those derived from settings. */
  readonly config?: Partial<Config>
  /** Runs before the app starts, for faults of its first login. May return more settings. */
  readonly prepare?: (sim: Simulator) => Environment | void | Promise<Environment | void>
  /** False if the test waits for the first token itself. Default: true. */
  readonly ready?: boolean
  /** True: the caller stops the world. Default: false, and the end of the test stops it. */
  readonly shared?: boolean
}

export interface LogLine extends LogFields {
  readonly event: string
  readonly level: LogLevel
  readonly msg: string
}

/** The account of CTI-OBS, and the settings that require it. */
export const ACCOUNT = { user: 'cti', passwd: 'cti-password' }
export const REQUIRE = { OBS_USER: 'cti', OBS_PASSWORD: 'cti-password' }

/** A simulated iSales and the whole app in front of it, over real sockets. */
export type World = Awaited<ReturnType<typeof openWorld>>

/** Opens a world that is closed when the test ends. */
export async function openWorld(options: WorldOptions = {}) {
  const sim = await createSimulator(options.simulator)
  const more = await options.prepare?.(sim)
  const env = settingsFor(sim, { ...options.env, ...more })
  const lines: LogLine[] = []
  const events: TokenEvent[] = []
  const app = await startApp({
    ...options,
    // No test has requests that take long to drain.
    config: { ...configOf(env), drainTimeout: 1000, ...options.config },
    env,
    version: 'test',
    log: await createLog({
      level: 'debug',
      format: 'json',
      destination: { write: (line) => void lines.push(JSON.parse(line) as LogLine) },
    }),
    onTokenEvent: (event) => events.push(event),
  })
  let stopped: Promise<void> | undefined
  const world = {
    ...clientOf(app),
    sim,
    app,
    env,
    proxy: app.proxy,
    port: Number(new URL(app.proxy).port),
    admin: app.admin,
    events: events as readonly TokenEvent[],
    lines: lines as readonly LogLine[],
    logged: (...names: readonly string[]) =>
      until(() => lines.find(({ event }) => names.includes(event))),
    stop: () => (stopped ??= stop()),
  }
  async function stop(): Promise<void> {
    const stopping = app.stop().then(() => true)
    const step = () => options.clock?.advance?.(10) ?? stopping
    while ((await Promise.race([stopping, step()])) !== true);
    await sim.close()
  }
  if (options.shared !== true) onTestFinished(() => world.stop())
  if (options.ready !== false) await until(() => events.some(({ type }) => type === 'granted'))
  return world
}

/** Returns the settings of a proxy in front of this iSales, on free ports. */
export function settingsFor({ origin, switches }: Simulator, more: Environment = {}): Environment {
  return {
    ISALES_URL: origin,
    ISALES_USER: switches.user,
    ISALES_PASSWORD: switches.password,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    // Prefix of the tests' paths.
    ALLOWED_PATHS: '/rest/isales/',
    ...more,
  }
}

export function clientOf({ proxy, admin }: { readonly proxy: string; readonly admin: string }) {
  const request = (path: string, calling?: Calling) => call(`${proxy}${path}`, calling)
  const post = (path: string, body: unknown, headers: Calling['headers'] = {}) =>
    request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return {
    request,
    post,
    /** Sends `POST business/tasks`, which has no side effects, with this ticket. */
    tasks: (ticket?: string) => {
      const headers = ticket === undefined ? {} : { Authorization: `Bearer ${ticket}` }
      return post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, headers)
    },
    /** Logs in at the proxy as CTI-OBS does, and returns its tickets. */
    async logIn(passwd = ACCOUNT.passwd) {
      const { json } = await post(LOGIN_PATH, { ...ACCOUNT, passwd })
      const { token, refreshToken } = json.resultData ?? {}
      return { token: String(token), refreshToken: String(refreshToken) }
    },
    status: async (language = 'en') =>
      (await call(`${admin}/status.json?lang=${language}`)).json as unknown as Status,
    page: async (path: string) => (await call(`${admin}${path}`)).text,
    /** Returns the value of a sample, such as `isales_proxy_replays_total{outcome="recovered"}`. */
    metric: (sample: string) => metricOf(admin, sample),
  }
}

/** Returns the sum of all samples with these labels, and possibly others. */
async function metricOf(admin: string, sample: string): Promise<number> {
  const { text } = await call(`${admin}/metrics`)
  const [name = '', labels = ''] = sample.replace('}', '').split('{')
  const wanted = labels === '' ? [] : labels.split(',')
  const values = text.split('\n').flatMap((line) => {
    const [series = '', value] = line.split(' ')
    const isOne = series === name || series.startsWith(`${name}{`)
    return isOne && wanted.every((label) => series.includes(label)) ? [Number(value)] : []
  })
  if (values.length === 0) throw new Error(`no sample ${sample}`)
  return values.reduce((sum, value) => sum + value, 0)
}
