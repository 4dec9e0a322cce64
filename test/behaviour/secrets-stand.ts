import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { createLog } from '../../src/log/logger.ts'
import { startApp } from '../../src/server.ts'
import {
  LOGIN_PATH,
  INTERFACE_PATHS,
  type Simulator,
  type SimulatorOptions,
} from '../../simulator/index.ts'
import type { LogLine, Start } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { call, type CallResponse } from '../support/call.ts'
import { CANARIES } from '../support/canaries.ts'
import { configOf } from '../support/config.ts'
import { until } from '../support/until.ts'

/** A simulated iSales that is closed when the test ends. */
export async function openIsales(options: SimulatorOptions = {}): Promise<Simulator> {
  const switches = { password: CANARIES.password, ...options.switches }
  return (await simulate({ ...options, switches })).sim
}

/** An environment with every secret that the program takes, and the most detailed log. */
export function environment(origin: string): Environment {
  return {
    ISALES_URL: origin,
    ISALES_USER: 'obs',
    ISALES_PASSWORD: CANARIES.password,
    OBS_USER: 'cti',
    OBS_PASSWORD: CANARIES.obsPassword,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    LOG_LEVEL: 'debug',
  }
}

/** A setting with passwords in the wrong place. */
const MISPLACED = {
  NO_PROXY: `http://a:b@one,http://cti:1, ${CANARIES.egressPassword}@two`,
}

/** A running proxy and its outputs. */
export interface Served {
  readonly proxy: string
  readonly admin: string
  /** Returns the process's output so far, and its command line. */
  output(): string
  /** Waits for one of these events in the log. */
  logged(...events: readonly string[]): Promise<LogLine>
}

/** Starts the whole app in this process, with the program's real log. */
export async function serve(
  own: Environment,
  // Jitter; 0 ends every back-off immediately.
  random = 0,
): Promise<Served & { renew(): Promise<void> }> {
  const env = { ...MISPLACED, ...own }
  const written: string[] = []
  const log = await createLog({
    level: 'debug',
    format: 'json',
    destination: { write: (line) => void written.push(line) },
  })
  const app = await startApp({
    config: configOf(env),
    env,
    version: 'test',
    log,
    random: () => random,
  })
  onTestFinished(() => app.stop())
  return {
    proxy: app.proxy,
    admin: app.admin,
    renew: () => app.renew(),
    output: () => written.join(''),
    logged: (...events) =>
      until(
        () =>
          written
            .map((line) => JSON.parse(line) as LogLine)
            .find(({ event }) => events.includes(event)),
        10_000,
      ),
  }
}

/** Starts the built program. */
export async function serveBuilt(start: Start, env: Environment): Promise<Served> {
  const program = start(['serve'], { ...MISPLACED, ...env })
  const cmdline = readFileSync(`/proc/${program.process.pid}/cmdline`, 'latin1')
  return {
    ...(await program.addresses()),
    output: () => `${cmdline}\n${program.stdout()}\n${program.stderr()}`,
    logged: (event = '') => program.line(event),
  }
}

const ADMIN_PAGES =
  '/ /?lang=zh /status.json /status.txt /metrics /livez /readyz /startupz /nowhere'.split(' ')

/** Returns everything that the program shows, except to iSales and CTI-OBS. */
export async function shown(served: Served): Promise<string> {
  const pages = await Promise.all(ADMIN_PAGES.map((page) => call(`${served.admin}${page}`)))
  return [served.output(), ...pages.map(whole)].join('\n')
}

export const whole = ({ status, rawHeaders, text }: CallResponse): string =>
  `${status} ${rawHeaders.join('\n')}\n${text}`

export function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return call(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** Logs in at the proxy like CTI-OBS, and returns the ticket. */
export async function ticket({ proxy }: Served): Promise<string> {
  const login = await post(`${proxy}${LOGIN_PATH}`, { user: 'cti', passwd: CANARIES.obsPassword })
  return String(login.json.resultData?.['token'])
}

export const tasks = ({ proxy }: Served, token: string): Promise<CallResponse> =>
  post(`${proxy}${INTERFACE_PATHS.getTask}`, {}, { Authorization: `Bearer ${token}` })
