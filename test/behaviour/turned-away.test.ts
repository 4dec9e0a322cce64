import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REFUSALS, type Refusal } from '../../src/http/problem.ts'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'
import { openTimedWorld } from './session-world.ts'

const portOf = (world: World): number => Number(new URL(world.proxy).port)
const linesOf = (world: World, name: string) => world.lines.filter(({ event }) => event === name)

const HEAD = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: localhost\r\n`

test.each<readonly [Refusal, string]>([
  ['line-fold', `${HEAD}X: a\r\n b\r\n\r\n`],
  ['line-end', `${HEAD}X: a\n\r\n\r\n`],
  ['content-length', `${HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`],
  ['unknown-method', HEAD.replace('POST', 'BREW').concat('\r\n')],
  ['tls', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
])(
  '%s: a request that cannot be read leaves a line with the request id that the client got',
  async (reason, bytes) => {
    const world = await openWorld()
    const { text } = await exchangeRaw({ port: portOf(world) }, bytes)
    const { code, requestId, detail } = JSON.parse(text) as Record<string, string>
    expect({ code, detail }).toEqual(REFUSALS[reason])
    expect(linesOf(world, 'client-refused')).toMatchObject([{ reason, code, requestId, count: 1 }])
    expect(await world.metric(`isales_proxy_requests_refused_total{reason="${reason}"}`)).toBe(1)
  },
)

test('a thousand of them are two lines a minute, the second with their number', async () => {
  const world = await openTimedWorld()
  for (let n = 0; n < 20; n += 1) await world.request('/elsewhere')
  await world.pass(60_000)
  expect(linesOf(world, 'client-refused')).toMatchObject([{ count: 1 }, { count: 19 }])
})

test('a connection over the limit, and a request over the limit, are named, and the state is not green', async () => {
  const world = await openWorld({ env: { LISTEN_MAX_CONNECTIONS: '1', MAX_IN_FLIGHT: '1' } })
  const first = await connectRaw({ port: portOf(world) })
  world.sim.hang({ operation: 'business' })
  await first.send(`${HEAD}Content-Length: 0\r\n\r\n`)
  await until(() => world.sim.state().hanging === 1)

  const second = await exchangeRaw({ port: portOf(world) }, `${HEAD}Content-Length: 0\r\n\r\n`)

  expect(JSON.parse(second.text)).toMatchObject({
    code: 'overloaded',
    sent: 'no',
    detail: REFUSALS.connections.detail,
  })
  expect(linesOf(world, 'connections-full')).toMatchObject([
    { reason: 'connections', listener: 'proxy' },
  ])
  expect(await world.metric('isales_proxy_state{state="healthy"}')).toBe(0)
  first.destroy()
})

test('a chunked body that turns out to be too large is refused with its reason', async () => {
  const world = await openWorld({ env: { MAX_BODY_SIZE: '1KiB' } })
  const chunk = `401\r\n${'x'.repeat(1025)}\r\n`
  const chunks = `Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`
  const { text } = await exchangeRaw({ port: portOf(world) }, HEAD + chunks)
  expect(JSON.parse(text)).toMatchObject({
    code: 'too-large',
    detail: REFUSALS['body-size'].detail,
  })
  expect(linesOf(world, 'client-refused')).toMatchObject([{ reason: 'body-size' }])
})

test.each(['kept', 'streamed'])(
  'a body that is %s in too many tiny chunks is refused with its reason',
  async (how) => {
    const world = await openWorld({ env: { REPLAY_BODY_SIZE: how === 'kept' ? '64KiB' : '1KiB' } })
    const chunks = 'Transfer-Encoding: chunked\r\n\r\n' + '1\r\nx\r\n'.repeat(2000)
    const { text } = await exchangeRaw({ port: portOf(world) }, HEAD + chunks)
    expect(JSON.parse(text)).toMatchObject({
      code: 'request-timeout',
      detail: REFUSALS['tiny-chunks'].detail,
      sent: 'no',
    })
    expect(linesOf(world, 'client-refused')).toMatchObject([{ reason: 'tiny-chunks' }])
    expect(await world.metric('isales_proxy_requests_refused_total{reason="tiny-chunks"}')).toBe(1)
  },
)

test('a client that speaks plain HTTP to the TLS port, and one without a certificate, are logged and counted', async () => {
  const { ca, server } = makeCertificates()
  const directory = temporaryDirectory()
  const file = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const world = await openWorld({
    env: {
      LISTEN_TLS_CERT_FILE: file('tls.crt', server.cert),
      LISTEN_TLS_KEY_FILE: file('tls.key', server.key),
      LISTEN_CLIENT_CA_FILE: file('ca.crt', ca.cert),
    },
  })
  for (let n = 0; n < 3; n += 1) {
    const plain = await connectRaw({ port: portOf(world) })
    await plain.send(`${HEAD}\r\n`)
    await plain.closed()
  }
  const probe = await connectRaw({ port: portOf(world) })
  probe.destroy()
  await exchangeRaw({ port: portOf(world), tls: { ca: ca.cert } }, `${HEAD}\r\n`).catch(() => null)

  await until(() => linesOf(world, 'client-handshake-failed').length === 2)
  expect(linesOf(world, 'client-handshake-failed')).toMatchObject([
    { level: 'warn', reason: 'plain-http', count: 1 },
    { level: 'warn', reason: 'no-certificate', count: 1 },
  ])
  const failures = 'isales_proxy_client_handshake_failures_total'
  expect(await world.metric(`${failures}{reason="plain-http"}`)).toBe(3)
  expect(await world.metric(`${failures}{reason="no-certificate"}`)).toBe(1)
  // A probe of the port is no client that was turned away.
  await until(async () => (await world.metric(`${failures}{reason="closed"}`)) === 1)
})

test('logins and refreshes of CTI-OBS are logged by what came of them', async () => {
  const obs = { OBS_LOGIN: 'require', OBS_USER: 'cti', OBS_PASSWORD: 'cti-password' }
  const world = await openWorld({ env: obs })
  const post = (path: string, body: object) =>
    world.request(path, { method: 'POST', body: JSON.stringify(body) })
  const login = await post(LOGIN_PATH, { user: 'cti', passwd: 'cti-password' })
  const refreshToken = login.json.resultData?.['refreshToken']
  await post(LOGIN_PATH, { user: 'cti', passwd: 'wrong' })
  await post(LOGIN_PATH, {})
  await post(REFRESH_PATH, { refreshToken })
  await post(REFRESH_PATH, { refreshToken: 'of an earlier process' })

  const logged = world.lines.filter(({ event }) => event.startsWith('obs-'))
  expect(
    logged.map(({ level, event, operation, reason }) => [level, event, operation, reason]),
  ).toEqual([
    ['info', 'obs-logged-in', 'login', 'success'],
    ['warn', 'obs-login-refused', 'login', 'rejected'],
    ['warn', 'obs-login-refused', 'login', 'malformed'],
    ['info', 'obs-logged-in', 'refresh', 'success'],
    ['warn', 'obs-login-refused', 'refresh', 'rejected'],
  ])
  expect(await world.metric('isales_proxy_obs_refreshes_total{outcome="rejected"}')).toBe(1)
})

test('a failed request is logged with its method, path, durations and attempts, and never its query', async () => {
  const world = await openWorld()
  world.sim.failBusiness({ status: 502, times: 'always' })
  await world.tasks()
  // Relayed as iSales sent it: no error of the proxy.
  expect(linesOf(world, 'request-failed')).toEqual([])
  world.sim.clear()
  world.sim.reset({ operation: 'business' })

  const { json } = await world.request(`${INTERFACE_PATHS.getTask}?passwd=canary`, {
    method: 'POST',
    body: '{}',
  })

  expect(linesOf(world, 'request-failed')).toEqual([
    {
      level: 'debug',
      event: 'request-failed',
      method: 'POST',
      path: INTERFACE_PATHS.getTask,
      status: 502,
      code: 'upstream-broken',
      requestId: json['requestId'],
      durationMs: expect.any(Number),
      upstreamMs: undefined,
      attempts: 1,
    },
  ])
})

test('the line of a renewal says how many calls there were since the last one, and how many failed', async () => {
  const world = await openTimedWorld()
  world.sim.failBusiness({ status: 500 })
  for (let n = 0; n < 3; n += 1) await world.tasks()
  await world.pass(240_000)
  expect(linesOf(world, 'renewed')).toMatchObject([{ requests: 3, errors: 1 }])
  await world.pass(240_000)
  expect(linesOf(world, 'renewed').at(-1)).toMatchObject({ requests: 0, errors: 0 })
})

test('connections to iSales are counted, and why none could be opened', async () => {
  const world = await openWorld()
  await world.tasks()
  const opened = await world.metric('isales_proxy_upstream_connections_opened_total')
  expect(opened).toBeGreaterThan(0)
  expect(await world.metric('isales_proxy_upstream_connections')).toBe(opened)
  await world.sim.down()
  await world.tasks()
  const refused = 'isales_proxy_upstream_connect_failures_total{reason="refused"}'
  expect(await world.metric(refused)).toBeGreaterThan(0)
  await until(async () => (await world.metric('isales_proxy_upstream_connections')) === 0)
})
