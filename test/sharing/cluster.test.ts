import { describe, expect, it } from 'vitest'
import { openCluster, type Cluster, type Replica } from './cluster.ts'

const MINUTE = 60_000

/** Calls on every replica each second; how many were not accepted. */
async function traffic(cluster: Cluster, ms: number): Promise<number> {
  let failed = 0
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const replica of cluster.replicas) {
      void replica.call().then((accepted) => {
        if (!accepted) failed += 1
      })
    }
    await cluster.clock.advance(1000)
  }
  await cluster.clock.advance(3000)
  return failed
}

describe('replicas that share a token', () => {
  it('make one login and one refresh for each renewal, and no call fails', async () => {
    const cluster = openCluster(3)
    expect(await traffic(cluster, 30 * MINUTE)).toBe(0)
    const { isales } = cluster
    expect(isales.logins).toBe(1)
    expect(isales.refreshes).toBeLessThanOrEqual(8)
    expect(isales.most).toBe(1)
  })

  it('are a hundred, and start at once, with one login', async () => {
    const cluster = openCluster(100)
    await cluster.clock.advance(10 * MINUTE)
    expect(cluster.isales.logins).toBe(1)
    expect(cluster.isales.refreshes).toBeLessThanOrEqual(3)
    expect(cluster.replicas.every(({ source }) => source.current() !== undefined)).toBe(true)
  }, 30_000)

  it('lose no call when no message is ever delivered', async () => {
    const cluster = openCluster(3)
    cluster.store.quiet = true
    expect(await traffic(cluster, 30 * MINUTE)).toBe(0)
    expect(cluster.isales.logins).toBe(1)
  })

  it('lose no call, and make no further login, when the store is emptied each minute', async () => {
    const cluster = openCluster(3)
    let failed = 0
    for (let minute = 0; minute < 20; minute += 1) {
      failed += await traffic(cluster, 57_000)
      cluster.store.flush()
    }
    expect(failed).toBe(0)
    expect(cluster.isales.logins).toBe(1)
  })

  it('make no further login when the store is away for 30 s across a renewal', async () => {
    const cluster = openCluster(3)
    let failed = await traffic(cluster, 225_000)
    cluster.store.down = 'unreachable'
    failed += await traffic(cluster, 30_000)
    cluster.store.down = undefined
    cluster.store.reconnect()
    failed += await traffic(cluster, 5 * MINUTE)
    expect(failed).toBe(0)
    expect(cluster.isales.logins).toBe(1)
  })

  it('hold off when one of them is cut off for long, and have one token again soon after it', async () => {
    const cluster = openCluster(3)
    expect(await traffic(cluster, MINUTE)).toBe(0)
    const [first, cutOff, third] = cluster.replicas
    cluster.store.cutOff.add(cutOff?.index ?? 0)
    await traffic(cluster, 15 * MINUTE)
    const metConflict = (one: Replica | undefined): boolean =>
      one?.events.some(({ type }) => type === 'conflict') === true
    expect(metConflict(cutOff)).toBe(true)
    expect(metConflict(first) || metConflict(third)).toBe(true)
    // Without hold-offs each of the 2700 calls would end the session of the others.
    expect(cluster.isales.logins).toBeLessThan(60)
    cluster.store.cutOff.clear()
    cluster.store.reconnect()
    await cluster.clock.advance(MINUTE)
    expect(await traffic(cluster, 5 * MINUTE)).toBe(0)
    const tokens = cluster.replicas.map(({ source }) => source.current()?.token.reveal())
    expect(new Set(tokens).size).toBe(1)
  })

  it('replace a revoked token once, and every call is replayed', async () => {
    const cluster = openCluster(5)
    let failed = await traffic(cluster, MINUTE)
    cluster.isales.revoke()
    failed += await traffic(cluster, MINUTE)
    expect(failed).toBe(0)
    expect(cluster.isales.logins + cluster.isales.refreshes).toBe(2)
  })

  it.each([0, 1, 5])(
    'refuse a wrong password 4 times in an hour, whatever restarts there are (%s per ten minutes)',
    async (restarts) => {
      const cluster = openCluster(0)
      for (let index = 0; index < 10; index += 1) cluster.add('wrong')
      for (let part = 0; part < 6; part += 1) {
        await cluster.clock.advance(10 * MINUTE)
        for (let restart = 0; restart < restarts; restart += 1) {
          await cluster.replicas.shift()?.stop()
          cluster.add('wrong')
        }
      }
      expect(cluster.isales.refused).toBeGreaterThan(0)
      expect(cluster.isales.refused).toBeLessThanOrEqual(4)
    },
  )

  it('refuse a wrong password once for each replica when the store is away', async () => {
    const cluster = openCluster(0)
    cluster.store.down = 'unreachable'
    for (let index = 0; index < 5; index += 1) cluster.add('wrong')
    await cluster.clock.advance(14 * MINUTE)
    expect(cluster.isales.refused).toBe(5)
  })

  it('serve with the token of the others when the password is wrong, and try it', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    const third = cluster.add('wrong')
    await cluster.clock.advance(10_000)
    expect(cluster.isales.refused).toBeGreaterThan(0)
    expect(third.source.current()).toBeDefined()
    expect(await traffic(cluster, 10 * MINUTE)).toBe(0)
    expect(cluster.isales.refused).toBeLessThanOrEqual(3)
    expect(cluster.isales.logins).toBe(1)
  })

  it('need one login for a password that is changed in all of them, one after the other', async () => {
    const cluster = openCluster(4)
    let failed = await traffic(cluster, MINUTE)
    cluster.isales.passwords.add('new')
    for (const replica of cluster.replicas) {
      replica.changePassword('new')
      failed += await traffic(cluster, 20_000)
    }
    expect(failed).toBe(0)
    expect(cluster.isales.logins).toBe(2)
  })

  it('go on 3 s after the one that asks was killed', async () => {
    const cluster = openCluster(3)
    cluster.isales.latency = 60_000
    await cluster.clock.advance(10)
    const asking = cluster.replicas.find((one) => one.source.snapshot().exchange !== undefined)
    asking?.freeze()
    const others = cluster.replicas.filter((one) => one !== asking)
    cluster.isales.latency = 200
    await cluster.clock.advance(4000)
    expect(others.every(({ source }) => source.current() !== undefined)).toBe(true)
  })

  it('do not lose a newer token to one that was paused while it asked', async () => {
    const cluster = openCluster(3)
    cluster.isales.latency = 2000
    await cluster.clock.advance(100)
    const asking = cluster.replicas.find((one) =>
      one.events.some(({ type }) => type === 'request-started'),
    )
    expect(asking).toBeDefined()
    asking?.freeze()
    await cluster.clock.advance(MINUTE)
    asking?.thaw()
    await cluster.clock.advance(15_000)
    expect(cluster.broken).toEqual([])
    const tokens = cluster.replicas.map(({ source }) => source.current()?.token.reveal())
    expect(new Set(tokens).size).toBe(1)
    expect(await traffic(cluster, MINUTE)).toBe(0)
  })

  it('free the lease when they are stopped while they ask', async () => {
    const cluster = openCluster(2)
    cluster.isales.latency = 60_000
    await cluster.clock.advance(50)
    const asking = cluster.replicas.find((one) =>
      one.events.some(({ type }) => type === 'request-started'),
    )
    const stopping = asking?.stop()
    await cluster.clock.advance(10)
    await stopping
    expect(cluster.store.state.has('lease')).toBe(false)
    cluster.isales.latency = 200
    await cluster.clock.advance(1000)
    const other = cluster.replicas.find((one) => one !== asking)
    expect(other?.source.current()).toBeDefined()
  })

  it('hold off together when iSales is down, and one at a time asks', async () => {
    const cluster = openCluster(10)
    cluster.isales.down = true
    await cluster.clock.advance(10 * MINUTE)
    expect(cluster.isales.most).toBe(1)
    cluster.isales.down = false
    await cluster.clock.advance(5 * MINUTE)
    expect(cluster.isales.logins).toBe(1)
    expect(cluster.replicas.every(({ source }) => source.current() !== undefined)).toBe(true)
  })

  it('say how many they are, soon after one has come or gone', async () => {
    const cluster = openCluster(3)
    const counts = () => cluster.replicas.map(({ share }) => share.snapshot().replicas)
    await cluster.clock.advance(13_000)
    expect(counts()).toEqual([3, 3, 3])
    const stopping = cluster.replicas.pop()?.stop()
    await cluster.clock.advance(13_000)
    await stopping
    expect(counts()).toEqual([2, 2])
    cluster.store.down = 'unreachable'
    await cluster.clock.advance(13_000)
    cluster.add()
    cluster.store.down = undefined
    cluster.store.reconnect()
    await cluster.clock.advance(2000)
    expect(counts()).toEqual([3, 3, 3])
  })

  it('leave nothing behind when they stop', async () => {
    const cluster = openCluster(3)
    await cluster.clock.advance(MINUTE)
    for (const replica of cluster.replicas) await replica.stop()
    await cluster.clock.advance(10)
    expect(cluster.clock.waiting()).toEqual([])
  })
})
