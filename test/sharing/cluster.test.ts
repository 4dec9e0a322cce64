import { describe, expect, it } from 'vitest'
import { memoryHome } from '../../src/token/attempts.ts'
import { credentialsOf, openCluster } from './cluster.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

// What replicas do when their store is killed, emptied, slow or written to, or one of them is, is in test/store/, on real
// servers, and in the simulation.

describe('replicas that share a token', () => {
  it.each([
    ['', false],
    [', although no message is ever delivered', true],
  ])('make one login, and one refresh for each renewal, and no call fails%s', async (_, quiet) => {
    const cluster = openCluster(3)
    cluster.store.quiet = quiet
    expect(await cluster.traffic(30 * MINUTE)).toBe(0)
    const { isales } = cluster
    expect(isales.logins).toBe(1)
    expect(isales.refreshes).toBeLessThanOrEqual(8)
    expect(isales.most).toBe(1)
  })

  it('are a hundred, and start together, with one login', async () => {
    const cluster = openCluster(100)
    await cluster.clock.advance(5 * MINUTE)
    expect(cluster.isales).toMatchObject({ logins: 1, refreshes: 1 })
    expect(cluster.tokens().size).toBe(1)
    expect(cluster.tokens()).not.toContain(undefined)
  }, 30_000)

  it('take a token for as old as it is', async () => {
    const cluster = openCluster(1)
    await cluster.clock.advance(2 * MINUTE)
    cluster.add()
    await cluster.clock.advance(1000)
    const [first = 0, second = 0] = cluster.replicas.map(
      ({ source }) => source.current()?.expiresAt,
    )
    expect(second).toBeGreaterThan(0)
    expect(Math.abs(first - second)).toBeLessThan(10)
  })

  it('ask one at a time, however long iSales takes', async () => {
    const cluster = openCluster(3)
    cluster.isales.latency = 20_000
    await cluster.clock.advance(MINUTE)
    expect(cluster.isales).toMatchObject({ logins: 1, most: 1 })
  })

  it('log in once when a refresh gives the rejected token again', async () => {
    const cluster = openCluster(5)
    let failed = await cluster.traffic(MINUTE)
    cluster.isales.refreshGives = 'former'
    cluster.isales.revoke()
    failed += await cluster.traffic(MINUTE)
    expect(failed).toBe(0)
    expect(cluster.isales).toMatchObject({ logins: 2, refreshes: 1 })
  })

  it('go on with the refresh token of the login when a refresh gives none', async () => {
    const cluster = openCluster(3)
    cluster.isales.refreshGives = 'token'
    expect(await cluster.traffic(30 * MINUTE)).toBe(0)
    expect(cluster.isales.logins).toBe(1)
  })

  it('can read what is granted for a whole day, at whatever fraction of a millisecond', async () => {
    const cluster = openCluster(0)
    cluster.isales.refreshLives = 86_400
    await cluster.clock.advance(13 * HOUR)
    for (let nth = 0; nth < 40; nth += 1) {
      await cluster.clock.advance(977.13)
      cluster.store.keys.clear()
      const replica = cluster.add()
      await cluster.clock.advance(1000)
      expect(cluster.record()?.grant.token.reveal()).toBe(replica.source.current()?.token.reveal())
      await replica.stop()
    }
  })

  it('need one login for a password that is changed in all of them, one after the other', async () => {
    const cluster = openCluster(4)
    let failed = await cluster.traffic(MINUTE)
    cluster.isales.passwords.add('new')
    for (const replica of cluster.replicas) {
      replica.changePassword('new')
      failed += await cluster.traffic(20_000)
    }
    expect(failed).toBe(0)
    expect(cluster.isales.logins).toBe(2)
  })

  it('try a new password, although another of them asked iSales when it came', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    cluster.isales.latency = 3000
    cluster.replicas[0]?.source.renew()
    await cluster.clock.advance(500)
    cluster.replicas[1]?.changePassword('wrong')
    await cluster.clock.advance(MINUTE)
    expect(cluster.isales.logins).toBe(2)
    expect(cluster.isales.refused).toBeGreaterThan(0)
    expect(cluster.tokens()).toEqual(new Set(['t2']))
  })

  it('log in when an operator asks for it, although there is a newer token', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    cluster.replicas[0]?.source.renew()
    await cluster.clock.advance(5000)
    expect(cluster.isales.logins).toBe(2)
    expect(cluster.tokens().size).toBe(1)
  })

  it('relay no rejection while one of them asks iSales for longer than the call may wait', async () => {
    const cluster = openCluster(3)
    await cluster.traffic(MINUTE)
    cluster.isales.latency = 4000
    cluster.isales.revoke()
    const deadline = cluster.clock.now() + 2500
    const call = { status: 401, rejected: undefined, replays: 0, deadline }
    const verdicts = cluster.replicas.map(async ({ source }) => {
      const token = source.current()
      return token && source.reject(token, call)
    })
    await cluster.clock.advance(2500)
    expect(cluster.isales.most).toBe(1)
    const types = (await Promise.all(verdicts)).map((verdict) => verdict?.type)
    expect(types).toEqual(['no-token', 'no-token', 'no-token'])
  })

  it('say how many they are, soon after one has come or gone', async () => {
    const cluster = openCluster(3)
    const counts = () => cluster.replicas.map(({ share }) => share.snapshot().replicas)
    await cluster.clock.advance(2000)
    expect(counts()).toEqual([3, 3, 3])
    const stopping = cluster.replicas.pop()?.stop()
    await cluster.clock.advance(13_000)
    await stopping
    expect(counts()).toEqual([2, 2])
  })
})

describe('replicas whose store is away', () => {
  it('make no further login for 30 s across a renewal', async () => {
    const cluster = openCluster(3)
    let failed = await cluster.traffic(225_000)
    cluster.store.down = 'unreachable'
    failed += await cluster.traffic(30_000)
    cluster.store.down = undefined
    cluster.store.reconnect()
    failed += await cluster.traffic(5 * MINUTE)
    expect(failed).toBe(0)
    expect(cluster.isales.logins).toBe(1)
  })

  it('wait 1.5 s for it with a rejected token, and then log in', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    cluster.store.down = 'timeout'
    cluster.isales.revoke()
    const failed = cluster.traffic(1000)
    await cluster.clock.advance(0)
    expect(await failed).toBe(0)
    expect(cluster.isales.logins + cluster.isales.refreshes).toBe(1)
    cluster.store.down = undefined
    cluster.store.reconnect()
    expect(await cluster.traffic(MINUTE)).toBe(0)
    expect(cluster.isales.logins + cluster.isales.refreshes).toBe(2)
  })

  it('but for one of them, whose token is taken as soon as it is back', async () => {
    const cluster = openCluster(2)
    const { clock, store, isales } = cluster
    await clock.advance(MINUTE)
    isales.latency = 1000
    isales.revoke()
    const failed = cluster.traffic(2000)
    await clock.advance(500)
    store.cutOff = 1
    await clock.advance(1000)
    store.cutOff = undefined
    store.reconnect()
    await clock.advance(100)
    expect(cluster.tokens()).toEqual(new Set(['t2']))
    expect(await failed).toBe(0)
    expect(isales.grantedAt.size).toBe(2)
  })
})

describe('the account is spared by all replicas together', () => {
  it.each([0, 1, 5])(
    'when they have a wrong password, whatever restarts there are (%s per ten minutes)',
    async (restarts) => {
      const cluster = openCluster(0)
      for (let index = 0; index < 10; index += 1) cluster.add('wrong')
      let inFirst = 0
      for (let part = 0; part < 6; part += 1) {
        await cluster.clock.advance(10 * MINUTE)
        if (part === 0) inFirst = cluster.isales.refused
        for (let restart = 0; restart < restarts; restart += 1) {
          await cluster.replicas.shift()?.stop()
          cluster.add('wrong')
        }
      }
      expect(inFirst).toBe(3)
      expect(cluster.isales.refused).toBe(4)
    },
  )

  it('when somebody deletes the book in the store', async () => {
    const cluster = openCluster(0)
    for (let index = 0; index < 3; index += 1) cluster.add('wrong')
    await cluster.clock.advance(MINUTE)
    expect(cluster.isales.refused).toBe(3)
    for (let minute = 0; minute < 12; minute += 1) {
      for (const key of cluster.store.keys.keys()) {
        if (key.startsWith('book:')) cluster.store.keys.delete(key)
      }
      await cluster.clock.advance(MINUTE)
    }
    expect(cluster.isales.refused).toBe(3)
  })

  it('but not after an iSales that was ill for hours: one at a time asks, each 30 s or so', async () => {
    const cluster = openCluster(3)
    await cluster.clock.advance(MINUTE)
    cluster.isales.down = true
    await cluster.clock.advance(2 * HOUR)
    cluster.isales.down = false
    await cluster.clock.advance(31_000)
    expect(await cluster.traffic(10_000)).toBe(0)
    expect(cluster.isales.most).toBe(1)
  })

  it('and one with a wrong password serves with the token of the others, and tries it', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    const third = cluster.add('wrong')
    await cluster.clock.advance(10_000)
    expect(cluster.isales.refused).toBeGreaterThan(0)
    expect(third.source.current()).toBeDefined()
    expect(await cluster.traffic(10 * MINUTE)).toBe(0)
    expect(cluster.isales.refused).toBeLessThanOrEqual(3)
    expect(cluster.isales.logins).toBe(1)
  })

  it('and one whose password was refused before it started serves with the token of the others', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    const home = memoryHome()
    const notBefore = cluster.clock.now() + 15 * MINUTE
    const entry = { attempts: 3, refusals: 3, notBefore, provenUntil: -Infinity }
    await home.save(credentialsOf('wrong'), entry)
    const third = cluster.add('wrong', home)
    await cluster.clock.advance(2000)
    expect(third.source.current()).toBeDefined()
    await cluster.clock.advance(12 * MINUTE)
    expect(cluster.isales.refused).toBe(0)
  })

  it('and a refresh by one with a wrong password proves nothing of it', async () => {
    const cluster = openCluster(1)
    await cluster.clock.advance(MINUTE)
    cluster.add('wrong')
    await cluster.clock.advance(5 * MINUTE)
    await cluster.replicas[0]?.stop()
    await cluster.clock.advance(3 * MINUTE)
    expect(cluster.isales.refreshes).toBe(2)
    expect(cluster.isales.refused).toBeLessThanOrEqual(3)
    expect([...cluster.store.keys.keys()].some((key) => key.startsWith('book:'))).toBe(true)
  })
})

it('an older record is not what a flushed store starts again with', async () => {
  const cluster = openCluster(2)
  cluster.isales.revoke()
  await cluster.traffic(MINUTE)
  const newest = cluster.record()?.number ?? 0
  cluster.store.keys.clear()
  cluster.add()
  cluster.store.reconnect()
  expect(await cluster.traffic(10 * MINUTE)).toBe(0)
  expect(cluster.record()?.number).toBeGreaterThan(newest)
  expect(cluster.tokens().size).toBe(1)
})
