import { expect, test, vi } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { connectRaw, exchangeRaw, requestText } from '../support/raw-client.ts'
import { openStand } from '../proxy/stand.ts'
import { openWorld, type World } from '../support/world.ts'
import { ACCOUNT, REQUIRE } from './cti-obs.ts'

const BODY = JSON.stringify(ACCOUNT)

function tasks(world: World, ticket?: string) {
  const headers = ticket === undefined ? {} : { Authorization: `Bearer ${ticket}` }
  return world.post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, headers)
}

async function ticketsOf(world: World) {
  const { json } = await world.post(LOGIN_PATH, ACCOUNT)
  const { token, refreshToken } = json.resultData ?? {}
  return { token: String(token), refreshToken: String(refreshToken) }
}

/** The login with this target and version, and these fields. */
const login = (start: string, fields: readonly string[]) =>
  requestText(`POST ${start}`, fields, BODY)

/** Logins and refreshes of the proxy itself are all that iSales may ever see of them. */
function attemptsAtIsales(world: World): number {
  const { loginAttempts, refreshAttempts } = world.sim.state()
  return loginAttempts + refreshAttempts
}

test('the default on loopback: every login gets a ticket and not the token, and calls need none', async () => {
  const world = await openWorld()
  const login = await world.post(LOGIN_PATH, { user: 'anyone', passwd: 'anything' })
  expect(login).toMatchObject({ status: 200, json: { result: 0 } })
  expect(world.sim.issued()).not.toContain(login.json.resultData?.['token'])
  expect((await tasks(world)).status).toBe(200)
  expect((await tasks(world, 'anything')).status).toBe(200)
  expect(attemptsAtIsales(world)).toBe(1)
  expect(await world.metric('isales_proxy_requests_total{outcome="granted",cause="login"}')).toBe(1)
})

test('a login is a login, however its target and Host are written', async () => {
  const world = await openWorld({ env: REQUIRE })
  for (const [start, ...fields] of [
    [`${LOGIN_PATH} HTTP/1.0`],
    [`http://localhost${LOGIN_PATH} HTTP/1.1`, 'Host: localhost'],
    [`HTTP://LOCALHOST:80${LOGIN_PATH} HTTP/1.1`, 'Host: x'],
    [`${LOGIN_PATH} HTTP/1.1`, 'Host: LOCALHOST:00080'],
    [`${LOGIN_PATH}?a={b}|^ HTTP/1.1`, 'Host: localhost'],
    // An `obsUrl` that ends with a slash makes it.
    [`/${LOGIN_PATH} HTTP/1.1`, 'Host: localhost'],
  ] as const) {
    const { status, text } = await exchangeRaw(world, login(start, fields))
    expect([start, fields, status]).toEqual([start, fields, 200])
    expect(JSON.parse(text)).toMatchObject({ result: 0 })
  }
  const noPort = login(`${LOGIN_PATH} HTTP/1.1`, ['Host: localhost:99999'])
  const refused = await exchangeRaw(world, noPort)
  expect([refused.status, refused.header('connection')]).toEqual([400, 'close'])
  expect(JSON.parse(refused.text)).toMatchObject({ code: 'bad-request' })
  expect(attemptsAtIsales(world)).toBe(1)
})

test('no ticket, a forged and a foreign one get 401 in the published shape, and stay here', async () => {
  const world = await openWorld({ env: REQUIRE })
  const other = await openWorld({ env: { ...REQUIRE, OBS_PASSWORD: 'another' } })
  const foreign = await other.post(LOGIN_PATH, { ...ACCOUNT, passwd: 'another' })
  const { token } = await ticketsOf(world)
  for (const value of [
    undefined,
    token.replace(/^.{4}/, 'AAAA'),
    String(foreign.json.resultData?.['token']),
    world.sim.issued()[0],
  ]) {
    const refused = await tasks(world, value)
    expect(refused).toMatchObject({ status: 401, json: { result: 401, resultData: {} } })
    expect(refused.header('www-authenticate')).toBe('Bearer')
    expect(refused.header('connection')).toBe('close')
    expect(refused.header('x-request-id')).toEqual(expect.any(String))
  }
  expect(world.sim.requests()).toEqual([])
  expect(
    await world.metric('isales_proxy_requests_total{outcome="refused",cause="not-logged-in"}'),
  ).toBe(4)
})

const CHUNKED = 'Transfer-Encoding: chunked'
const ONE = ' '
const chunkOf = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

test('login and refresh may come in chunks, as calls may', async () => {
  const world = await openWorld({ env: REQUIRE })
  const client = await connectRaw(world)
  const send = async (path: string, body: string) => {
    const parts = body.split('').map(chunkOf)
    await client.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${CHUNKED}\r\n\r\n${parts[0]}`)
    await client.send(`${parts.slice(1).join('')}0\r\n\r\n`)
    const { status, text } = await client.read()
    return { status, ...(JSON.parse(text) as { resultData: { refreshToken: string } }) }
  }
  const { status, resultData } = await send(LOGIN_PATH, BODY)
  const { refreshToken } = resultData
  expect(status).toBe(200)
  expect(await send(REFRESH_PATH, JSON.stringify({ refreshToken }))).toMatchObject({ status: 200 })
})

test('a login that waits for 100 gets it', async () => {
  const world = await openWorld({ env: REQUIRE })
  const client = await connectRaw(world)
  const fields = `Host: localhost\r\nExpect: 100-continue\r\nContent-Length: ${BODY.length}`
  await client.send(`POST ${LOGIN_PATH} HTTP/1.1\r\n${fields}\r\n\r\n`)
  expect((await client.readInterim()).status).toBe(100)
  await client.send(BODY.slice(0, 10))
  await client.send(BODY.slice(10))
  expect((await client.read()).status).toBe(200)
})

test.each([
  ['a login over 2 KiB', 400, LOGIN_PATH, 'Content-Length: 2049', ''],
  ['a login over 2 KiB in chunks', 400, LOGIN_PATH, CHUNKED, chunkOf('x'.repeat(2049))],
  ['a refresh that goes on in chunks', 403, REFRESH_PATH, CHUNKED, chunkOf(ONE).repeat(3000)],
])('%s gets a %s before its body ends', async (...row) => {
  const [, status, path, field, begun] = row
  const world = await openWorld({ env: REQUIRE })
  const client = await connectRaw(world)
  await client.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${field}\r\n\r\n${begun}`)
  const response = await client.read()
  // The rest is dropped.
  await client.send('x'.repeat(100_000))
  expect([response.status, response.header('connection')]).toEqual([status, 'close'])
  expect(JSON.parse(response.text)).toEqual({ result: status, resultData: {} })
  expect((await client.closed()).left.length).toBe(0)
  expect(world.lines).toContainEqual(
    expect.objectContaining({
      event: 'obs-login-refused',
      reason: status === 403 ? 'rejected' : 'malformed',
    }),
  )
})

test('a login that breaks off gets a 400, once, and nothing is printed', async () => {
  const world = await openWorld()
  const printed = vi.spyOn(console, 'error')
  const begun = `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"us`
  const client = await connectRaw(world)
  await client.send(begun)
  client.end()
  expect((await client.read()).status).toBe(400)
  expect((await client.closed()).left.length).toBe(0)
  const gone = await connectRaw(world)
  await gone.send(begun)
  gone.reset()
  expect((await world.post(LOGIN_PATH, ACCOUNT)).status).toBe(200)
  expect(printed).not.toHaveBeenCalled()
})

test.each(['answer', 'require'])(
  '%s: no spelling of the login or refresh path reaches iSales with the real token',
  async (mode) => {
    const world = await openWorld({
      env: { ...(mode === 'require' && REQUIRE), ALLOWED_PATHS: '/' },
    })
    const token = mode === 'require' ? (await ticketsOf(world)).token : 'none'
    // More of them are in test/proxy/paths.test.ts.
    const spellings = [
      `${REFRESH_PATH}/`,
      REFRESH_PATH.replace('auth', '%2561uth'),
      REFRESH_PATH.replace('auth', 'x%2f../auth'),
      REFRESH_PATH.replace('/refresh', '/;a/../refresh'),
      REFRESH_PATH.replace('/auth', '//auth'),
      `${LOGIN_PATH}~`,
    ]
    for (const path of spellings) {
      const response = await world.post(path, ACCOUNT, { Authorization: `Bearer ${token}` })
      const held = world.sim.issued().filter((real) => response.text.includes(real))
      expect([path, held, response.status]).toEqual([path, [], 403])
    }
    expect(world.sim.requests()).toEqual([])
    expect(attemptsAtIsales(world)).toBe(1)
    const refused = 'isales_proxy_requests_total{outcome="refused",cause="auth-path"}'
    expect(await world.metric(refused)).toBeGreaterThan(0)
  },
)

test('where login and refresh are configured elsewhere, the published ones do not reach iSales either', async () => {
  const env = { ISALES_LOGIN_PATH: '/signin', ISALES_REFRESH_PATH: '/renew' }
  const stand = await openStand({ env })
  for (const path of [LOGIN_PATH, REFRESH_PATH, `${REFRESH_PATH.toUpperCase()}/x`]) {
    const request = requestText(`POST ${path} HTTP/1.1`, ['Host: localhost'], BODY)
    expect([path, (await stand.exchange(request)).status]).toEqual([path, 403])
  }
  expect(stand.business()).toEqual([])
})
