import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import type { CallResponse } from '../support/call.ts'
import { connectRaw } from '../support/raw-client.ts'
import { openWorld, type World } from '../support/world.ts'

/** Far below the patience of everything else, so that what ends a request is this alone. */
const DEADLINE: Environment = { CLIENT_DEADLINE: '400ms' }

async function timed(world: World): Promise<CallResponse & { readonly ms: number }> {
  const startedAt = performance.now()
  const response = await world.tasks()
  return { ...response, ms: performance.now() - startedAt }
}

function expectInTime(response: { readonly ms: number }): void {
  expect(response.ms).toBeGreaterThanOrEqual(390)
  expect(response.ms).toBeLessThan(2000)
}

test('iSales does not respond: 504, and it is not known whether the call was carried out', async () => {
  const world = await openWorld({ env: DEADLINE })
  world.sim.hang({ operation: 'business' })
  const response = await timed(world)
  expectInTime(response)
  expect(response).toMatchObject({
    status: 504,
    json: { code: 'upstream-timeout', sent: 'unknown' },
  })
})

test('no token can be had: 503, and nothing was sent', async () => {
  const env = { ...DEADLINE, ISALES_REFRESH_PATH: 'off' }
  const world = await openWorld({ env, ready: false, simulator: { switches: { latency: 2000 } } })
  const response = await timed(world)
  expectInTime(response)
  expect(response).toMatchObject({ status: 503, json: { sent: 'no' } })
  expect(Number(response.header('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(world.sim.requests()).toEqual([])
})

test('a replay has what the first attempt left, not a deadline of its own', async () => {
  const world = await openWorld({ env: DEADLINE })
  await world.tasks()
  world.sim.revoke()
  world.sim.slow({ operation: 'business', ms: 250 })
  world.sim.slow({ operation: 'refresh', ms: 50 })
  world.sim.slow({ operation: 'business', ms: 5000 })
  const response = await timed(world)
  expectInTime(response)
  expect(response).toMatchObject({ status: 504, json: { code: 'upstream-timeout' } })
})

test('the wait for a new token shares it, too', async () => {
  const world = await openWorld({ env: DEADLINE })
  await world.tasks()
  world.sim.revoke()
  world.sim.hang({ operation: 'refresh' })
  const response = await timed(world)
  expectInTime(response)
  // It was sent, so it gets the rejection as iSales sent it.
  expect(response.status).toBe(401)
})

test('0 turns it off', async () => {
  const world = await openWorld({ env: { CLIENT_DEADLINE: '0' } })
  world.sim.slow({ operation: 'business', ms: 3000 })
  const response = await timed(world)
  expect(response.status).toBe(200)
  expect(response.ms).toBeGreaterThan(2900)
})

test('a client that does not send the rest of its body gets a response within it as well', async () => {
  const world = await openWorld({ env: DEADLINE })
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  const startedAt = performance.now()
  await client.send(
    `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{`,
  )
  expect((await client.read()).status).toBe(408)
  expectInTime({ ms: performance.now() - startedAt })
  client.destroy()
})
