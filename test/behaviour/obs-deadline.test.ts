import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

/** Far below the patience of everything else, so that what ends a request is this alone. */
const DEADLINE: Environment = { CLIENT_DEADLINE: '400ms' }

/** Milliseconds that a call waits for a token: nine tenths of the deadline. */
const WAIT = 360

/** The response of a call that ends then and not before; `begun` waits until it is where it hangs. */
async function late(world: TimedWorld, begun: () => unknown, ends = 400) {
  let ended = false
  const response = world.tasks().finally(() => {
    ended = true
  })
  await until(async () => (await begun()) === true)
  await world.jump(ends - 1)
  expect(ended).toBe(false)
  await world.jump(1)
  return response
}

test('iSales does not respond: 504, and it is not known whether the call was carried out', async () => {
  const world = await openTimedWorld({ env: DEADLINE })
  world.sim.hang({ operation: 'business' })
  expect(await late(world, () => world.sim.state().hanging === 1)).toMatchObject({
    status: 504,
    json: { code: 'upstream-timeout', sent: 'unknown' },
  })
})

test('no token can be had: 503, and nothing was sent', async () => {
  const world = await openTimedWorld({
    env: { ...DEADLINE, ISALES_REFRESH_PATH: 'off' },
    ready: false,
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const response = await late(world, () => world.waiting(1).then(() => true), WAIT)
  expect(response).toMatchObject({ status: 503, json: { sent: 'no' } })
  expect(Number(response.header('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(world.sim.requests()).toEqual([])
})

test('a client that does not send the rest of its body gets a response within it as well', async () => {
  const world = await openTimedWorld({ env: DEADLINE })
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  await client.send(
    `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{`,
  )
  await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 1)
  await world.jump(399)
  expect(client.received()).toBe(0)
  await world.jump(1)
  expect((await client.read()).status).toBe(408)
  client.destroy()
})
