import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import type { Cell } from '../../src/sharing/cell.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { connect, KEY, watchOutput } from './connect.ts'
import { certificates, DOCUMENTED_ACL, ENGINES, startServer, startTlsServer } from './servers.ts'

const file = temporaryFiles()
const ACCOUNTS = [
  `user proxy on >pw ${DOCUMENTED_ACL}`,
  'user nobody on >pw -@all +ping +info',
  'user other on >pw ~other:* +@all',
  'user default off',
]
const account =
  (user: string, password = 'pw') =>
  (port: number): Environment => ({
    SESSION_STORE_URL: `valkey://${user}@127.0.0.1:${port}`,
    SESSION_STORE_PASSWORD_FILE: file(password, password),
  })
const nobody = (): Environment => ({})

/** Until there is a value, or it fails for this reason, with this code. */
const untilReads = (cell: Cell, expected: string | undefined) =>
  until(async () => {
    const reply = await cell.swap('', '')
    const found = 'reason' in reply ? (reply.code ?? reply.reason) : undefined
    return expected === found
  }, 10_000)

let printed: () => string
beforeEach(() => {
  printed = watchOutput()
})
afterEach(() => {
  // oxlint-disable-next-line vitest/no-standalone-expect -- whatever the test did, the library printed nothing
  expect(printed()).toBe('')
})

describe.each(ENGINES)('%s', (engine) => {
  it('does all that is asked with the documented permissions', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    const { cell, calls } = await connect(server.port, account('proxy')(server.port))
    const other = await connect(server.port, account('proxy')(server.port))
    expect(await cell.swap('', '')).toMatchObject({ value: '' })
    expect(await cell.swap('', 'one')).toMatchObject({ value: 'one' })
    expect(await other.cell.swap('', 'two')).toMatchObject({ value: 'one' })
    expect(await other.cell.swap('one', 'two')).toMatchObject({ value: 'two' })
    const { at } = (await cell.swap('one', '')) as { at: number }
    expect(Math.abs(at - Date.now())).toBeLessThan(1000)
    const operations = [...calls, ...other.calls].map(({ operation, failure }) => [
      operation,
      failure,
    ])
    expect(operations).toEqual(
      ['read', 'swap', 'read', 'swap', 'swap'].map((name) => [name, undefined]),
    )
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
    const { cell } = await connect(server.port, settings(server.port))
    if (command !== undefined) await server.cli(...command)
    expect(await cell.swap('', 'value')).toEqual({ reason: 'refused', code })
  })

  it('reads its password at each connection: a corrected file cures', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    const { port } = server
    const env = { ...account('proxy')(port), SESSION_STORE_PASSWORD_FILE: file('pass', 'former') }
    const { cell } = await connect(port, env)
    expect(await cell.swap('', '')).toEqual({ reason: 'refused', code: 'WRONGPASS' })
    file('pass', 'pw\n')
    await untilReads(cell, undefined)
    // What cannot be read stays as it was.
    file('pass', '')
    await server.cli('CLIENT', 'KILL', 'TYPE', 'normal').catch(String)
    await untilReads(cell, undefined)
  })

  it('says that the server is a replica, and connects again to find the primary', async () => {
    const server = await startServer({ engine })
    const { cell, looks } = await connect(server.port)
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    const before = looks()
    expect(await cell.swap('', 'value')).toEqual({ reason: 'refused', code: 'READONLY' })
    await until(() => looks() > before)
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await until(async () => 'value' in (await cell.swap('', 'value')))
  })

  it('says that the server loads its data, and goes on when it has them', async () => {
    const slow = ['key-load-delay 1000', 'loading-process-events-interval-bytes 1024']
    const server = await startServer({ engine, directives: ['enable-debug-command yes', ...slow] })
    await server.cli('DEBUG', 'POPULATE', '2000')
    await server.cli('SAVE')
    server.signal('SIGKILL')
    await server.ended()
    const loaded = server.restart()
    const { cell } = await connect(server.port)
    await untilReads(cell, 'LOADING')
    await loaded
    expect(await untilReads(cell, undefined)).toBe(true)
  })

  it('waits no longer for a server that stands still than it may, leaves it, and finds it when it goes on', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    server.signal('SIGSTOP')
    const readFor = async (): Promise<number> => {
      const startedAt = performance.now()
      // Between two connections, too, the reason is that the last one did not reply.
      expect(await cell.swap('', '')).toEqual({ reason: 'timeout' })
      return performance.now() - startedAt
    }
    expect(await readFor()).toBeLessThan(900)
    await until(async () => (await readFor()) < 100, 10_000)
    expect(await readFor()).toBeLessThan(900)
    server.signal('SIGCONT')
    expect(await untilReads(cell, undefined)).toBe(true)
  })
})

/** Settings that trust this authority. */
const trusting = (port: number, ca: string | undefined) => ({
  SESSION_STORE_URL: `valkeys://127.0.0.1:${port}`,
  SESSION_STORE_CA_FILE: ca === undefined ? undefined : file('ca.pem', ca),
})

describe.each(ENGINES)('%s over TLS', (engine) => {
  it('reads the authorities at each connection', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, certificates.strangerCa.cert))
    expect(await cell.swap('', '')).toEqual({ reason: 'tls' })
    trusting(server.port, certificates.ca.cert)
    await until(async () => 'value' in (await cell.swap('', '')), 10_000)
  })

  it('says by name that it met no authority that is known', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, undefined))
    expect(await cell.swap('', '')).toEqual({ reason: 'tls' })
  })

  it('says by name that the server speaks no TLS', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port, trusting(server.port, undefined))
    expect(['tls', 'unreachable']).toContain(Object(await cell.swap('', '')).reason)
  })
})
