import { randomUUID } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import type { Store } from '../../src/sharing/store.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { account, ACCOUNTS, connect, KEY, watchOutput } from './connect.ts'
import { certificates, ENGINES, startServer, startTlsServer } from './servers.ts'

const file = temporaryFiles()
const nobody = (): Environment => ({})

/** Until there is a value, or it fails for this reason, with this code. */
const untilReads = (store: Store, expected: string | undefined) =>
  until(async () => {
    const reply = await store.compareAndSwap('', '')
    const found = 'reason' in reply ? (reply.code ?? reply.reason) : undefined
    return expected === found
  }, 10_000)

let printed: () => string
const uncaught: unknown[] = []
const note = (error: unknown): void => void uncaught.push(error)
beforeEach(() => {
  printed = watchOutput()
  process.on('uncaughtException', note)
})
afterEach(() => {
  process.off('uncaughtException', note)
  // oxlint-disable-next-line vitest/no-standalone-expect -- whatever the test did
  expect([printed(), uncaught.splice(0)]).toEqual(['', []])
})

describe.each(ENGINES)('%s', (engine) => {
  it('that wants no password takes one', async () => {
    const server = await startServer({ engine })
    const password = { SESSION_STORE_PASSWORD_FILE: file('random', randomUUID()) }
    const { store } = await connect(server.port, password)
    expect(await store.compareAndSwap('', 'value')).toMatchObject({ value: 'value' })
  })

  it.each<
    [string, string, (port: number) => Environment, { directives?: string[]; command?: string[] }]
  >([
    ['a wrong password', 'WRONGPASS', account('proxy', 'canary-wrong'), { directives: ACCOUNTS }],
    ['no password', 'NOAUTH', nobody, { directives: ACCOUNTS }],
    ['a user that may nothing', 'NOPERM', account('nobody'), { directives: ACCOUNTS }],
    ['a user of other keys', 'NOPERM', account('other'), { directives: ACCOUNTS }],
    ['a memory that is full', 'OOM', nobody, { command: ['CONFIG', 'SET', 'maxmemory', '1'] }],
    ['what something else wrote', 'WRONGTYPE', nobody, { command: ['LPUSH', KEY, 'x'] }],
    ['too few replicas', 'NOREPLICAS', nobody, { directives: ['min-replicas-to-write 1'] }],
    ['a cluster', 'CLUSTERDOWN', nobody, { directives: ['cluster-enabled yes'] }],
  ])('says that it is refused, with the code for %s', async (_, code, settings, given) => {
    const { directives = [], command } = given
    const server = await startServer({ engine, directives })
    const { store } = await connect(server.port, settings(server.port))
    if (command !== undefined) await server.cli(...command)
    expect(await store.compareAndSwap('', 'value')).toEqual({ reason: 'refused', code })
  })

  it('reads its password at each connection: a corrected file cures', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    const { port } = server
    const env = { ...account('proxy')(port), SESSION_STORE_PASSWORD_FILE: file('pass', 'former') }
    const { store } = await connect(port, env)
    expect(await store.compareAndSwap('', '')).toEqual({ reason: 'refused', code: 'WRONGPASS' })
    file('pass', 'pw\n')
    await untilReads(store, undefined)
    // What cannot be read stays as it was.
    file('pass', '')
    await server.cli('CLIENT', 'KILL', 'TYPE', 'normal').catch(String)
    await untilReads(store, undefined)
  })

  it('says that the server is a replica, and connects again to find the primary', async () => {
    const server = await startServer({ engine })
    const { store, looks } = await connect(server.port)
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    const before = looks()
    expect(await store.compareAndSwap('', 'value')).toEqual({ reason: 'refused', code: 'READONLY' })
    await until(() => looks() > before)
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await until(async () => 'value' in (await store.compareAndSwap('', 'value')))
  })

  it('says that the server loads its data, and goes on when it has them', async () => {
    const slow = ['key-load-delay 1000', 'loading-process-events-interval-bytes 1024']
    const server = await startServer({ engine, directives: ['enable-debug-command yes', ...slow] })
    await server.cli('DEBUG', 'POPULATE', '2000')
    await server.cli('SAVE')
    server.signal('SIGKILL')
    await server.ended()
    const loaded = server.restart()
    const { store } = await connect(server.port)
    await untilReads(store, 'LOADING')
    await loaded
    expect(await untilReads(store, undefined)).toBe(true)
  })

  it('waits no longer for a server that stands still than it may, leaves it, and finds it when it goes on', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    server.signal('SIGSTOP')
    const readFor = async (): Promise<number> => {
      const startedAt = performance.now()
      // Between two connections, too, the reason is that the last one did not reply.
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'timeout' })
      return performance.now() - startedAt
    }
    expect(await readFor()).toBeLessThan(900)
    await until(async () => (await readFor()) < 100, 10_000)
    expect(await readFor()).toBeLessThan(900)
    server.signal('SIGCONT')
    expect(await untilReads(store, undefined)).toBe(true)
  })
})

/** Settings that trust this authority. */
const trusting = (port: number, ca: string | undefined) => ({
  SESSION_STORE_URL: `valkeys://127.0.0.1:${port}`,
  SESSION_STORE_CA_FILE: ca === undefined ? undefined : file('ca.pem', ca),
})

describe.each(ENGINES)('%s over TLS', (engine) => {
  it.each([certificates.strangerCa.cert, undefined])(
    'reads the authorities at each connection, and says by name that it knows none (%#)',
    async (ca) => {
      const server = await startTlsServer(engine)
      const { store } = await connect(server.port, trusting(server.port, ca))
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'tls' })
      if (ca === undefined) return
      trusting(server.port, certificates.ca.cert)
      await untilReads(store, undefined)
    },
  )

  it('says by name that the server speaks no TLS', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port, trusting(server.port, undefined))
    expect(['tls', 'unreachable']).toContain(Object(await store.compareAndSwap('', '')).reason)
  })
})

/** A server that takes the handshake, and then sends what it likes. */
async function startRude(hello = '') {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = await listen((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    if (hello !== '') return void socket.end(hello)
    socket.resume()
  })
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    say: (reply: string) => sockets.forEach((socket) => socket.write(reply)),
  }
}

describe('a reply that nobody asked for', () => {
  it.each(['$-5\r\n', '*-5\r\n', '$-1\r\n', '*0\r\n', '*1\r\n$-1\r\n', '+OK\r\n', ':1\r\n'])(
    '%j ends the connection, not the process, and prints nothing',
    async (reply) => {
      const rude = await startRude()
      const { store, looks } = await connect(rude.port)
      await until(() => looks() >= 1)
      const before = rude.connections()
      rude.say(reply)
      expect(await until(() => rude.connections() > before)).toBe(true)
      // What is thrown out of an event handler comes a little later.
      await delay(50)
      store.stop()
    },
  )

  it('is not taken for that of the command in flight', async () => {
    const rude = await startRude()
    const { store } = await connect(rude.port)
    const before = rude.connections()
    const reply = store.compareAndSwap('', '')
    rude.say('*3\r\n$4\r\nlate\r\n$1\r\n1\r\n+x\r\n')
    expect(await reply).toEqual({ reason: 'malformed' })
    await until(() => rude.connections() > before)
  })
})

describe('protected mode', () => {
  it.each([{}, { SESSION_STORE_PASSWORD_FILE: file('pw', 'pw') }])(
    'is named, with nothing printed (%j)',
    async (settings) => {
      const text = 'Redis is running in protected mode and no password is set for the default user.'
      const rude = await startRude(`-DENIED ${text}\r\n`)
      const { store } = await connect(rude.port, settings)
      await until(() => rude.connections() > 4)
      expect(await store.compareAndSwap('', '')).toEqual({ reason: 'refused', code: 'DENIED' })
    },
  )
})
