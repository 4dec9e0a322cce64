import { expect, test } from 'vitest'
import { startApp } from '../../src/server.ts'
import { gate, openStrictWorld, post, type StrictWorldOptions } from '../support/strict-world.ts'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { simulate } from '../simulator/caller.ts'
import { call } from '../support/call.ts'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { configOf } from '../support/config.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { openWorld, settingsFor } from '../support/world.ts'

/** Opens a proxy with one request, by this metric, and begins to stop it. */
async function stopping(options: StrictWorldOptions, respond?: () => Step | Promise<Step>) {
  const world = await openStrictWorld({ config: { drainTimeout: 5000 }, ...options })
  if (respond !== undefined) world.serve(respond)
  const client = await world.connect()
  await client.send(post('x'))
  const gauge = respond === undefined ? 'token_waiters' : 'requests_in_flight'
  await until(async () => (await world.metric(gauge)) === 1)
  const stopped = world.stop()
  await world.logged('draining')
  return { world, client, stopped }
}

test('requests that wait in vain for a token get a 503 before the drain ends', async () => {
  const login = () => new Promise<never>(() => undefined)
  const env = { CLIENT_DEADLINE: '30s' }
  const config = { drainTimeout: 1000 }
  const { client, stopped } = await stopping({ login, ready: false, env, config })
  const response = await client.read()
  expect([response.status, response.header('retry-after')]).toEqual([503, '1'])
  expect(JSON.parse(response.text)).toMatchObject({ code: 'shutting-down', sent: 'no' })
  await stopped
})

test('a call rejected during the drain is replayed, and the response closes the connection', async () => {
  const first = gate()
  const rejection = first.opened.then(() => responseBytes('no', { status: '401 No' }))
  let calls = 0
  const respond = () => ((calls += 1) === 1 ? rejection : responseBytes('ok'))
  const { world, client, stopped } = await stopping({}, respond)
  first.open()
  const response = await client.read()
  expect([response.status, response.header('connection')]).toEqual([200, 'close'])
  expect(world.logins()).toBe(2)
  await stopped
})

test('when the admin port is taken, the proxy port is not open either, and no login begins', async () => {
  const [taken, port] = [await freePort(), await freePort()]
  await listen(() => undefined, taken)
  const { sim } = await simulate()
  const env = settingsFor(sim, { LISTEN: `127.0.0.1:${port}`, ADMIN_LISTEN: `127.0.0.1:${taken}` })
  const app = startApp({ config: configOf(env), version: 'test', log: () => undefined })
  await expect(app).rejects.toThrow('address-in-use')
  expect(sim.state().loginAttempts).toBe(0)
  await listen(() => undefined, port)
})

test('during DRAIN_DELAY, the proxy is not ready but serves calls', async () => {
  const world = await openWorld({ env: { DRAIN_DELAY: '1s' } })
  const stopped = world.stop()
  expect((await call(`${world.admin}/readyz`)).status).toBe(503)
  const { status, header } = await world.post(INTERFACE_PATHS.getTask, {})
  expect([status, header('connection')]).toEqual([200, 'close'])
  await stopped
})
