import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import {
  accountIn,
  authenticated,
  inState,
  keyOf,
  sharingOf,
  sharingPrograms,
  valueOf,
  type Replica,
} from './replicas.ts'
import { ENGINES, startServer } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { openIsales, serve, startReplica } = sharingPrograms()

const unreadable = ({ program }: Replica): number =>
  program.lines().filter(({ event }) => event === 'shared-token-unreadable').length

// Both servers reply alike: rules.test.ts and failures.test.ts compare them.
describe('programs that share lose no call', () => {
  it('while a network slows, stalls and cuts every connection to the store', async () => {
    const { sim, network, replicas, calls } = await serve({ seconds: 120, isSlow: true })
    network.set(400)
    await inState(replicas, { state: 'alone', reason: 'timeout' })
    network.set('stall')
    await delay(2000)
    network.set(0)
    network.set('cut')
    // The replica polls every second now.
    await inState(replicas, { state: 'alone', reason: 'unreachable' })
    network.set(0)
    await inState(replicas, { state: 'shared' })
    sim.revoke()
    await delay(1000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state().logins + sim.state().refreshes).toBe(2)
  })

  it('when somebody puts an older token back, again and again, with a long life', async () => {
    const { sim, server, calls } = await serve({ seconds: 300, count: 2 })
    const key = (await keyOf(server)) ?? ''
    const older = await valueOf(server, key)
    await server.cli('COPY', key, 'older')
    sim.revoke()
    sim.revokeRefresh()
    const isBack = async () => (await valueOf(server, key)) === older
    await until(async () => !(await isBack()))
    await until(() => sim.state().logins === 2)
    await delay(500)
    const { logins, refreshes } = sim.state()
    for (let nth = 0; nth < 5; nth += 1) {
      await server.cli('COPY', 'older', key, 'REPLACE')
      await until(async () => !(await isBack()))
    }
    await delay(1000)
    expect(await calls.stop()).toEqual([])
    expect(sim.state()).toMatchObject({ logins, refreshes })
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
  'programs on %s refresh with the token that another one had, although refreshes repeat no refresh token',
  async (engine) => {
    const { sim, replicas, calls } = await serve({ engine, seconds: 10, count: 2 })
    sim.set({ omit: ['refreshToken'], rotate: false })
    const isRenewed = ({ program }: Replica): boolean =>
      program.lines().some(({ event }) => event === 'renewed')
    const renewed = await until(() => replicas.find(isRenewed), 20_000)
    await calls.stop()
    // The other one needs a moment to adopt the token.
    await delay(2500)
    renewed.program.process.kill('SIGKILL')
    const { refreshes } = sim.state()
    await until(() => sim.state().refreshes > refreshes, 20_000)
    expect(sim.state().logins).toBe(1)
  },
)

it.each(ENGINES)(
  'whatever is written into %s, programs lose no call, and put their token back',
  async (engine) => {
    const { sim, server, replicas, calls } = await serve({ engine, count: 2 })
    const key = (await keyOf(server)) ?? ''
    const values: readonly (readonly string[])[] = [
      ['SETRANGE', key, '20', 'other'],
      ['APPEND', key, 'more'],
      ['SET', key, 'hello'],
      ['EVAL', "redis.call('SET', KEYS[1], string.rep('x', 1024 * 1024))", '1', key],
    ]
    const isRestored = async () => (await accountIn(server, sim))?.token !== undefined
    for (const [index, command] of values.entries()) {
      await server.cli(...command)
      await until(() => replicas.reduce((sum, one) => sum + unreadable(one), 0) > index)
      await until(isRestored)
    }
    await server.cli(
      'EVAL',
      "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'x')",
      '1',
      key,
    )
    await inState(replicas, { state: 'alone', reason: 'refused', code: 'WRONGTYPE' })
    await server.cli('DEL', key)
    await inState(replicas, { state: 'shared' })
    await until(isRestored)
    await server.cli('ACL', 'SETUSER', 'default', '-eval')
    await inState(replicas, { state: 'alone', reason: 'refused', code: 'NOPERM' })
    await server.cli('ACL', 'SETUSER', 'default', '+eval')
    await inState(replicas, { state: 'shared' })
    expect(await calls.stop()).toEqual([])
    expect(sim.state()).toMatchObject({ logins: 1, refreshes: 0 })
  },
)
