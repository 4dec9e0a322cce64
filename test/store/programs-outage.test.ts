import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { until } from '../support/until.ts'
import { accountIn, inState, keyOf, sharingPrograms } from './replicas.ts'
import { ENGINES } from './servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const { serve } = sharingPrograms()

it('programs lose no call while the store is killed, stopped and emptied', async () => {
  const { sim, server, replicas, calls } = await serve()
  server.signal('SIGKILL')
  await server.ended()
  await inState(replicas, { state: 'alone', reason: 'unreachable' })
  await delay(2000)
  await server.restart()
  await inState(replicas, { state: 'shared' })
  server.signal('SIGSTOP')
  await inState(replicas, { state: 'alone', reason: 'timeout' })
  server.signal('SIGCONT')
  await inState(replicas, { state: 'shared' })
  await server.cli('FLUSHALL')
  await delay(2000)
  expect(await calls.stop()).toEqual([])
  expect(sim.state().logins).toBe(1)
})

it('programs lose at most 2 % of calls while the store is away for 40 s, with tokens of 30 s', async () => {
  const { server, replicas, calls } = await serve({ seconds: 30 })
  server.signal('SIGKILL')
  await delay(40_000)
  await server.restart()
  await inState(replicas, { state: 'shared' })
  const count = calls.count()
  const failed = await calls.stop()
  expect(failed.length / count).toBeLessThanOrEqual(0.02)
})

it.each(ENGINES)(
  'programs lose no call whatever is written into %s, and restore their token',
  async (engine) => {
    const { sim, server, replicas, calls } = await serve({ engine, count: 2 })
    const key = await keyOf(server)
    const unreadable = (): number =>
      replicas
        .flatMap(({ program }) => program.lines())
        .filter(({ event }) => event === 'shared-token-unreadable').length
    const isRestored = async () => (await accountIn(server, sim))?.token !== undefined
    for (const [index, command] of [
      ['SETRANGE', key, '20', 'other'],
      ['APPEND', key, 'more'],
      ['SET', key, 'hello'],
      ['EVAL', "redis.call('SET', KEYS[1], string.rep('x', 1024 * 1024))", '1', key],
    ].entries()) {
      await server.cli(...command)
      await until(() => unreadable() > index)
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
