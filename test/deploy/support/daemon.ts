import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { until } from '../../support/until.ts'
import { ROOT } from './run.ts'

export interface Daemon {
  readonly pid: number
  /** Everything it has written so far, line by line. */
  readonly lines: readonly string[]
  /** The first line in which the expression finds something, and what it found. */
  find(expression: RegExp, limitMs?: number): Promise<RegExpExecArray>
  /** Sends SIGTERM and waits for the end; the exit code, or null when it had to be killed. */
  stop(): Promise<number | null>
}

const GRACE = 30_000

/** Starts a program that runs until it is stopped. */
export const startDaemon = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Daemon => {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  exited.catch(() => undefined) // told by the first `find`
  const lines: string[] = []
  let ended: string | undefined
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  }
  child.once('error', (error) => (ended = error.message))
  child.once('exit', (code) => (ended = `ended with ${code}`))

  return {
    pid: child.pid ?? 0,
    lines,
    async find(expression, limitMs = 15_000) {
      const search = () => {
        for (const line of lines) {
          const match = expression.exec(line)
          if (match !== null) return match
        }
        return ended === undefined ? undefined : 'ended'
      }
      const found = await until(search, limitMs).catch((error: unknown) => String(error))
      if (typeof found !== 'string') return found
      throw new Error(`${command}: no ${expression} (${ended ?? found})\n${lines.join('\n')}`)
    },
    async stop() {
      if (ended !== undefined) return child.exitCode
      const kill = setTimeout(() => child.kill('SIGKILL'), GRACE)
      child.kill('SIGTERM')
      const [code] = await exited
      clearTimeout(kill)
      return code
    },
  }
}

/** What can be waited for in the log of the program. */
export const listening = (listener: 'proxy' | 'admin'): RegExp =>
  new RegExp(`"event":"listening".*"listener":"${listener}".*"address":"([^"]+)"`)
