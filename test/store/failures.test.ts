import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { startProxy } from './tcp-proxy.ts'
import { watchOutput } from './output.ts'
import { until } from '../support/until.ts'
import { claimBy, connect, FINGERPRINT, PROCESS_A, PROCESS_B, record } from './connect.ts'
import { freePort } from '../support/free-port.ts'
import { DOCUMENTED_ACL, ENGINES, startServer } from './servers.ts'

const failure = (reason: string) => ({ type: 'failure', reason })
const GRANT = 'isales-auth-proxy:{test}:grant'
let printed: () => string
beforeEach(() => {
  printed = watchOutput()
})
afterEach(() => {
  // oxlint-disable-next-line vitest/no-standalone-expect -- whatever the test did, the library printed nothing
  expect(printed()).toBe('')
})

describe.each(ENGINES)('%s', (engine) => {
  it('takes a claim, keeps it for its process, and takes a token from it', async () => {
    const server = await startServer({ engine })
    const { store, looks } = await connect(server.port)
    const other = await connect(server.port)
    const { id, record: sealed } = record()
    expect(await store.claim(claimBy(PROCESS_A))).toEqual({ type: 'mine', hold: '', refusals: 0 })
    expect(await other.store.claim(claimBy(PROCESS_B))).toMatchObject({ type: 'busy' })
    expect(await store.extend({ lease: `${PROCESS_A}-1`, leaseMs: 3000 })).toBe(true)
    const before = looks()
    const grant = { seen: '', lease: `${PROCESS_A}-1`, record: sealed, ms: 60_000 }
    expect(await store.granted({ ...grant, fingerprint: FINGERPRINT })).toEqual({ type: 'kept' })
    await other.store.publish()
    await until(() => looks() > before)
    expect(await other.store.claim(claimBy(PROCESS_B))).toMatchObject({
      type: 'grant',
      record: sealed,
    })
    expect(await store.claim(claimBy(PROCESS_A, { seen: id }))).toMatchObject({ type: 'mine' })
    expect(await store.replicas()).toBe(2)
  })

  it('works with the documented permissions, and with no more than them', async () => {
    const server = await startServer({
      engine,
      directives: [`user proxy on >pw ${DOCUMENTED_ACL}`, 'user default off'],
    })
    const { store, calls } = await connect(server.port, {
      user: 'proxy',
      password: new Secret('pw'),
    })
    const lease = `${PROCESS_A}-1`
    expect(await store.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
    expect(await store.extend({ lease, leaseMs: 3000 })).toBe(true)
    const hold = { kind: 'hold', text: 'timeout 1', ms: 10, grace: 10 } as const
    expect(await store.failed({ lease, fingerprint: FINGERPRINT, failure: hold })).toMatchObject({
      mine: true,
    })
    await store.holdOff({ text: 'conflict 0', ms: 100, grace: 10 })
    await store.granted({
      seen: '',
      lease,
      record: record().record,
      ms: 1000,
      fingerprint: FINGERPRINT,
    })
    await store.read()
    await store.publish()
    expect(await until(async () => (await store.replicas()) === 1)).toBe(true)
    expect(calls.filter((call) => call.failure !== undefined)).toEqual([])
  })

  it.each([
    ['a wrong password', 'auth', { user: 'proxy', password: new Secret('canary-wrong') }],
    ['no password', 'auth', {}],
    ['a user that may nothing', 'permission', { user: 'nobody', password: new Secret('pw') }],
    ['a user of other keys', 'permission', { user: 'other', password: new Secret('pw') }],
  ])('says by name what it met: %s', async (_, reason, credentials) => {
    const server = await startServer({
      engine,
      directives: [
        `user proxy on >pw ${DOCUMENTED_ACL}`,
        'user nobody on >pw -@all +ping +info',
        'user other on >pw ~other:* +@all',
        'user default off',
      ],
    })
    const { store } = await connect(server.port, credentials)
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure(reason))
    expect(await store.read()).toEqual(failure(reason))
  })

  it('says that the memory is full', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('memory'))
    expect(await store.read()).toEqual({ record: '', pttl: -2 })
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    expect(await store.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
  })

  it('says that something else wrote the key', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    await server.cli('LPUSH', GRANT, 'x')
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('wrong-type'))
    expect(await store.read()).toEqual(failure('wrong-type'))
  })

  it('says that the server is a replica, and connects again to find the primary', async () => {
    const server = await startServer({ engine })
    const { store, looks } = await connect(server.port)
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    const before = looks()
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('readonly'))
    await until(() => looks() > before)
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await until(async () => (await store.claim(claimBy(PROCESS_A))).type === 'mine')
  })

  it('says that a script blocks the server, and goes on when it has ended', async () => {
    const server = await startServer({ engine, directives: ['busy-reply-threshold 10'] })
    const { store } = await connect(server.port)
    const blocked = server.cli('EVAL', 'while true do end', '0').catch(String)
    await until(async () => {
      const reply = await store.read()
      return 'type' in reply && reply.type === 'failure' && reply.reason === 'loading'
    })
    await server.cli('SCRIPT', 'KILL')
    await blocked
    expect(await until(async () => !('type' in Object(await store.read())))).toBe(true)
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
    await until(async () => Object(await store.read()).reason === 'loading')
    await loaded
    expect(await until(async () => !('type' in Object(await store.read())))).toBe(true)
  })

  it('says that fewer replicas than required took the write', async () => {
    const server = await startServer({ engine, directives: ['min-replicas-to-write 1'] })
    const { store } = await connect(server.port)
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('replicas'))
  })

  it('says that the server is part of a cluster', async () => {
    const server = await startServer({ engine, directives: ['cluster-enabled yes'] })
    const { store } = await connect(server.port)
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('cluster'))
    const half = Array.from({ length: 8192 }, (_, slot) => String(slot))
    await server.cli('CLUSTER', 'ADDSLOTS', ...half)
    expect(await store.read()).toEqual(failure('cluster'))
  })

  it('says that nobody is there, and connects when somebody is', async () => {
    const port = await freePort()
    const { store, looks } = await connect(port)
    expect(await store.claim(claimBy(PROCESS_A))).toEqual(failure('unreachable'))
    expect(looks()).toBe(0)
    await startServer({ engine, port })
    await until(() => looks() > 0, 10_000)
    expect(await store.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
  })

  it('finds a server that was killed and came back', async () => {
    const server = await startServer({ engine })
    const { store, looks } = await connect(server.port)
    server.signal('SIGKILL')
    await server.ended()
    await until(async () => (await store.read()) && (await store.replicas()) !== 1)
    expect(await store.read()).toEqual(failure('unreachable'))
    const before = looks()
    await server.restart()
    await until(() => looks() > before, 10_000)
    expect(await store.read()).toEqual({ record: '', pttl: -2 })
    await until(async () => (await store.replicas()) === 1)
  })

  it('waits no longer for a server that is stopped than it may, and finds it when it goes on', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port, { timeout: 200 })
    server.signal('SIGSTOP')
    const startedAt = performance.now()
    expect(await store.read()).toEqual(failure('timeout'))
    expect(performance.now() - startedAt).toBeLessThan(400)
    server.signal('SIGCONT')
    await until(async () => !('reason' in Object(await store.read())), 10_000)
  })

  it('takes a slow store for one that is away, and a cut and a silent connection too', async () => {
    const server = await startServer({ engine })
    const proxy = await startProxy(server.port)
    const { store, looks } = await connect(proxy.port, { timeout: 200 })
    expect(await store.read()).toEqual({ record: '', pttl: -2 })
    proxy.delay(150)
    expect(await store.read()).toEqual(failure('timeout'))
    proxy.delay(20)
    await until(async () => !('reason' in Object(await store.read())), 10_000)
    proxy.stall(true)
    expect(await store.read()).toEqual(failure('timeout'))
    // The silent connection is given up, although nothing says that it is broken.
    const before = looks()
    await until(async () => (await store.read()) && looks() === before)
    proxy.stall(false)
    await until(() => looks() > before, 10_000)
    proxy.cut()
    expect(await until(async () => 'reason' in Object(await store.read()))).toBe(true)
    expect(await store.read()).toEqual(failure('unreachable'))
    proxy.restore()
    await until(async () => !('reason' in Object(await store.read())), 10_000)
  })

  it('reads and replaces what is no text', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    const bytes = "redis.call('SET', KEYS[1], string.rep(string.char(255, 0, 128), 20))"
    await server.cli('EVAL', bytes, '1', GRANT)
    const found = await store.claim(claimBy(PROCESS_A))
    const seen = String(Object(found).record).slice(0, 22)
    expect(await store.claim(claimBy(PROCESS_A, { seen }))).toMatchObject({ type: 'mine' })
  })

  it.each([
    ['a megabyte', 'x'.repeat(1024 * 1024)],
    ['bytes of somebody else', 'hello'],
  ])('gives what is in the key, be it %s', async (_, value) => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    await server.cli(
      'EVAL',
      "redis.call('SET', KEYS[1], string.rep('x', ARGV[1]))",
      '1',
      GRANT,
      String(value.length),
    )
    const reply = await store.read()
    expect(Object(reply).record).toHaveLength(value.length)
  })
})
