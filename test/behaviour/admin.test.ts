import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { manualClock } from '../support/manual-clock.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

/** Address of this machine on a network; undefined if it has none. */
const addresses = Object.values(networkInterfaces()).flat()
const address = addresses.find((one) => one?.family === 'IPv4' && !one.internal)?.address

const USER = 'obs-user-7'
const PATHS = ['/', '/?lang=zh', '/status.json', '/status.txt', '/status.txt?lang=zh', '/metrics']

// A person who knows user and address can lock the account. The facts are in test/admin/status.test.ts.
test.skipIf(address === undefined)(
  'a reader on the network learns neither user nor address of iSales',
  async () => {
    const world = await openWorld({
      env: { ISALES_USER: USER, ISALES_PASSWORD: '"wrong"', ADMIN_LISTEN: ':0' },
      simulator: { switches: { user: USER } },
      ready: false,
    })
    await until(() => world.events.some(({ type }) => type === 'failed'))
    await world.tasks()
    const { host } = new URL(world.sim.origin)
    const { port } = new URL(world.admin)
    for (const path of PATHS) {
      const { status, text } = await call(`http://${address}:${port}${path}`)
      expect([path, status]).toEqual([path, 200])
      for (const known of [USER, host, 'auth/login', 'business/tasks'])
        expect([path, text]).not.toEqual([path, expect.stringContaining(known)])
    }
    // A reader on the machine needs them.
    const { text } = await call(`http://127.0.0.1:${port}/status.json`)
    expect(text).toContain(host)
    expect(text).toMatch(new RegExp(`${USER}.*quotes`))
  },
)

test('calls at the admin port are shown within 6 s of the last answer, and each gets to know the port', async () => {
  const clock = manualClock()
  const world = await openWorld({ clock })
  expect((await world.tasks()).status).toBe(200)
  await clock.advance(6000)
  for (let n = 0; n < 5; n += 1) {
    const { status, text } = await call(`${world.admin}/rest/a`, { method: 'POST', body: '{}' })
    expect([status, text]).toEqual([405, expect.stringContaining('the address of LISTEN')])
  }
  expect((await call(`${world.admin}/rest/a`)).status).toBe(404)
  const counted = 'isales_proxy_requests_total{outcome="stray",cause="admin-port"}'
  expect(await world.metric(counted)).toBe(5)
  const { state, findings } = await world.status()
  expect([state, findings[0].cause]).toEqual(['degraded', 'admin-port'])
  expect(findings[0].facts).toContainEqual(['listen', world.proxy])
})

test('the metrics of a proxy that is logged in show its login and its token', async () => {
  const { metric } = await openWorld()
  const logins = 'isales_proxy_auth_attempts_total{operation="login",outcome="success"}'
  expect(await metric(logins)).toBe(1)

  for (const name of [
    'auth_duration_seconds_sum',
    'token_usable_seconds',
    ...['token_expiry', 'token_next_renewal', 'token_obtained', 'refresh_token_expiry'].map(
      (instant) => `${instant}_timestamp_seconds`,
    ),
  ])
    expect([name, (await metric(`isales_proxy_${name}`)) > 0]).toEqual([name, true])
})

test('a probe needs no Host in HTTP/1.0, but a valid one in HTTP/1.1', async () => {
  const { admin } = await openWorld()
  for (const [request, status] of [
    ['GET /readyz HTTP/1.0', 200],
    ['OPTIONS / HTTP/1.0', 405],
    ['GET /livez HTTP/1.1\r\nConnection: close', 400],
    ['GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close', 400],
  ] as const) {
    const response = await exchangeRaw({ port: Number(new URL(admin).port) }, `${request}\r\n\r\n`)
    expect([request, response.status]).toEqual([request, status])
  }
})
