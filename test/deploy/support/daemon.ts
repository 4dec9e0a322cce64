import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../../support/until.ts'
import { ROOT } from './run.ts'

/** Starts a program that runs until `stop` kills it (SIGKILL). */
export const startDaemon = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) => {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(child, 'close')
  return {
    /** Returns the first match in the output. @throws if there is none within 15 s. */
    async find(expression: RegExp): Promise<RegExpExecArray> {
      const found = await until(() => expression.exec(output), 15_000).catch(() => undefined)
      if (found !== undefined) return found
      throw new Error(`${command}: no ${expression}\n${output}`)
    },
    async stop(): Promise<void> {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Texts to wait for in the program's log. */
export const listening = (listener: 'proxy' | 'admin'): RegExp =>
  new RegExp(`"event":"listening".*"listener":"${listener}".*"address":"([^"]+)"`)
