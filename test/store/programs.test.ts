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
  valueOf,
  type Replica,
} from './replicas.ts'
import { ENGINES, startServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const STORE_PASSWORD = 'canary-store-password'

const { start, environment, openIsales, startReplica, startReplicas, file } = sharingPrograms()

const isAsking = ({ program }: Replica): boolean =>
  program.lines().some(({ event }) => event === 'exchange-started')

describe('three programs that share', () => {
  it.each(['SIGSTOP', 'SIGKILL'] as const)(
    'go on when the one that asks gets %s and has not said so for 3 s, and when it is gone',
    async (signal) => {
      const sim = await openIsales(60)
      const server = await startServer()
      sim.set({ latency: 2000 })
      const replicas = await startReplicas(3, server.port)
      const asking = await until(() => replicas.find(isAsking), 10_000)
      expect(await accountIn(server, sim)).toMatchObject({
        lease: { holder: expect.any(String) as unknown },
      })
      const { process, ended } = asking.program
      process.kill(signal)
      const at = performance.now()
      sim.set({ latency: 0 })
      const others = replicas.filter((replica) => replica !== asking)
      await authenticated(others)
      // Its lease lasts for 3 s, and its attempt pauses logins for 5 s; the rest is for a busy machine.
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

  it('ask no more when they are ended while they ask', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    sim.set({ latency: 4500 })
    const { program } = await startReplica(server.port)
    await until(async () => (await accountIn(server, sim))?.lease, 10_000)
    program.process.kill('SIGTERM')
    await until(async () => (await accountIn(server, sim))?.lease === undefined, 2500)
    expect(await within(program.ended, 'the end of the program', 20_000)).toMatchObject({ code: 0 })
  })

  it('take the token of `check --live`, which logs in through their store', async () => {
    const sim = await openIsales(60)
    const server = await startServer()
    const env = environment(server.port)
    const alone = start(['check', '--live', '--quiet'], env)
    expect(await within(alone.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(alone.stdout()).toContain('Outcome: works')
    const replicas = await startReplicas(2, server.port)
    await authenticated(replicas)
    expect(sim.state().logins).toBe(1)
    const calls = traffic(replicas, 4000)
    const check = start(['check', '--live', '--quiet'], env)
    expect(await within(check.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(check.stdout()).toContain('Outcome: works')
    expect(await calls).toEqual([])
    expect(sim.state().logins).toBe(2)
    server.signal('SIGSTOP')
    const cut = start(['check', '--live', '--quiet'], env)
    expect(await within(cut.ended, 'the end of check', 20_000)).toMatchObject({ code: 4 })
    expect(cut.stderr()).toContain('The login works, but the shared store does not')
  })
})

it.each(ENGINES)(
  'programs show no secret: not in %s, to MONITOR, nor on stderr under DEBUG',
  async (engine) => {
    const sim = await openIsales(3)
    const server = await startServer({
      engine,
      directives: [`requirepass ${STORE_PASSWORD}`],
      cli: ['-a', STORE_PASSWORD, '--no-auth-warning'],
    })
    const monitor = spawn('valkey-cli', [
      '-p',
      String(server.port),
      '-a',
      STORE_PASSWORD,
      '--no-auth-warning',
      'MONITOR',
    ])
    closing.push(() => monitor.kill())
    let seen = ''
    monitor.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    const more = {
      DEBUG: '*',
      LOG_LEVEL: 'debug',
      SESSION_STORE_PASSWORD_FILE: file('store-password', STORE_PASSWORD),
    }
    const replicas = await Promise.all([1, 2].map(() => startReplica(server.port, more)))
    await authenticated(replicas)
    await traffic(replicas, 4000)
    const wrong = await startReplica(server.port, {
      ...more,
      SESSION_STORE_PASSWORD_FILE: file('wrong-password', 'canary-wrong-store-password'),
    })
    await authenticated([wrong])
    const key = (await keyOf(server)) ?? ''
    const dump = await valueOf(server, key)
    // What is searched is what the store holds and was sent, and what was printed.
    expect(dump.length).toBeGreaterThan(100)
    expect(await server.cli('DBSIZE')).toMatch(/^1$/)
    expect(seen).toMatch(/"auth".*\n[^]*"eval".*\n/i)
    expect(seen).toContain(key)
    const pages = await Promise.all(
      [...replicas, wrong].flatMap(({ admin }) =>
        ['', '/status.json', '/metrics'].map(async (path) => (await call(`${admin}${path}`)).text),
      ),
    )
    const printed = [...replicas, wrong].map(({ program }) => program.stderr() + program.stdout())
    expect(printed.join('\n')).toContain('token-adopted')
    // MONITOR itself shows what AUTH is given as redacted.
    const all = [dump, seen, ...pages, ...printed].join('\n')
    const secrets = [...sim.issued(), PASSWORD, STORE_PASSWORD, KEY, 'canary-wrong-store-password']
    expect(secrets.length).toBeGreaterThan(5)
    for (const secret of secrets) {
      expect(all.includes(secret)).toBe(false)
      expect(all.includes(Buffer.from(secret).toString('base64url'))).toBe(false)
    }
    expect([...replicas, wrong].map(({ program }) => program.stderr())).toEqual(['', '', ''])
  },
)

it('loads nothing of the store unless it is configured', () => {
  const textOf = (file: string): string => readFileSync(join(start.directory(), file), 'utf8')
  const loaded = new Set(['main.js'])
  const imports = /^(?:import|export)[^'"(]*["']\.\/([\w.-]+\.js)["']/gm
  // A set gives what is added meanwhile, too.
  for (const file of loaded)
    for (const [, name = ''] of textOf(file).matchAll(imports)) loaded.add(name)
  const files = readdirSync(start.directory()).filter((file) => file.endsWith('.js'))
  const holding = files.filter((file) => textOf(file).includes('node_modules/ioredis/'))
  expect(holding).not.toEqual([])
  expect(holding.filter((file) => loaded.has(file))).toEqual([])
})
