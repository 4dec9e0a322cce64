import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import {
  authenticated,
  inState,
  keyOf,
  readsOf,
  sharingOf,
  sharingPrograms,
  type Replica,
} from './replicas.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { openIsales, serve, startReplica } = sharingPrograms()

/** Asks the replicas to look, as one that publishes does. */
const nudge = (server: StoreServer, token: string): Promise<string> =>
  server.cli('PUBLISH', token.replace(/token$/, 'changed:0'), '')

const unreadable = ({ program }: Replica): number =>
  program.lines().filter(({ event }) => event === 'shared-token-unreadable').length

// What a server replies is the same with each engine: rules.test.ts and failures.test.ts compare them.
describe('programs that share lose no call', () => {
  it('while a network slows, stalls and cuts every connection to the store', async () => {
    const { sim, server, network, replicas, calls } = await serve({ seconds: 120, isSlow: true })
    const key = (await keyOf(server, 'token')) ?? ''
    network.delay(400)
    await nudge(server, key)
    await inState(replicas, { state: 'alone', reason: 'timeout' })
    network.stall(true)
    await delay(2000)
    network.stall(false)
    network.delay(0)
    network.cut()
    // It looks each second now.
    await inState(replicas, { state: 'alone', reason: 'unreachable' })
    network.restore()
    await inState(replicas, { state: 'shared', replicas: 3 })
    sim.revoke()
    await delay(1000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins + sim.state().refreshes).toBe(2)
  })

  it('when somebody puts an older token back, again and again, with a long life', async () => {
    const { sim, server, calls } = await serve({ seconds: 300, count: 2 })
    const key = (await keyOf(server, 'token')) ?? ''
    const older = await server.cli('GET', key)
    sim.revoke()
    await until(async () => (await server.cli('GET', key)) !== older)
    const { logins, refreshes } = sim.state()
    for (let nth = 0; nth < 5; nth += 1) {
      await server.cli('SET', key, older, 'PX', '86400000')
      await nudge(server, key)
      await until(async () => (await server.cli('GET', key)) !== older)
    }
    await delay(1000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state()).toMatchObject({ logins, refreshes })
  })

  it('while messages flood the channel, with one look at a time', async () => {
    const { sim, server, network, replicas, calls } = await serve({ count: 1, isSlow: true })
    const reads = async () => (await Promise.all(replicas.map(readsOf)))[0] ?? Infinity
    network.delay(100)
    const before = await reads()
    const channel = ((await keyOf(server, 'token')) ?? '').replace(/token$/, 'changed:0')
    const flood = "for i = 1, 100000 do redis.call('PUBLISH', ARGV[1], '') end"
    await server.cli('EVAL', flood, '0', channel)
    await delay(3000)
    // Two ways of 100 ms each.
    expect((await reads()) - before).toBeLessThan(20)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins).toBe(1)
  })

  it('that starts without a store, and share when it comes', async () => {
    const sim = await openIsales(60)
    const port = await freePort()
    const replica = await startReplica(port)
    await authenticated([replica])
    expect(await sharingOf(replica)).toMatchObject({ state: 'alone', reason: 'unreachable' })
    await startServer({ port })
    await inState([replica], { state: 'shared' })
    const other = await startReplica(port)
    await authenticated([other, replica])
    expect(sim.state().logins).toBe(1)
  })
})

it.each(ENGINES)(
  'whatever is written into %s, programs lose no call, and put their token back',
  async (engine) => {
    const { sim, server, replicas, calls } = await serve({ engine, count: 2 })
    const key = (await keyOf(server, 'token')) ?? ''
    const sealed = await server.cli('GET', key)
    const values: readonly (readonly string[])[] = [
      ['SET', key, sealed.slice(0, -40)],
      ['SET', key, `${'f'.repeat(16)}${sealed.slice(16)}`],
      ['SET', key, 'hello'],
      ['EVAL', "redis.call('SET', KEYS[1], string.rep('x', 1024 * 1024))", '1', key],
    ]
    for (const [index, command] of values.entries()) {
      await server.cli(...command)
      await nudge(server, key)
      await until(() => replicas.reduce((sum, one) => sum + unreadable(one), 0) > index)
      await until(async () => (await server.cli('GET', key)).length === sealed.length)
    }
    await server.cli(
      'EVAL',
      "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'x')",
      '1',
      key,
    )
    await nudge(server, key)
    await inState(replicas, { state: 'alone', reason: 'wrong-type' })
    await server.cli('DEL', key)
    await inState(replicas, { state: 'shared' })
    await until(async () => (await server.cli('GET', key)).length === sealed.length)
    await server.cli('ACL', 'SETUSER', 'default', '-eval')
    await nudge(server, key)
    await inState(replicas, { state: 'alone', reason: 'permission' })
    await server.cli('ACL', 'SETUSER', 'default', '+eval')
    await inState(replicas, { state: 'shared' })
    expect(await calls.stop()).toEqual([])
    expect(sim.state()).toMatchObject({ logins: 1, refreshes: 0 })
  },
)
