import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { call } from '../support/call.ts'
import { closing } from '../support/tcp-server.ts'
import { until, within } from '../support/until.ts'
import {
  accountIn,
  authenticated,
  KEY,
  keyOf,
  PASSWORD,
  sharingPrograms,
  traffic,
  type Replica,
} from './replicas.ts'
import { ENGINES, startServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const STORE_PASSWORD = 'canary-store-password'
const WRONG_PASSWORD = 'canary-wrong-store-password'

const { start, environment, openIsales, startReplica, startReplicas, file } = sharingPrograms()

describe('three programs that share', () => {
  it.each(['SIGSTOP', 'SIGKILL'] as const)(
    'continue when the one that asks gets %s and does not renew its lease for 3 s',
    async (signal) => {
      const sim = await openIsales(60)
      const server = await startServer()
      sim.set({ latency: 2000 })
      const replicas = await startReplicas(3, server.port)
      const isAsking = ({ program }: Replica): boolean =>
        program.lines().some(({ event }) => event === 'exchange-started')
      const asking = await until(() => replicas.find(isAsking), 10_000)
      expect((await accountIn(server, sim))?.lease?.holder).toEqual(expect.any(String))
      const { process, ended } = asking.program
      process.kill(signal)
      const at = performance.now()
      sim.set({ latency: 0 })
      const others = replicas.filter((replica) => replica !== asking)
      await authenticated(others)
      // The lease lasts 3 s, and the attempt pauses logins for 5 s; the rest is for a busy machine.
      expect(performance.now() - at).toBeLessThan(10_000)
      process.kill('SIGCONT')
      const alive = signal === 'SIGSTOP' ? replicas : others
      await authenticated(alive)
      expect(await traffic(alive, 2000)).toEqual([])
      process.kill('SIGTERM')
      await within(ended, 'the end of the program', 20_000)
      expect(await traffic(others, 1000)).toEqual([])
    },
  )

  it('release their lease when they end during a login', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    sim.set({ latency: 4500 })
    const { program } = await startReplica(server.port)
    await until(async () => (await accountIn(server, sim))?.lease, 10_000)
    program.process.kill('SIGTERM')
    await until(async () => (await accountIn(server, sim))?.lease === undefined, 2500)
    expect(await within(program.ended, 'the end of the program', 20_000)).toMatchObject({ code: 0 })
  })

  it('adopt the token of `check --live`, which logs in through their store', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    const check = async () => {
      const program = start(['check', '--live', '--quiet'], environment(server.port))
      const { code } = await within(program.ended, 'the end of check', 20_000)
      return [code, program.stdout() + program.stderr()]
    }
    const works = [0, expect.stringContaining('Outcome: works')]
    expect(await check()).toEqual(works)
    const replicas = await startReplicas(2, server.port)
    await authenticated(replicas)
    expect(sim.state().logins).toBe(1)
    const calls = traffic(replicas, 4000)
    expect([await check(), await calls, sim.state().logins]).toEqual([works, [], 2])
    server.signal('SIGSTOP')
    const cut = expect.stringContaining('The login works, but the shared store does not')
    expect(await check()).toEqual([4, cut])
  })
})

it.each(ENGINES)(
  'programs show no secret: not in %s, to MONITOR, nor on stderr under DEBUG',
  async (engine) => {
    const sim = await openIsales(3)
    const cli = ['-a', STORE_PASSWORD, '--no-auth-warning']
    const directives = [`requirepass ${STORE_PASSWORD}`]
    const server = await startServer({ engine, directives, cli })
    const monitor = spawn('valkey-cli', ['-p', String(server.port), ...cli, 'MONITOR'])
    closing.push(() => monitor.kill())
    let seen = ''
    monitor.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    const startWith = (password: string) =>
      startReplica(server.port, {
        DEBUG: '*',
        SESSION_STORE_PASSWORD_FILE: file(password, password),
      })
    const replicas = await Promise.all([STORE_PASSWORD, STORE_PASSWORD].map(startWith))
    await authenticated(replicas)
    await traffic(replicas, 4000)
    replicas.push(await startWith(WRONG_PASSWORD))
    await authenticated(replicas)
    const key = await keyOf(server)
    const dump = await server.cli('GET', key)
    // The search covers the store's contents and commands, and everything printed.
    expect(dump.length).toBeGreaterThan(100)
    expect(await server.cli('DBSIZE')).toMatch(/^1$/)
    expect(seen).toMatch(/"auth".*\n[^]*"eval".*\n/i)
    expect(seen).toContain(key)
    const pages = await Promise.all(
      replicas.flatMap(({ admin }) =>
        ['', '/status.json', '/metrics'].map(async (path) => (await call(`${admin}${path}`)).text),
      ),
    )
    const printed = replicas.map(({ program }) => program.stderr() + program.stdout())
    expect(printed.join('\n')).toContain('token-adopted')
    // MONITOR redacts the arguments of AUTH by itself.
    const all = [dump, seen, ...pages, ...printed].join('\n')
    const secrets = [...sim.issued(), PASSWORD, STORE_PASSWORD, WRONG_PASSWORD, KEY]
    expect(secrets.length).toBeGreaterThan(5)
    for (const secret of secrets) {
      expect(all.includes(secret)).toBe(false)
      expect(all.includes(Buffer.from(secret).toString('base64url'))).toBe(false)
    }
    expect(replicas.map(({ program }) => program.stderr())).toEqual(['', '', ''])
  },
)

it('the program loads no store client unless a store is configured', () => {
  const textOf = (file: string): string => readFileSync(join(start.directory(), file), 'utf8')
  const loaded = new Set(['main.js'])
  const imports = /^(?:import|export)[^'"(]*["']\.\/([\w.-]+\.js)["']/gm
  // Iterating over a set includes members that are added meanwhile.
  for (const file of loaded)
    for (const [, name = ''] of textOf(file).matchAll(imports)) loaded.add(name)
  const files = readdirSync(start.directory()).filter((file) => file.endsWith('.js'))
  const holding = files.filter((file) => textOf(file).includes('node_modules/ioredis/'))
  expect(holding).not.toEqual([])
  expect(holding.filter((file) => loaded.has(file))).toEqual([])
})
