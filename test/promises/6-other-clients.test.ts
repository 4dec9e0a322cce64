// Guarantee 6: one client that misbehaves displaces no well-behaved client, and takes no memory beyond the unit's
// limit. 1,024 connections and their memory are in `test/behaviour/connection-limiter.test.ts`, clients that do not read in
// `test/behaviour/slow-clients.test.ts`.
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { hold } from '../listener/support.ts'
import { exchangeRaw, requestText } from '../support/raw-client.ts'
import { openWorld, REQUIRE } from '../support/world.ts'

const HEAD = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1`
const CALL = requestText(HEAD, ['Host: localhost'], '{}')
const REFUSED = requestText('POST /elsewhere HTTP/1.1', ['Host: localhost'], '{}')
const LIMITS = { env: { MAX_IN_FLIGHT: '8' }, config: { listenMaxConnections: 16 } }

test.each([
  ['are idle', ''],
  ['are idle behind a call', CALL],
  ['have sent half a head', `${HEAD}\r\nHost: local`],
  ['have sent half a body', `${HEAD}\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{`],
  ['are refused', REFUSED],
  ['are refused again and again', REFUSED.repeat(20)],
])('64 connections of one client that %s keep no other client out', async (_name, bytes) => {
  const world = await openWorld(LIMITS)
  await hold(64, world.port, bytes)

  for (let n = 0; n < 5; n += 1)
    expect((await exchangeRaw({ port: world.port }, CALL)).status).toBe(200)
})

test('64 connections with calls without a ticket keep no client out that has one', async () => {
  const world = await openWorld({ ...LIMITS, env: { ...LIMITS.env, ...REQUIRE } })
  const { token } = await world.logIn()
  await hold(64, world.port, CALL.repeat(4))

  expect((await world.tasks(token)).status).toBe(200)
  expect(await world.metric('isales_proxy_requests_in_flight')).toBe(0)
})
