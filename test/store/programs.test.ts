import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import { leaks, shown } from '../support/secrets.ts'
import { closing } from '../support/tcp-server.ts'
import { freePort } from '../support/free-port.ts'
import { until, within } from '../support/until.ts'
import { clientOf } from '../support/world.ts'
import { accountIn, authenticated, inState, KEY, keyOf } from './replicas.ts'
import { PASSWORD, sharingPrograms, startTraffic } from './replicas.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'

const STORE_PASSWORD = 'canary-store-password'
const WRONG_PASSWORD = 'canary-wrong-store-password'

const { start, environment, openIsales, startReplica, startReplicas, file } = sharingPrograms()

it('programs release their lease when they end during a login', async () => {
  const sim = await openIsales(60)
  const server = await startServer()
  sim.set({ latency: 4500 })
  const { program } = await startReplica(server.port)
  await until(async () => (await accountIn(server, sim))?.lease, 10_000)
  program.process.kill('SIGTERM')
  await until(async () => (await accountIn(server, sim))?.lease === undefined, 2500)
  expect(await within(program.ended, 'the end of the program', 20_000)).toMatchObject({ code: 0 })
})

it('programs adopt the token of `check --live`, which logs in through their store', async () => {
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
  for (const replica of replicas) {
    const { metric } = clientOf(replica)
    const name = 'isales_proxy_session_store_operations_total{operation="read",outcome="success"}'
    expect(await metric(name)).toBeGreaterThan(0)
    expect(await metric('isales_proxy_tokens_adopted_total')).toBe(1)
  }
  const calls = startTraffic(replicas)
  expect(await check()).toEqual(works)
  await delay(2000)
  expect([await calls.stop(), sim.state().logins]).toEqual([[], 2])
  server.signal('SIGSTOP')
  const cut = expect.stringContaining('The login works, but the shared store does not')
  expect(await check()).toEqual([4, cut])
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
    const startWith = (password: string) => {
      const SESSION_STORE_PASSWORD_FILE = file(password, password)
      return startReplica(server.port, { DEBUG: '*', SESSION_STORE_PASSWORD_FILE })
    }
    const replicas = await Promise.all([STORE_PASSWORD, STORE_PASSWORD].map(startWith))
    await authenticated(replicas)
    const calls = startTraffic(replicas)
    await delay(4000)
    await calls.stop()
    replicas.push(await startWith(WRONG_PASSWORD))
    await authenticated(replicas)
    const key = await keyOf(server)
    const dump = await server.cli('GET', key)
    // The search covers the store's contents and commands, and everything printed.
    expect(dump.length).toBeGreaterThan(100)
    expect(await server.cli('DBSIZE')).toMatch(/^1$/)
    expect(seen).toMatch(/"auth".*\n[^]*"eval".*\n/i)
    expect(seen).toContain(key)
    const printed = replicas.map(({ program }) => program.stdout())
    expect(printed.join('\n')).toContain('token-adopted')
    const pages = await Promise.all(replicas.map((replica) => shown({ ...replica, lines: [] })))
    const secrets = [...sim.issued(), PASSWORD, STORE_PASSWORD, WRONG_PASSWORD, KEY]
    expect(secrets.length).toBeGreaterThan(5)
    // MONITOR redacts the arguments of AUTH by itself.
    expect(leaks([dump, seen, ...pages, ...printed].join('\n'), secrets)).toEqual([])
    expect(replicas.map(({ program }) => program.stderr())).toEqual(['', '', ''])
  },
)

it.each(ENGINES)(
  'programs lose no call whatever is written into %s, or when it is stopped and killed, and restore their token',
  async (engine) => {
    const sim = await openIsales(60)
    const server = await startServer({ engine })
    const replicas = await startReplicas(2, server.port)
    await inState(replicas, 'shared')
    await authenticated(replicas)
    const calls = startTraffic(replicas)
    const key = await keyOf(server)
    const unreadable = (): number =>
      replicas
        .flatMap(({ program }) => program.lines())
        .filter(({ event }) => event === 'shared-token-unreadable').length
    const isRestored = async () => (await accountIn(server, sim))?.token !== undefined
    const long = "redis.call('SET', KEYS[1], string.rep('x', 1024 * 1024))"
    const commands = [`APPEND ${key} more`, `SET ${key} hello`].map((line) => line.split(' '))
    for (const [index, command] of [...commands, ['EVAL', long, '1', key]].entries()) {
      await server.cli(...command)
      await until(() => unreadable() > index)
      await until(isRestored)
    }
    const list = "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'x')"
    await server.cli('EVAL', list, '1', key)
    await inState(replicas, 'local', 'store-rejected', 'WRONGTYPE')
    await server.cli('DEL', key)
    await inState(replicas, 'shared')
    await until(isRestored)
    server.signal('SIGSTOP')
    await inState(replicas, 'local', 'store-timeout')
    server.signal('SIGKILL')
    await server.ended()
    await inState(replicas, 'local', 'store-unreachable')
    await server.restart()
    await inState(replicas, 'shared')
    await until(isRestored)
    expect(await calls.stop()).toEqual([])
    expect(sim.state()).toMatchObject({ logins: 1, refreshes: 0 })
  },
)

async function rejectionsOf(server: StoreServer, sim: Simulator): Promise<number> {
  const [record] = (await accountIn(server, sim))?.records.values() ?? []
  return record?.rejections ?? 0
}

it('programs make 3 logins with a wrong password, although all restart and the stored account is deleted', async () => {
  const sim = await openIsales(60)
  const server = await startServer()
  const wrong = { ISALES_PASSWORD: 'wrong' }
  const first = await startReplicas(5, server.port, wrong)
  // Counted in the store: a killed replica's last refusal is lost.
  await until(async () => (await rejectionsOf(server, sim)) === 2, 15_000)
  for (const { program } of first) program.process.kill('SIGKILL')
  const replicas = await startReplicas(5, server.port, wrong)
  // After the third refusal, the next login is minutes away.
  for (const replica of replicas)
    await until(async () => {
      const { groups } = await clientOf(replica).status()
      return groups.renewal.backoff === 'login-pause'
    }, 40_000)
  // A deleted account permits no further login.
  for (let second = 0; second < 3; second += 1) {
    await server.cli('DEL', await keyOf(server))
    await delay(1000)
  }
  expect(sim.state()).toMatchObject({ loginAttempts: 3, loginsRejected: 3 })
})

it.each(ENGINES)(
  'a writer of %s who fills and deletes the value gains no memory and no login',
  async (engine) => {
    const sim = await openIsales(60)
    const server = await startServer({ engine })
    const { program } = await startReplica(server.port, { ISALES_PASSWORD: 'wrong' })
    const key = await until(async () => (await keyOf(server)) || undefined, 10_000)
    expect(await server.cli('SETRANGE', key, '120000000', 'x')).toBe('120000001')
    await program.line('shared-token-unreadable')
    for (let n = 0; n < 20; n += 1) {
      await server.cli('SETRANGE', key, '120000000', 'x')
      await delay(300)
      await server.cli('DEL', key)
      await delay(100)
    }
    const status = await readFile(`/proc/${program.process.pid}/status`, 'utf8')
    expect(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024).toBeLessThan(192)
    expect(sim.state().loginsRejected).toBeLessThanOrEqual(3)
  },
)

it('programs make one refused login each without a store, and record it in the store later', async () => {
  const sim = await openIsales(60)
  const port = await freePort()
  const wrong = { ISALES_PASSWORD: 'wrong' }
  await startReplicas(3, port, wrong)
  await until(() => sim.state().loginsRejected === 3, 10_000)
  await delay(6000)
  expect(sim.state().loginsRejected).toBe(3)

  const server = await startServer({ port })
  await until(async () => (await rejectionsOf(server, sim)) === 3, 10_000)
  const check = start(['check', '--live', '--quiet'], { ...environment(port), ...wrong })
  await within(check.ended, 'the end of check', 20_000)
  await startReplica(port, wrong)
  await delay(2000)
  expect(sim.state().loginsRejected).toBe(3)
})

it('an operator gets one more login while the store is frozen, and the pause is that of the store once it is back', async () => {
  const sim = await openIsales(60)
  const server = await startServer()
  server.signal('SIGSTOP')
  const replica = await startReplica(server.port, { ISALES_PASSWORD: 'wrong' })
  const refused = () => sim.state().loginsRejected
  await until(() => refused() === 1, 10_000)
  await delay(6000)
  expect(refused()).toBe(1)
  replica.program.process.kill('SIGHUP')
  await until(() => refused() === 2, 5000)
  await delay(4000)
  expect(refused()).toBe(2)
  server.signal('SIGCONT')
  await until(async () => (await rejectionsOf(server, sim)) === 2, 10_000)
  sim.set({ password: 'wrong' })
  await until(async () => (await clientOf(replica).tasks()).status === 200, 15_000)
})
