import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { idOf, type Cell } from '../../src/sharing/cell.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { BOOK, claimBy, connect, KEYS, MINE, PROCESS_A, PROCESS_B, tokenBy } from './connect.ts'
import { watchOutput } from './output.ts'
import { DOCUMENTED_ACL, ENGINES, startServer } from './servers.ts'

const failure = (reason: string) => ({ type: 'failure', reason })
const TOKEN = `${KEYS}token`
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

/** Until a reply has this type, or fails for this reason. */
const untilReads = (cell: Cell, expected: string) =>
  until(async () => {
    const reply = await cell.read()
    return expected === (reply.type === 'failure' ? reply.reason : reply.type)
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
    const { cell, calls, looks } = await connect(server.port, account('proxy')(server.port))
    const other = await connect(server.port, account('proxy')(server.port))
    const given = tokenBy(PROCESS_A)
    expect(await cell.claim(claimBy(PROCESS_A))).toEqual(MINE)
    expect(await other.cell.claim(claimBy(PROCESS_B))).toMatchObject({ type: 'busy' })
    const book = { ...given, key: BOOK, release: false }
    expect(await cell.put(book)).toMatchObject({ type: 'done' })
    const before = looks()
    expect(await cell.put(given)).toMatchObject({ type: 'done' })
    await other.cell.publish()
    await until(() => looks() > before)
    expect(await other.cell.read()).toMatchObject({ type: 'late', value: given.value })
    expect(await until(async () => (await cell.replicas()) === 2)).toBe(true)
    expect([...calls, ...other.calls].filter((call) => call.failure !== undefined)).toEqual([])
  })

  it.each<
    [string, string, (port: number) => Environment, { directives?: string[]; command?: string[] }]
  >([
    ['a wrong password', 'auth', account('proxy', 'canary-wrong'), { directives: ACCOUNTS }],
    ['no password', 'auth', nobody, { directives: ACCOUNTS }],
    ['a user that may nothing', 'permission', account('nobody'), { directives: ACCOUNTS }],
    ['a user of other keys', 'permission', account('other'), { directives: ACCOUNTS }],
    ['a memory that is full', 'memory', nobody, { command: ['CONFIG', 'SET', 'maxmemory', '1'] }],
    ['what something else wrote', 'wrong-type', nobody, { command: ['LPUSH', TOKEN, 'x'] }],
    ['too few replicas', 'replicas', nobody, { directives: ['min-replicas-to-write 1'] }],
    ['a cluster', 'cluster', nobody, { directives: ['cluster-enabled yes'] }],
  ])('says by name that it met %s', async (_, reason, settings, { directives = [], command }) => {
    const server = await startServer({ engine, directives })
    const { cell } = await connect(server.port, settings(server.port))
    if (command !== undefined) await server.cli(...command)
    expect(await cell.claim(claimBy(PROCESS_A))).toEqual(failure(reason))
  })

  it('reads its password at each connection: a corrected file cures', async () => {
    const server = await startServer({ engine, directives: ACCOUNTS })
    const { port } = server
    const env = { ...account('proxy')(port), SESSION_STORE_PASSWORD_FILE: file('pass', 'former') }
    const { cell } = await connect(port, env)
    expect(await cell.read()).toEqual(failure('auth'))
    file('pass', 'pw\n')
    await untilReads(cell, 'late')
    // What cannot be read stays as it was.
    file('pass', '')
    await server.cli('CLIENT', 'KILL', 'TYPE', 'normal').catch(String)
    await untilReads(cell, 'late')
  })

  it('says that the server is a replica, and connects again to find the primary', async () => {
    const server = await startServer({ engine })
    const { cell, looks } = await connect(server.port)
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    const before = looks()
    expect(await cell.claim(claimBy(PROCESS_A))).toEqual(failure('readonly'))
    await until(() => looks() > before)
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await until(async () => (await cell.claim(claimBy(PROCESS_A))).type === 'mine')
  })

  it('asks to look when a connection is lost: nothing else may ask for 10 s', async () => {
    const server = await startServer({ engine })
    const { cell, looks } = await connect(server.port)
    await untilReads(cell, 'late')
    const before = looks()
    server.signal('SIGKILL')
    await until(() => looks() > before)
    expect(await cell.read()).toEqual(failure('unreachable'))
  })

  it('says that a script blocks the server, and goes on when it has ended', async () => {
    const server = await startServer({ engine, directives: ['busy-reply-threshold 10'] })
    const { cell } = await connect(server.port)
    const blocked = server.cli('EVAL', 'while true do end', '0').catch(String)
    await untilReads(cell, 'loading')
    await server.cli('SCRIPT', 'KILL')
    await blocked
    expect(await untilReads(cell, 'late')).toBe(true)
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
    await untilReads(cell, 'loading')
    await loaded
    expect(await untilReads(cell, 'late')).toBe(true)
  })

  it('waits no longer for a server that stands still than it may, leaves it, and finds it when it goes on', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    server.signal('SIGSTOP')
    const readFor = async (): Promise<number> => {
      const startedAt = performance.now()
      // Between two connections, too, the reason is that the last one did not reply.
      expect(await cell.read()).toEqual(failure('timeout'))
      return performance.now() - startedAt
    }
    expect(await readFor()).toBeLessThan(900)
    await until(async () => (await readFor()) < 100, 10_000)
    expect(await readFor()).toBeLessThan(900)
    server.signal('SIGCONT')
    expect(await untilReads(cell, 'late')).toBe(true)
  })

  it('reads and replaces what is no text', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    const bytes = "redis.call('SET', KEYS[1], string.rep(string.char(255, 0, 128), 20))"
    await server.cli('EVAL', bytes, '1', TOKEN)
    const found = await cell.claim(claimBy(PROCESS_A))
    const seen = idOf(String(Object(found).value))
    expect(await cell.claim(claimBy(PROCESS_A, seen))).toEqual(MINE)
  })
})
