import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../../support/until.ts'
import { ROOT } from './run.ts'

export interface Daemon {
  /** The first place in its output that the expression matches. @throws when there is none within 15 s. */
  find(expression: RegExp): Promise<RegExpExecArray>
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
  let output = ''
  let hasEnded = false
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.once('error', (error) => (output += error.message))
  child.once('close', () => (hasEnded = true))

  return {
    async find(expression) {
      const found = await until(
        () => expression.exec(output) ?? (hasEnded && 'ended'),
        15_000,
      ).catch(() => undefined)
      if (typeof found === 'object') return found
      throw new Error(`${command}: no ${expression}\n${output}`)
    },
    async stop() {
      if (hasEnded) return child.exitCode
      const ended = once(child, 'close')
      const kill = setTimeout(() => child.kill('SIGKILL'), GRACE)
      child.kill('SIGTERM')
      await ended
      clearTimeout(kill)
      return child.exitCode
    },
  }
}

/** What can be waited for in the log of the program. */
export const listening = (listener: 'proxy' | 'admin'): RegExp =>
  new RegExp(`"event":"listening".*"listener":"${listener}".*"address":"([^"]+)"`)
