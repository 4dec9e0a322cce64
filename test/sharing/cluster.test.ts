import { describe, expect, it } from 'vitest'
import { openCluster } from './cluster.ts'

const MINUTE = 60_000

// What else replicas do is in test/store/, with real programs on real servers, and in the simulation.

describe('replicas that share a token', () => {
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

  it('take the token of the one that could not reach the store, as soon as it is back', async () => {
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
