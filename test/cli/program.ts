import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, inject } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { simulate } from '../simulator/caller.ts'
import { until } from '../support/until.ts'
import { clientOf, settingsFor } from '../support/world.ts'

export type Program = ReturnType<typeof follow>

export interface LogLine {
  readonly event: string
  readonly [field: string]: unknown
}

interface StartOptions {
  readonly from?: string
  /** Limit of descriptors. Default: the limit of the tests. */
  readonly descriptors?: number
}

/** Returns a function that starts the built program. Every process ends with its test. */
export function builtProgram() {
  const running: ChildProcess[] = []
  const directory = (): string => inject('program')

  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  const start = (
    args: readonly string[],
    env: Environment,
    { from = directory(), descriptors }: StartOptions = {},
  ): Program => {
    const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors};`
    const command = [process.execPath, join(from, 'main.js'), ...args]
    const child = spawn('/bin/sh', ['-c', `${limit} exec "$@"`, 'sh', ...command], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.push(child)
    return follow(child)
  }
  /** Starts the program in front of a simulated iSales, with requests to it, and waits for its login. */
  const serve = async (env: Environment = {}, options?: StartOptions) => {
    const { sim } = await simulate()
    const program = start([], settingsFor(sim, env), options)
    const urls = await program.addresses()
    await program.line('logged-in')
    const portOf = (url: string) => Number(new URL(url).port)
    const ports = { port: portOf(urls.proxy), adminPort: portOf(urls.admin) }
    return { ...clientOf(urls), ...urls, ...ports, program, sim }
  }
  return Object.assign(start, { directory, serve })
}

export function follow(child: ChildProcess) {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => (written[name] += text))
  }
  const lines = (): readonly LogLine[] =>
    written.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
  return {
    process: child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    lines,
    async line(event: string) {
      try {
        return await until(() => lines().find((line) => line.event === event), 20_000)
      } catch (error) {
        throw new Error(`no ${event}: ${written.stdout}${written.stderr}`, { cause: error })
      }
    },
    /** Waits until both ports are open. */
    addresses: () =>
      until(() => {
        const [proxy, admin] = lines().filter((line) => line.event === 'listening')
        return admin && { proxy: String(proxy?.['address']), admin: String(admin['address']) }
      }, 20_000),
    // Unlike `exit`, `close` follows the end of the output.
    ended: once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    })),
  }
}
