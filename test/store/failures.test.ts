import { randomUUID } from 'node:crypto'
import { connect as tcp, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Store } from '../../src/sharing/valkey.ts'
import { makeCertificates } from '../support/certificates.ts'
import { serveHttp } from '../support/http-server.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { account, ACCOUNTS, connect, KEY } from './connect.ts'
import { ENGINES, startServer } from './servers.ts'

const file = temporaryFiles()
/** By default, its bus listens on the port + 10,000, which may be another program's. */
const CLUSTER = ['cluster-enabled yes', `cluster-port ${await freePort()}`]

/** Polls until a value can be read, or reading fails with this code or reason. */
const untilReads = (store: Store, expected: string | undefined) =>
  until(async () => {
    const reply = await store.compareAndSwap('', '')
    return expected === ('reason' in reply ? (reply.code ?? reply.reason) : undefined)
  }, 10_000)

/** Printed texts, and errors that no code caught. */
const noise: unknown[] = []
const note = (...parts: readonly unknown[]): void => void noise.push(...parts)
beforeEach(() => {
  for (const method of ['error', 'warn', 'log', 'info'] as const)
    vi.spyOn(console, method).mockImplementation(note)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => noise.push(text) > 0)
  process.on('uncaughtException', note)
})
afterEach(() => {
  process.off('uncaughtException', note)
  // oxlint-disable-next-line vitest/no-standalone-expect -- holds for every test
  expect(noise.splice(0).map(String)).toEqual([])
})

describe.each(ENGINES)('%s', (engine) => {
  it('takes a password that it does not need', async () => {
    const server = await startServer({ engine })
    const password = { SESSION_STORE_PASSWORD_FILE: file('random', randomUUID()) }
    const { store } = await connect(server.port, password)
    expect(await store.compareAndSwap('', 'value')).toMatchObject({ value: 'value' })
  })

  it.each([
    ['a wrong password', 'WRONGPASS', ACCOUNTS, 'PING', account('proxy', 'canary-wrong')],
    ['no password', 'NOAUTH', ACCOUNTS, 'PING', undefined],
    ['a user without permissions', 'NOPERM', ACCOUNTS, 'PING', account('nobody')],
    ['a user of other keys', 'NOPERM', ACCOUNTS, 'PING', account('other')],
    ['a full memory', 'OOM', [], 'CONFIG SET maxmemory 1', undefined],
    ["another program's value", 'WRONGTYPE', [], `LPUSH ${KEY} x`, undefined],
    ['too few replicas', 'NOREPLICAS', ['min-replicas-to-write 1'], 'PING', undefined],
    ['a cluster', 'CLUSTERDOWN', CLUSTER, 'PING', undefined],
  ] as const)('refuses %s with the code %s', async (...[, code, directives, command, settings]) => {
    const server = await startServer({ engine, directives })
    const { store } = await connect(server.port, settings?.(server.port))
    await server.cli(...command.split(' '))
    expect(await store.compareAndSwap('', 'value')).toEqual({ reason: 'rejected', code })
  })

  it('gets a corrected password at the next connection', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    const password = { SESSION_STORE_PASSWORD_FILE: file('pass', 'wrong') }
    const { store } = await connect(server.port, { ...account('proxy')(server.port), ...password })
    expect(await store.compareAndSwap('', '')).toEqual({ reason: 'rejected', code: 'WRONGPASS' })
    // As a Windows editor saves it.
    file('pass', '\uFEFFpw\r\n')
    await untilReads(store, undefined)
    // An empty file keeps the previous password.
    file('pass', '')
    await server.cli('CLIENT', 'KILL', 'TYPE', 'normal').catch(String)
    await untilReads(store, undefined)
  })

  it('that becomes a replica is left, to find the primary', async () => {
    const server = await startServer({ engine })
    const { store, looks } = await connect(server.port)
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    const before = looks()
    const refused = { reason: 'rejected', code: 'READONLY' }
    expect(await store.compareAndSwap('', 'value')).toEqual(refused)
    await until(() => looks() > before)
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await until(async () => 'value' in (await store.compareAndSwap('', 'value')))
  })

  it('that stands still is waited for 0.5 s, left, and found when it continues', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    server.signal('SIGSTOP')
    const readFor = async (): Promise<number> => {
      const startedAt = performance.now()
      // Also between two connections.
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'timeout' })
      return performance.now() - startedAt
    }
    expect(await readFor()).toBeLessThan(900)
    await until(async () => (await readFor()) < 100, 10_000)
    server.signal('SIGCONT')
    expect(await untilReads(store, undefined)).toBe(true)
  })

  it('in a database whose selection is not permitted is refused, and nothing is written', async () => {
    const cli = ['--user', 'admin', '--pass', 'pw', '--no-auth-warning']
    const directives = ['user admin on >pw ~* +@all', ...ACCOUNTS]
    const server = await startServer({ engine, directives, cli })
    const settings = account('proxy')(server.port)
    const SESSION_STORE_URL = `${settings['SESSION_STORE_URL']}/3`
    const { store } = await connect(server.port, { ...settings, SESSION_STORE_URL })
    const refused = { reason: 'rejected', code: 'NOPERM' }
    expect(await store.compareAndSwap('', 'value')).toEqual(refused)
    expect(await server.cli('INFO', 'keyspace')).not.toContain('keys=')
    await server.cli('ACL', 'SETUSER', 'proxy', '+select')
    expect(await store.compareAndSwap('', 'value')).toMatchObject({ value: 'value' })
    expect(await server.cli('INFO', 'keyspace')).toContain('db3:keys=1')
  })

  it('that takes 600 ms for each answer keeps its connection', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    let connections = 0
    const slow = await listen((socket) => {
      connections += 1
      const answers = tcp(server.port, '127.0.0.1').on('data', (answer) => {
        setTimeout(() => socket.write(answer), 600)
      })
      socket.pipe(answers)
      socket.on('error', () => undefined).on('close', () => answers.destroy())
    })
    const { port } = slow.address() as AddressInfo
    const { store } = await connect(port, account('proxy')(port))
    const endsAt = performance.now() + 10_000
    while (performance.now() < endsAt) {
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'timeout' })
      await delay(200)
    }
    expect(connections).toBeLessThanOrEqual(2)
  })

  it('with an unknown certificate is refused, until its CA file is corrected', async () => {
    const { ca, server, strangerCa } = makeCertificates()
    const right = file('right-ca.pem', ca.cert)
    const { port } = await startServer({
      engine,
      directives: [
        `tls-cert-file ${file('server.pem', server.cert)}`,
        `tls-key-file ${file('server-key.pem', server.key)}`,
        `tls-ca-cert-file ${right}`,
        'tls-auth-clients no',
      ],
      cli: ['--tls', '--cacert', right],
    })
    const SESSION_STORE_URL = `valkeys://127.0.0.1:${port}`
    const SESSION_STORE_CA_FILE = file('ca.pem', strangerCa.cert)
    const { store } = await connect(port, { SESSION_STORE_URL, SESSION_STORE_CA_FILE })
    expect(await store.compareAndSwap('', '')).toEqual({ reason: 'tls' })
    file('ca.pem', ca.cert)
    await untilReads(store, undefined)
  })
})

/** A server that accepts connections, and sends any reply at any time. */
async function startRude(hello = '') {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = await listen((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // The reset loses the reply.
    if (hello !== '' && connections % 2 === 0) return void socket.resetAndDestroy()
    if (hello !== '') return void socket.end(hello)
    socket.resume()
  })
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    say: (reply: string) => sockets.forEach((socket) => socket.write(reply)),
  }
}

it.each(['$-5\r\n', '*-5\r\n', '$-1\r\n', '*0\r\n', '*1\r\n$-1\r\n', '+OK\r\n', ':1\r\n'])(
  'the unrequested reply %j ends the connection, not the process, and prints nothing',
  async (reply) => {
    const rude = await startRude()
    const { store } = await connect(rude.port)
    const before = rude.connections()
    rude.say(reply)
    expect(await until(() => rude.connections() > before)).toBe(true)
    // An error that an event handler throws surfaces later.
    await delay(50)
    store.stop()
  },
)

it("an unrequested reply is not taken for the current command's", async () => {
  const rude = await startRude()
  const { store } = await connect(rude.port)
  const before = rude.connections()
  const reply = store.compareAndSwap('', '')
  rude.say('*3\r\n$4\r\nlate\r\n$1\r\n1\r\n+x\r\n')
  expect(await reply).toEqual({ reason: 'malformed' })
  await until(() => rude.connections() > before)
})

it('an HTTP server is not a store, and is reported as none in every call', async () => {
  const { port, close } = await serveHttp((_, response) => response.end())
  onTestFinished(close)
  const { store } = await connect(port)
  await until(async () => 'reason' in (await store.compareAndSwap('', '')))
  for (let n = 0; n < 10; n += 1)
    expect(await store.compareAndSwap('', '')).toEqual({ reason: 'malformed' })
})

it('protected mode is reported by its code in every call, also if connections are reset', async () => {
  const text = 'Redis is running in protected mode and no password is set for the default user.'
  const rude = await startRude(`-DENIED ${text}\r\n`)
  const { store } = await connect(rude.port, { SESSION_STORE_PASSWORD_FILE: file('pw', 'pw') })
  for (let connection = 2; connection < 5; connection += 1) {
    await until(() => rude.connections() >= connection)
    for (let n = 0; n < 10; n += 1)
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'rejected', code: 'DENIED' })
  }
})
