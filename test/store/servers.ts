import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { closing } from '../support/tcp-server.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'

export type Engine = 'valkey' | 'redis'

/** Installed engines. In CI, both must be installed. */
export const ENGINES: readonly Engine[] = (['valkey', 'redis'] as const).filter((engine) => {
  const program = `${engine}-server`
  if (spawnSync(program, ['--version']).status === 0) return true
  if (process.env['CI'] === 'true') throw new Error(`${program} is not installed`)
  process.stderr.write(`skipped: ${program} is not installed\n`)
  return false
})

/** A real server on its own port, which ends with the test. */
export type StoreServer = Awaited<ReturnType<typeof startServer>>

interface ServerSettings {
  readonly engine?: Engine
  /** Lines of the configuration file. */
  readonly directives?: readonly string[]
  readonly port?: number
  /** Further arguments of `valkey-cli`. */
  readonly cli?: readonly string[]
}

export async function startServer(settings: ServerSettings = {}) {
  const { engine = ENGINES[0] ?? 'valkey', directives = [] } = settings
  const port = settings.port ?? (await freePort())
  const directory = temporaryDirectory()
  const file = join(directory, 'server.conf')
  const tls = directives.some((line) => line.startsWith('tls-port'))
  const lines = [`port ${tls ? 0 : port}`, 'bind 127.0.0.1', `dir ${directory}`]
  const plain = ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0', 'repl-timeout 60']
  writeFileSync(file, [...lines, ...plain, ...directives, ''].join('\n'))
  const run = (): ChildProcess => spawn(`${engine}-server`, [file], { stdio: 'ignore' })
  const cli = async (...args: readonly string[]): Promise<string> => {
    const options = ['-p', String(port), ...(settings.cli ?? [])]
    // Tests write a value of 1 MiB.
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
    /** Returns the output of `valkey-cli`, as latin1. */
    cli,
    signal: (signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM') => void child.kill(signal),
    /** Starts a killed server again, empty, on the same port. */
    async restart() {
      child = run()
      await ready()
    },
    ended,
  }
}

/** Permissions of the store's user, from docs/sharing.md. */
export const DOCUMENTED_ACL = ((): string => {
  const page = readFileSync(new URL('../../docs/sharing.md', import.meta.url), 'utf8')
  const [, rules] = /ACL SETUSER \S+ on >PASSWORD (.*)/.exec(page) ?? []
  if (rules === undefined) throw new Error('docs/sharing.md gives no permissions')
  return rules
})()

export const certificates = makeCertificates()

/** Starts a server that accepts only TLS. */
export async function startTlsServer(engine: Engine) {
  const file = temporaryFiles()
  const ca = file('ca.pem', certificates.ca.cert)
  const port = await freePort()
  const directives = [
    `tls-port ${port}`,
    `tls-cert-file ${file('server.pem', certificates.server.cert)}`,
    `tls-key-file ${file('server-key.pem', certificates.server.key)}`,
    `tls-ca-cert-file ${ca}`,
    'tls-auth-clients no',
  ]
  return startServer({ engine, port, directives, cli: ['--tls', '--cacert', ca] })
}
