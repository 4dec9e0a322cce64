import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { root as ROOT } from '../../docs/pages.ts'

export { ROOT }

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Milliseconds; default 120,000. */
  readonly timeout?: number
}

/** Runs a program to its end. Never rejects: a program that cannot be started has code 127. */
export const run = async (
  command: string,
  args: readonly string[],
  { input = '', env = {}, cwd = ROOT, timeout = 120_000 }: RunOptions = {},
): Promise<Outcome> => {
  const options = { cwd, timeout, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 }
  const running = promisify(execFile)(command, args, options)
  running.child.stdin?.on('error', () => {}) // a program that ends without reading its input
  running.child.stdin?.end(input)
  return running.then(
    (output) => ({ code: 0, ...output }),
    ({ code, message, stdout = '', stderr = '' }: Failure) => ({
      code: typeof code === 'number' ? code : 127,
      stdout,
      stderr: stderr === '' ? message : stderr,
    }),
  )
}
interface Failure extends Error, Partial<Omit<Outcome, 'code'>> {
  readonly code?: unknown
}

/** Like `run`, but rejects with the output of a program that does not end with 0. */
export const succeed = async (
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> => {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`)
}
