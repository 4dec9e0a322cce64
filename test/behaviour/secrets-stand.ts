import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import {
  createSimulator,
  LOGIN_PATH,
  INTERFACE_PATHS,
  type Simulator,
  type SimulatorOptions,
} from '../../simulator/index.ts'
import type { Program, Start } from '../cli/program.ts'
import { call, type CallResponse } from '../support/call.ts'
import { CANARIES } from '../support/canaries.ts'
import { until } from '../support/until.ts'

export async function openIsales(options: SimulatorOptions = {}): Promise<Simulator> {
  const switches = { password: CANARIES.password, ...options.switches }
  const sim = await createSimulator({ ...options, switches })
  onTestFinished(() => sim.close())
  return sim
}

/** Every secret that the program takes, in its environment, and a log that holds nothing back. */
export function environment(origin: string): Environment {
  return {
    ISALES_URL: origin,
    ISALES_USER: 'obs',
    ISALES_PASSWORD: CANARIES.password,
    OBS_LOGIN: 'require',
    OBS_USER: 'cti',
    OBS_PASSWORD: CANARIES.obsPassword,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    LOG_LEVEL: 'trace',
    LOG_FORMAT: 'json',
    ACCESS_LOG: 'full',
  }
}

export interface Served {
  readonly program: Program
  readonly proxy: string
  readonly admin: string
}

export async function serve(start: Start, env: Environment): Promise<Served> {
  const program = start(['serve'], env)
  const address = (listener: string) =>
    until(() => program.lines().find((line) => line['listener'] === listener)?.['address'], 20_000)
  return {
    program,
    proxy: String(await address('proxy')),
    admin: String(await address('admin')),
  }
}

const ADMIN_PAGES = '/ /status.json /metrics /livez /readyz /startupz /nowhere'.split(' ')

/** All that the program shows to anybody but iSales: its output, its pages, its command line. */
export async function shown({ program, admin }: Served): Promise<string> {
  const pages = await Promise.all(ADMIN_PAGES.map((page) => call(`${admin}${page}`)))
  const cmdline = readFileSync(`/proc/${program.process.pid}/cmdline`, 'latin1')
  return [program.stdout(), program.stderr(), cmdline, ...pages.map(whole)].join('\n')
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

/** A CTI-OBS that has logged in at the proxy, making a call. */
export async function ticket({ proxy }: Served): Promise<string> {
  const login = await post(`${proxy}${LOGIN_PATH}`, { user: 'cti', passwd: CANARIES.obsPassword })
  return String(login.json.resultData?.['token'])
}

export const tasks = ({ proxy }: Served, token: string): Promise<CallResponse> =>
  post(`${proxy}${INTERFACE_PATHS.getTask}`, {}, { Authorization: `Bearer ${token}` })
