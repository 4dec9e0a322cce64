import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../../support/until.ts'
import { ROOT, type RunOptions } from './run.ts'

/** Starts a program that runs until `stop` kills it and its children (SIGKILL). */
export const startDaemon = (
  command: string,
  args: readonly string[],
  { env = {}, cwd = ROOT }: Pick<RunOptions, 'env' | 'cwd'> = {},
) => {
  const child = spawn(command, args, {
    cwd,
    detached: true,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(child, 'close')
  return {
    /** Returns the first match in the output. @throws if there is none within 30 s. */
    async find(expression: RegExp): Promise<RegExpExecArray> {
      const found = await until(() => expression.exec(output), 30_000).catch(() => undefined)
      if (found !== undefined) return found
      throw new Error(`${command}: no ${expression}\n${output}`)
    },
    async stop(): Promise<void> {
      if (child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      await ended
    },
  }
}

/** Texts to wait for in the program's log. */
export const listening = (listener: 'proxy' | 'admin'): RegExp =>
  new RegExp(`"event":"listening".*"listener":"${listener}".*"address":"([^"]+)"`)
