import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { createSimulator, INTERFACE_PATHS, type Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { call } from '../support/call.ts'
import { closing } from '../support/tcp-server.ts'
import { until, within } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'
import { temporaryDirectory } from '../support/temporary.ts'

vi.setConfig({ testTimeout: 120_000 })

const MINUTE = 60_000
/** Minutes of traffic: 10 by hand; in CI 2 with the first engine, since the other one differs in nothing here. */
const minutes = (engine: string): number => {
  const { STORE_TEST_MINUTES, CI } = process.env
  return Number(STORE_TEST_MINUTES ?? (CI === 'true' && engine === ENGINES[0] ? 2 : 0.5))
}
const PASSWORD = 'canary-isales-password'
const STORE_PASSWORD = 'canary-store-password'
const KEY = 'canary-key-of-the-store-0123456789'

const start = builtProgram()
const scratch = temporaryDirectory()
const keyFile = join(scratch, 'key')
writeFileSync(keyFile, KEY)

let sim: Simulator
afterEach(() => sim.close())

interface Replica {
  readonly program: Program
  readonly proxy: string
  readonly admin: string
}

/** An account that allows one session, whose tokens end when they are refreshed. */
async function openIsales(seconds: number): Promise<void> {
  sim = await createSimulator({
    switches: {
      password: PASSWORD,
      singleSession: true,
      refreshEndsOld: true,
      rotate: true,
      tokenLifetime: seconds,
      refreshLifetime: 3600,
      lockAfter: 0,
    },
  })
}

async function startReplica(port: number, more: Environment = {}): Promise<Replica> {
  const program = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: PASSWORD,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    SESSION_STORE_URL: `valkey://127.0.0.1:${port}`,
    SESSION_STORE_KEY_FILE: keyFile,
    LOG_LEVEL: 'debug',
    ...more,
  })
  const listening = await until(() => {
    const lines = program.lines().filter(({ event }) => event === 'listening')
    return lines.length === 2 && lines
  }, 20_000)
  const [proxy, admin] = listening.map((line) => String(line['address']))
  return { program, proxy: proxy ?? '', admin: admin ?? '' }
}

async function startReplicas(count: number, port: number): Promise<readonly Replica[]> {
  return Promise.all(Array.from({ length: count }, () => startReplica(port)))
}

const tasks = ({ proxy }: Replica) =>
  call(`${proxy}${INTERFACE_PATHS.getTask}`, { method: 'POST', body: '{"subCCNo":1,"vdnId":1}' })

/** Calls on each replica, ten a second; the statuses that were no success. */
async function traffic(replicas: readonly Replica[], ms: number): Promise<readonly number[]> {
  const failed: number[] = []
  const end = performance.now() + ms
  const send = async (replica: Replica): Promise<void> => {
    while (performance.now() < end) {
      const { status } = await tasks(replica)
      if (status !== 200) failed.push(status)
      await delay(100)
    }
  }
  await Promise.all(replicas.map(send))
  return failed
}

const authenticated = async (replicas: readonly Replica[]): Promise<void> => {
  for (const replica of replicas) {
    await until(async () => (await tasks(replica)).status === 200, 20_000)
  }
}

describe.each(ENGINES)('three programs that share through %s', (engine) => {
  it(
    'log in once, and every call succeeds',
    async () => {
      await openIsales(20)
      const server = await startServer({ engine })
      const replicas = await startReplicas(3, server.port)
      await authenticated(replicas)
      expect(await traffic(replicas, minutes(engine) * MINUTE)).toEqual([])
      expect(sim.state().logins).toBe(1)
      const metrics = await Promise.all(replicas.map(({ admin }) => call(`${admin}/metrics`)))
      for (const { text } of metrics) {
        expect(text).toContain('isales_proxy_session_sharing_state{state="shared"} 1')
        expect(text).toContain('isales_proxy_session_replicas 3')
      }
    },
    minutes(engine) * MINUTE + 60_000,
  )

  it('serve on while the store is killed, stopped and emptied', async () => {
    await openIsales(60)
    const server = await startServer({ engine })
    const replicas = await startReplicas(3, server.port)
    await authenticated(replicas)
    const calls = traffic(replicas, 22_000)
    await delay(1000)
    server.signal('SIGKILL')
    await server.ended()
    await delay(5000)
    await server.restart()
    await delay(4000)
    server.signal('SIGSTOP')
    await delay(5000)
    server.signal('SIGCONT')
    await delay(1000)
    await server.cli('FLUSHALL')
    expect(await calls).toEqual([])
    expect(sim.state().logins).toBe(1)
  })

  it('go on when one of them is stopped while it asks, and when one is ended', async () => {
    await openIsales(60)
    const server = await startServer({ engine })
    sim.set({ latency: 2000 })
    const replicas = await startReplicas(3, server.port)
    const lease = await until(() => leaseOf(server), 10_000)
    const asking = await until(() =>
      replicas.find(({ program }) =>
        program.lines().some(({ event }) => event === 'exchange-started'),
      ),
    )
    expect(lease).toMatch(/^[\w-]{16}-\d+$/)
    asking.program.process.kill('SIGSTOP')
    sim.set({ latency: 0 })
    const others = replicas.filter((replica) => replica !== asking)
    await authenticated(others)
    asking.program.process.kill('SIGCONT')
    await authenticated(replicas)
    expect(await traffic(replicas, 3000)).toEqual([])
    asking.program.process.kill('SIGTERM')
    await within(asking.program.ended, 'the end of the program', 20_000)
    expect(await traffic(others, 2000)).toEqual([])
  })

  it('free the lease when they are ended while they ask', async () => {
    await openIsales(60)
    const server = await startServer({ engine })
    sim.set({ latency: 4500 })
    const { program } = await startReplica(server.port)
    await until(() => leaseOf(server), 10_000)
    program.process.kill('SIGTERM')
    await until(async () => (await leaseOf(server)) === undefined, 2500)
    expect(await within(program.ended, 'the end of the program', 20_000)).toMatchObject({ code: 0 })
  })

  it('start without a store, and share when it comes', async () => {
    await openIsales(60)
    const port = await freePort()
    const replica = await startReplica(port)
    await authenticated([replica])
    expect((await call(`${replica.admin}/status.json`)).json['sharing']).toMatchObject({
      state: 'alone',
      reason: 'unreachable',
    })
    await startServer({ engine, port })
    await until(async () => {
      const { sharing } = (await call(`${replica.admin}/status.json`)).json
      return Object(sharing).state === 'shared'
    }, 15_000)
    const other = await startReplica(port)
    await authenticated([other, replica])
    expect(sim.state().logins).toBe(1)
  })

  it('spare a password that was refused, although all of them start again', async () => {
    await openIsales(60)
    const server = await startServer({ engine })
    for (let round = 0; round < 3; round += 1) {
      const wrong = { ISALES_PASSWORD: 'wrong', LOGIN_REJECTED_BACKOFF: '1s' }
      const replicas = await Promise.all(
        Array.from({ length: 4 }, () => startReplica(server.port, wrong)),
      )
      await delay(6000)
      for (const { program } of replicas) program.process.kill('SIGKILL')
      await Promise.all(replicas.map(({ program }) => program.ended))
    }
    expect(sim.state().loginsRejected).toBeLessThanOrEqual(3)
    expect(sim.state().loginsRejected).toBeGreaterThan(0)
  })

  it('take the token of `check --live`, which logs in under their lease', async () => {
    await openIsales(60)
    const server = await startServer({ engine })
    const env = {
      ISALES_URL: sim.origin,
      ISALES_USER: sim.switches.user,
      ISALES_PASSWORD: PASSWORD,
      SESSION_STORE_URL: `valkey://127.0.0.1:${server.port}`,
      SESSION_STORE_KEY_FILE: keyFile,
    }
    const alone = start(['check', '--live', '--quiet'], env)
    expect(await within(alone.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(alone.stdout()).toContain('No replica listens with this key')
    const replicas = await startReplicas(2, server.port)
    await authenticated(replicas)
    expect(sim.state().logins).toBe(1)
    const calls = traffic(replicas, 4000)
    const check = start(['check', '--live', '--quiet'], env)
    expect(await within(check.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(check.stdout()).toContain('The shared store works. 2 running with this key')
    expect(await calls).toEqual([])
    expect(sim.state().logins).toBe(2)
    server.signal('SIGSTOP')
    const cut = start(['check', '--live', '--quiet'], env)
    expect(await within(cut.ended, 'the end of check', 20_000)).toMatchObject({ code: 0 })
    expect(cut.stdout()).toContain('The shared store cannot be used (')
  })

  it('show no secret: not in the store, to MONITOR, nor on stderr under DEBUG', async () => {
    await openIsales(3)
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
      LOG_LEVEL: 'trace',
      SESSION_STORE_URL: `valkey://:${STORE_PASSWORD}@127.0.0.1:${server.port}`,
    }
    const replicas = await Promise.all([1, 2].map(() => startReplica(server.port, more)))
    await authenticated(replicas)
    await traffic(replicas, 6000)
    const wrong = await startReplica(server.port, {
      ...more,
      SESSION_STORE_URL: `valkey://:canary-wrong-store-password@127.0.0.1:${server.port}`,
    })
    await authenticated([wrong])
    const dump = await server.cli(
      'EVAL',
      "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do table.insert(all, key .. ' ' .. redis.call('GET', key)) end return all",
      '0',
    )
    expect(dump).toContain('grant')
    expect(seen).toContain('"evalsha"')
    const pages = await Promise.all(
      [...replicas, wrong].flatMap(({ admin }) =>
        ['', '/status.json', '/metrics'].map(async (path) => (await call(`${admin}${path}`)).text),
      ),
    )
    const printed = [...replicas, wrong].map(({ program }) => program.stderr() + program.stdout())
    // MONITOR itself shows what AUTH is given as redacted.
    const all = [dump, seen, ...pages, ...printed].join('\n')
    const secrets = [...sim.issued(), PASSWORD, STORE_PASSWORD, KEY, 'canary-wrong-store-password']
    expect(secrets.length).toBeGreaterThan(5)
    for (const secret of secrets) {
      expect(all.includes(secret)).toBe(false)
      expect(all.includes(Buffer.from(secret).toString('base64url'))).toBe(false)
    }
    expect([...replicas, wrong].map(({ program }) => program.stderr())).toEqual(['', '', ''])
  })
})

it('loads nothing of the store unless it is configured', () => {
  const chunks = new Set<string>()
  const visit = (file: string): void => {
    if (chunks.has(file)) return
    chunks.add(file)
    const text = readFileSync(join(start.directory(), file), 'utf8')
    for (const [, name] of text.matchAll(/^(?:import|export)[^'"(]*["']\.\/([\w.-]+\.js)["']/gm)) {
      if (name !== undefined) visit(name)
    }
  }
  visit('main.js')
  const holds = (file: string): boolean =>
    readFileSync(join(start.directory(), file), 'utf8').includes('node_modules/ioredis/')
  expect([...chunks].filter(holds)).toEqual([])
  expect(
    readdirSync(start.directory())
      .filter((file) => file.endsWith('.js'))
      .some(holds),
  ).toBe(true)
})

async function leaseOf(server: StoreServer): Promise<string | undefined> {
  const [key] = (await server.cli('KEYS', '*:lease')).split('\n')
  return key === undefined || key === '' ? undefined : (await server.cli('GET', key)) || undefined
}
