import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { closing } from '../support/tcp-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'

export type Engine = 'valkey' | 'redis'

/** Installed engines. In CI, both must be installed. */
export const ENGINES: readonly Engine[] = (['valkey', 'redis'] as const).filter((engine) => {
  const isInstalled = spawnSync(`${engine}-server`, ['--version']).status === 0
  if (!isInstalled && process.env['CI'] === 'true') throw new Error(`${engine} is not installed`)
  return isInstalled
})

/** A real server on its own port, which ends with the test. */
export type StoreServer = Awaited<ReturnType<typeof startServer>>

/** `directives`: lines of the configuration file. `cli`: more arguments of `valkey-cli`. */
export async function startServer(
  settings: { engine?: Engine; directives?: readonly string[]; port?: number; cli?: string[] } = {},
) {
  const { engine = ENGINES[0] ?? 'valkey', directives = [] } = settings
  const port = settings.port ?? (await freePort())
  const directory = temporaryDirectory()
  const file = join(directory, 'server.conf')
  const isTls = directives.some((line) => line.startsWith('tls-'))
  const ports = isTls ? ['port 0', `tls-port ${port}`] : [`port ${port}`]
  const lines = [...ports, 'bind 127.0.0.1', `dir ${directory}`]
  const plain = ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0', 'repl-timeout 60']
  writeFileSync(file, [...lines, ...plain, ...directives, ''].join('\n'))
  const run = (): ChildProcess => spawn(`${engine}-server`, [file], { stdio: 'ignore' })
  const cli = async (...args: readonly string[]): Promise<string> => {
    const options = ['-p', String(port), ...(settings.cli ?? [])]
    const output = { maxBuffer: 4 * 1024 * 1024, encoding: 'latin1' } as const
    const { stdout } = await promisify(execFile)('valkey-cli', [...options, ...args], output)
    return stdout.replace(/\n$/, '')
  }
  const ready = (): Promise<true> =>
    until(async () => !/^$|refused/.test(await cli('PING').catch(() => '')), 10_000)
  let child = run()
  const ended = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  closing.push(() => {
    child.kill('SIGKILL')
    return ended()
  })
  await ready()
  return {
    port,
    cli,
    signal: (signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') => void child.kill(signal),
    async restart() {
      child = run()
      await ready()
    },
    ended,
  }
}

const SHARING = readFileSync(new URL('../../docs/sharing.md', import.meta.url), 'utf8')
/** Permissions of the store's user, from docs/sharing.md. */
export const [, DOCUMENTED_ACL = ''] = /ACL SETUSER \S+ on >PASSWORD (.*)/.exec(SHARING) ?? []
