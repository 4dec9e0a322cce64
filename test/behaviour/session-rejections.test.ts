import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { until } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

// Effects of rejections on people and probes. The simulation checks their effects on calls.
vi.setConfig({ testTimeout: 60_000 })

const STEP = 250

/** Sends four calls per second of the world's clock, and returns the statuses of the responses. */
async function drive(world: TimedWorld, seconds: number, act?: (step: number) => unknown) {
  const statuses = new Set<number>()
  const pending = new Set<Promise<unknown>>()
  for (let step = 0; step < (seconds * 1000) / STEP; step += 1) {
    act?.(step)
    const call = world.tasks().then(({ status }) => {
      pending.delete(call)
      statuses.add(status)
    })
    pending.add(call)
    // Most responses arrive within milliseconds, and the metrics page is large.
    await Promise.race([Promise.all(pending), delay(30)])
    const waiting = () => world.metric('isales_proxy_token_waiters')
    await until(async () => pending.size === 0 || (await waiting()) === pending.size, 20_000)
    await world.pass(STEP)
  }
  while (pending.size > 0) await world.pass(STEP)
  return [...statuses]
}

test('a first call that iSales rejects whatever its token leaves the pod ready and authenticated', async () => {
  const world = await openTimedWorld({ simulator: { switches: { forbiddenPath: 'refused' } } })
  expect((await world.request('/rest/isales/v1/openapi/obs/refused')).status).toBe(403)
  await drive(world, 1)
  expect((await world.probe('/readyz')).status).toBe(200)
  expect(await world.metric('isales_proxy_authenticated')).toBe(1)
  const { text } = await world.probe('/' as '/readyz')
  expect(text).not.toContain('rejects the token')
})

test('if iSales rejects every call, the rejections are relayed with few renewals, and the state shows it', async () => {
  const world = await openTimedWorld({ simulator: { switches: { acceptHeaders: ['X-Other'] } } })
  expect(await drive(world, 15)).toEqual([401])
  expect(world.exchanges() - 1).toBeLessThanOrEqual(4)
  expect(await world.metric('isales_proxy_authenticated')).toBe(0)
  expect(await world.metric('isales_proxy_state{state="failing"}')).toBe(1)
  expect((await world.probe('/readyz')).status).toBe(200)
})

test('another login of the same user every 4 s fails no call, and is reported as a conflict', async () => {
  const world = await openTimedWorld()
  const revoke = (step: number): unknown => step % 16 === 8 && world.sim.revoke()
  expect(await drive(world, 20, revoke)).toEqual([200])
  expect(await world.metric('isales_proxy_session_conflicts_total')).toBeGreaterThan(0)
  expect(await world.metric('isales_proxy_state{state="conflict"}')).toBe(1)
  const began = world.lines.filter(({ event, finding }) => {
    return event === 'finding-began' && finding === 'conflict'
  })
  expect(began).toHaveLength(1)
})
