import { describe, expect, it } from 'vitest'
import { credentialsOf, memoryBook } from '../token/source-support.ts'
import { openCluster, type Replica } from './cluster.ts'

const MINUTE = 60_000

// What replicas do when their store is killed, emptied or slow, or one of them is, is in test/store/, on real servers.

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

  it('buy one token together when iSales rejects even new ones', async () => {
    const cluster = openCluster(5)
    expect(await cluster.traffic(MINUTE)).toBe(0)
    cluster.isales.broken = true
    await cluster.traffic(25_000)
    expect(cluster.isales.logins + cluster.isales.refreshes).toBe(2)
    expect(cluster.record()?.bought).toBe(true)
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
    await cluster.clock.advance(13 * 3_600_000)
    for (let nth = 0; nth < 40; nth += 1) {
      await cluster.clock.advance(977.13)
      cluster.store.keys.clear()
      const replica = cluster.add()
      await cluster.clock.advance(1000)
      expect(cluster.record()?.grant.token.reveal()).toBe(replica.source.current()?.token.reveal())
      await replica.stop()
    }
  })

  it('make no further login when the store is away for 30 s across a renewal', async () => {
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

  it('hold off when one of them is cut off for long, and have one token again soon after it', async () => {
    const cluster = openCluster(3)
    expect(await cluster.traffic(MINUTE)).toBe(0)
    const [first, cutOff, third] = cluster.replicas
    cluster.store.cutOff.add(cutOff?.index ?? 0)
    await cluster.traffic(15 * MINUTE)
    const metConflict = (one: Replica | undefined): boolean =>
      one?.events.some(({ type }) => type === 'conflict') === true
    expect(metConflict(cutOff)).toBe(true)
    expect(metConflict(first) || metConflict(third)).toBe(true)
    // Without hold-offs each of the 2700 calls would end the session of the others.
    expect(cluster.isales.logins).toBeLessThan(60)
    cluster.store.cutOff.clear()
    cluster.store.reconnect()
    await cluster.clock.advance(MINUTE)
    expect(await cluster.traffic(5 * MINUTE)).toBe(0)
    expect(cluster.tokens().size).toBe(1)
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

  it('serve with the token of the others when the password is wrong, and try it', async () => {
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

  it('serve with the token of the others when the password was refused before they started', async () => {
    const cluster = openCluster(2)
    await cluster.clock.advance(MINUTE)
    const book = memoryBook(cluster.clock)
    for (let count = 0; count < 3; count += 1) book.add(credentialsOf('wrong'))
    const third = cluster.add('wrong', book)
    await cluster.clock.advance(2000)
    expect(third.source.current()).toBeDefined()
    await cluster.clock.advance(12 * MINUTE)
    expect(cluster.isales.refused).toBe(0)
  })

  it('spare a wrong password although the replica that has it refreshes the token', async () => {
    const cluster = openCluster(1)
    await cluster.clock.advance(MINUTE)
    cluster.add('wrong')
    await cluster.clock.advance(5 * MINUTE)
    await cluster.replicas[0]?.stop()
    await cluster.clock.advance(3 * MINUTE)
    expect(cluster.isales).toMatchObject({ refused: 3, refreshes: 2 })
    expect([...cluster.store.keys.keys()].some((key) => key.startsWith('guard:'))).toBe(true)
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

  it('say how many they are, soon after one has come or gone', async () => {
    const cluster = openCluster(3)
    const counts = () => cluster.replicas.map(({ share }) => share.snapshot().replicas)
    await cluster.clock.advance(2000)
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
})
