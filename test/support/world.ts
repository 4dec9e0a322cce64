import { Agent } from 'node:http'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { startApp, type AppOptions } from '../../src/server.ts'
import type { Environment } from '../../src/config/load.ts'
import type { Config } from '../../src/config/index.ts'
import { LOG_EVENTS, type LogFields, type LogLevel } from '../../src/log/log-events.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import {
  createSimulator,
  INTERFACE_PATHS,
  type Simulator,
  type SimulatorOptions,
} from '../../simulator/index.ts'
import { configOf } from './config.ts'
import { call, type Calling } from './call.ts'
import { until } from './until.ts'

export interface WorldOptions extends Pick<
  AppOptions,
  'wallClock' | 'random' | 'limits' | 'logLinesDropped'
> {
  /** Default: the machine's clock. A manual clock continues while the app stops. */
  readonly clock?: Clock & { readonly advance?: (ms: number) => Promise<void> }
  readonly simulator?: SimulatorOptions
  /** Settings that override the world's: ISALES_URL, user, password and free ports. */
  readonly env?: Environment
  /** Values that override those derived from settings. */
  readonly config?: Partial<Config>
  /** Runs before the app starts, for faults of its first login. */
  readonly prepare?: (sim: Simulator) => unknown
  /** False if the test waits for the first token itself. Default: true. */
  readonly ready?: boolean
  /** True: all tests of a file use the world, and `afterAll` stops it. */
  readonly shared?: boolean
}

export interface LogLine extends LogFields {
  readonly event: string
  readonly level: LogLevel
  readonly msg?: string
}

/** A simulated iSales and the whole app in front of it, over real sockets. */
export type World = Awaited<ReturnType<typeof openWorld>>

/** Opens a world that is closed when the test ends. */
export async function openWorld(options: WorldOptions = {}) {
  const sim = await createSimulator(options.simulator)
  await options.prepare?.(sim)
  const lines: LogLine[] = []
  const events: TokenEvent[] = []
  const env = { ...worldEnv(sim), ...options.env }
  const app = await startApp({
    ...options,
    // No test has requests that take long to drain.
    config: { ...configOf(env), drainTimeout: 1000, ...options.config },
    env,
    version: 'test',
    log: (event, fields = {}, level = LOG_EVENTS[event].level, msg?: string) =>
      lines.push({ event, level, ...fields, ...(msg !== undefined && { msg }) }),
    onTokenEvent: (event) => events.push(event),
  })
  const { proxy, admin } = app
  const agent = new Agent({ keepAlive: true })
  let stopped: Promise<void> | undefined
  const world = {
    sim,
    app,
    /** `http://127.0.0.1:<port>` */
    proxy,
    port: Number(new URL(proxy).port),
    admin,
    events: events as readonly TokenEvent[],
    lines: lines as readonly LogLine[],
    request: (path: string, calling?: Calling) => call(`${proxy}${path}`, calling),
    post: (path: string, value: unknown, headers: Calling['headers'] = {}) =>
      call(`${proxy}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(value),
      }),
    /** Sends `POST business/tasks`, which has no side effects, on a kept connection. */
    tasks: () =>
      call(`${proxy}${INTERFACE_PATHS.getTask}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        agent,
        body: JSON.stringify({ subCCNo: 1, vdnId: 1 }),
      }),
    /** Returns the value of a sample, such as `isales_proxy_replays_total{outcome="healed"}`. */
    metric: (sample: string) => metricOf(admin, sample),
    stop() {
      agent.destroy()
      stopped ??= stop()
      return stopped
    },
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

function worldEnv(sim: Simulator): Environment {
  return {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    // Prefix of the tests' paths.
    ALLOWED_PATHS: '/rest/isales/',
  }
}
