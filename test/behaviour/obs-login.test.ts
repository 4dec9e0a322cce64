import { describe, expect, test, vi } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import type { Calling } from '../support/call.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { openWorld, type World } from '../support/world.ts'

const REQUIRE: Environment = {
  OBS_LOGIN: 'require',
  OBS_USER: 'cti',
  OBS_PASSWORD: 'cti-password',
}
const RIGHT = { user: 'cti', passwd: 'cti-password' }

function post(world: World, path: string, body: unknown, headers: Calling['headers'] = {}) {
  return world.request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

function tasks(world: World, headers: Calling['headers'] = {}) {
  return post(world, INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, headers)
}

async function ticketsOf(world: World) {
  const { json } = await post(world, LOGIN_PATH, RIGHT)
  const { token, refreshToken } = json.resultData ?? {}
  return { token: String(token), refreshToken: String(refreshToken) }
}

/** Logins and refreshes of the proxy itself are all that iSales may ever see of them. */
function attemptsAtIsales(world: World): number {
  const { loginAttempts, refreshAttempts } = world.sim.state()
  return loginAttempts + refreshAttempts
}

describe('answer, the default on loopback', () => {
  test('whoever logs in gets a ticket and not the token, and calls need none', async () => {
    const world = await openWorld()
    const login = await post(world, LOGIN_PATH, { user: 'anyone', passwd: 'anything' })
    expect(login.status).toBe(200)
    expect(login.json.result).toBe(0)
    expect(world.sim.issued()).not.toContain(login.json.resultData?.['token'])
    expect((await tasks(world)).status).toBe(200)
    expect((await tasks(world, { Authorization: 'Bearer anything' })).status).toBe(200)
    expect(attemptsAtIsales(world)).toBe(1)
    expect(await world.metric('isales_proxy_obs_logins_total{outcome="success"}')).toBe(1)
  })
})

const BODY = JSON.stringify(RIGHT)

/** The login with this target and version, and these fields. */
function login(start: string, fields: readonly string[]): string {
  return [`POST ${start}`, ...fields, `Content-Length: ${BODY.length}`, '', BODY].join('\r\n')
}

describe.each(['answer', 'require'])('%s: a login is a login', (mode) => {
  test.each([
    ['of HTTP/1.0 without Host', `${LOGIN_PATH} HTTP/1.0`, []],
    ['of HTTP/1.0 with Host', `${LOGIN_PATH} HTTP/1.0`, ['Host: localhost']],
    ['in absolute form', `http://localhost${LOGIN_PATH} HTTP/1.1`, ['Host: localhost']],
    ['in absolute form, shouted', `HTTP://LOCALHOST:80${LOGIN_PATH} HTTP/1.1`, ['Host: x']],
    ['in absolute form of HTTP/1.0', `http://localhost${LOGIN_PATH} HTTP/1.0`, []],
    ['with an empty port', `${LOGIN_PATH} HTTP/1.1`, ['Host: localhost:']],
    ['with port 0', `${LOGIN_PATH} HTTP/1.1`, ['Host: localhost:0']],
    ['with leading zeros', `${LOGIN_PATH} HTTP/1.1`, ['Host: LOCALHOST:00080']],
    ['with the last port', `${LOGIN_PATH} HTTP/1.1`, ['Host: [::1]:65535']],
    ['with a query', `${LOGIN_PATH}?a={b}|^ HTTP/1.1`, ['Host: localhost']],
  ])('%s', async (_name, start, fields) => {
    const world = await openWorld({ env: { ...REQUIRE, OBS_LOGIN: mode } })
    const port = Number(new URL(world.proxy).port)
    const response = await exchangeRaw({ port }, login(start, fields))
    expect(response.status).toBe(200)
    expect(JSON.parse(response.text)).toMatchObject({ result: 0 })
    expect(attemptsAtIsales(world)).toBe(1)
  })

  test('unless its port is one that no machine has', async () => {
    const world = await openWorld({ env: { ...REQUIRE, OBS_LOGIN: mode } })
    const port = Number(new URL(world.proxy).port)
    const response = await exchangeRaw(
      { port },
      login(`${LOGIN_PATH} HTTP/1.1`, ['Host: localhost:99999']),
    )
    expect([response.status, response.header('connection')]).toEqual([400, 'close'])
    expect(JSON.parse(response.text)).toMatchObject({ code: 'bad-request' })
  })
})

describe('require', () => {
  test('a wrong password gets 403 in the published shape, and iSales never hears of it', async () => {
    const world = await openWorld({ env: REQUIRE })
    const login = await post(world, LOGIN_PATH, { ...RIGHT, passwd: 'wrong' })
    expect(login.status).toBe(403)
    expect(login.json).toEqual({ result: 403, resultData: {} })
    expect(attemptsAtIsales(world)).toBe(1)
    expect(await world.metric('isales_proxy_obs_logins_total{outcome="rejected"}')).toBe(1)
  })

  test('wrong passwords are slowed: five at once, then 429', async () => {
    const world = await openWorld({ env: REQUIRE })
    const statuses: number[] = []
    for (let n = 0; n < 10; n += 1)
      statuses.push((await post(world, LOGIN_PATH, { ...RIGHT, passwd: `${n}` })).status)
    expect(statuses.slice(0, 5)).toEqual([403, 403, 403, 403, 403])
    expect(statuses).toContain(429)
    expect(attemptsAtIsales(world)).toBe(1)
  })

  test('a right password is not refused because of the wrong ones of others', async () => {
    const world = await openWorld({ env: REQUIRE })
    const port = Number(new URL(world.proxy).port)
    const loginFrom = async (from: string, passwd: string): Promise<number> => {
      const body = JSON.stringify({ ...RIGHT, passwd })
      const lines = [`POST ${LOGIN_PATH} HTTP/1.1`, 'Host: localhost']
      const request = [...lines, `Content-Length: ${body.length}`, '', body].join('\r\n')
      return (await exchangeRaw({ port, from }, request)).status
    }
    const statuses = { wrong: new Set<number>(), right: new Set<number>() }
    for (let n = 0; n < 100; n += 1) {
      statuses.wrong.add(await loginFrom(`127.0.1.${n % 4}`, 'wrong'))
      if (n % 5 === 0) statuses.right.add(await loginFrom('127.0.0.1', RIGHT.passwd))
    }
    expect(statuses).toEqual({ wrong: new Set([403, 429]), right: new Set([200]) })
    expect(world.lines.filter(({ event }) => event === 'obs-login-refused')).toHaveLength(2)
  })

  test.each<[string, (ticket: string) => Record<string, string>]>([
    ['Authorization with Bearer', (ticket) => ({ Authorization: `Bearer ${ticket}` })],
    ['Authentication with Bearer', (ticket) => ({ Authentication: `Bearer ${ticket}` })],
    ['either of them, bare', (ticket) => ({ Authentication: ticket })],
  ])('a ticket in %s opens the way', async (_name, fields) => {
    const world = await openWorld({ env: REQUIRE })
    const { token } = await ticketsOf(world)
    expect((await tasks(world, fields(token))).status).toBe(200)
  })

  test('none, a forged and a foreign one get 401 in the published shape, and stay here', async () => {
    const world = await openWorld({ env: REQUIRE })
    const other = await openWorld({ env: { ...REQUIRE, OBS_PASSWORD: 'another' } })
    const foreign = await post(other, LOGIN_PATH, { ...RIGHT, passwd: 'another' })
    const { token } = await ticketsOf(world)
    const values = [
      undefined,
      token.replace(/^.{4}/, 'AAAA'),
      String(foreign.json.resultData?.['token']),
      world.sim.issued()[0],
    ]
    for (const value of values) {
      const refused = await tasks(world, value === undefined ? {} : { Authorization: value })
      expect(refused.status).toBe(401)
      expect(refused.header('www-authenticate')).toBe('Bearer')
      expect(refused.json).toEqual({ result: 401, resultData: {} })
    }
    expect(world.sim.requests()).toEqual([])
    expect(await world.metric('isales_proxy_request_errors_total{code="not-logged-in"}')).toBe(4)
  })

  test('a ticket ends when it says', async () => {
    let wallNow = Date.now()
    const world = await openWorld({
      env: { ...REQUIRE, OBS_TICKET_LIFETIME: '10m' },
      wallClock: () => wallNow,
    })
    const { token, refreshToken } = await ticketsOf(world)
    const fields = { Authorization: `Bearer ${token}` }
    expect((await tasks(world, fields)).status).toBe(200)
    wallNow += 600_000
    expect((await tasks(world, fields)).status).toBe(401)
    const renewed = await post(world, REFRESH_PATH, { refreshToken }, fields)
    const bearer = `Bearer ${String(renewed.json.resultData?.['token'])}`
    expect((await tasks(world, { Authorization: bearer })).status).toBe(200)
    expect(attemptsAtIsales(world)).toBe(1)
  })

  test('refreshes end with the session, and a login begins another', async () => {
    let wallNow = Date.now()
    const world = await openWorld({
      env: { ...REQUIRE, OBS_TICKET_LIFETIME: '10m', OBS_SESSION_MAX_AGE: '1h' },
      wallClock: () => wallNow,
    })
    let { refreshToken } = await ticketsOf(world)
    for (let minutes = 0; minutes < 60; minutes += 20) {
      const { json } = await post(world, REFRESH_PATH, { refreshToken })
      refreshToken = String(json.resultData?.['refreshToken'])
      wallNow += 20 * 60_000
    }
    expect((await post(world, REFRESH_PATH, { refreshToken })).status).toBe(403)
    expect((await post(world, LOGIN_PATH, RIGHT)).status).toBe(200)
  })

  test('a ticket survives a restart and is good at a replica with the same key', async () => {
    const first = await openWorld({ env: REQUIRE })
    const { token } = await ticketsOf(first)
    await first.stop()
    const second = await openWorld({ env: REQUIRE })
    expect((await tasks(second, { Authorization: `Bearer ${token}` })).status).toBe(200)
  })

  test('a login that waits for 100 gets it', async () => {
    const world = await openWorld({ env: REQUIRE })
    const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
    const fields = `Host: localhost\r\nExpect: 100-continue\r\nContent-Length: ${BODY.length}`
    await client.send(`POST ${LOGIN_PATH} HTTP/1.1\r\n${fields}\r\n\r\n`)
    expect((await client.readInterim()).status).toBe(100)
    await client.send(BODY.slice(0, 10))
    await client.send(BODY.slice(10))
    expect((await client.read()).status).toBe(200)
    client.destroy()
  })

  test.each([LOGIN_PATH, REFRESH_PATH])(
    '%s in chunks gets a 411 before they come',
    async (path) => {
      const world = await openWorld({ env: REQUIRE })
      const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
      const fields = 'Host: localhost\r\nTransfer-Encoding: chunked'
      await client.send(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)
      const response = await client.read()
      expect([response.status, response.header('connection')]).toEqual([411, 'close'])
      expect(JSON.parse(response.text)).toEqual({ result: 411, resultData: {} })
      client.destroy()
    },
  )
})

test('forward: login and refresh are refused and do not reach iSales, calls need no ticket', async () => {
  const world = await openWorld({ env: { OBS_LOGIN: 'forward' } })
  const { user, password } = world.sim.switches
  expect((await post(world, LOGIN_PATH, { user, passwd: password })).status).toBe(403)
  expect((await post(world, REFRESH_PATH, { refreshToken: 'any' })).status).toBe(403)
  expect(attemptsAtIsales(world)).toBe(1)
  expect((await tasks(world)).status).toBe(200)
})

test.each(['answer', 'require', 'forward'])(
  '%s: no spelling of the login or refresh path reaches iSales with the real token',
  async (mode) => {
    const world = await openWorld({ env: { ...REQUIRE, OBS_LOGIN: mode, ALLOWED_PATHS: '/' } })
    const token = mode === 'require' ? (await ticketsOf(world)).token : 'none'
    const spellings = [
      `${REFRESH_PATH}/`,
      REFRESH_PATH.replace('auth', '%61uth'),
      REFRESH_PATH.replace('auth', 'AUTH'),
      REFRESH_PATH.replace('/auth', '//auth'),
      `${REFRESH_PATH};a=b`,
      `${REFRESH_PATH}.json`,
      `${REFRESH_PATH}%3Fa`,
      `${REFRESH_PATH}%23a`,
      `${LOGIN_PATH}~`,
      `${LOGIN_PATH}%7f`,
      `${LOGIN_PATH}/more`,
      LOGIN_PATH.slice(0, -1),
      LOGIN_PATH.replace('auth', '%25252561uth'),
    ]
    for (const path of spellings) {
      const response = await post(world, path, RIGHT, { Authorization: `Bearer ${token}` })
      const held = world.sim.issued().filter((real) => response.text.includes(real))
      expect([path, held, response.status]).toEqual([path, [], 403])
    }
    expect(world.sim.requests()).toEqual([])
    expect(attemptsAtIsales(world)).toBe(1)
  },
)

test('numbers are strings where CTI-OBS wants them so', async () => {
  const world = await openWorld({ env: { OBS_NUMBERS: 'string' } })
  const { json } = await post(world, LOGIN_PATH, RIGHT)
  expect(json.result).toBe('0')
  expect(json.resultData).toMatchObject({
    tokenExpirationTime: '3600',
    refreshExpirationTime: '43200',
  })
})

test('a login that is announced to be over 2 KiB is refused before it comes', async () => {
  const world = await openWorld()
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  const head = `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2049\r\n\r\n`
  await client.send(head)
  const response = await client.read()
  expect([response.status, response.header('connection')]).toEqual([400, 'close'])
  expect((await client.closed()).left.length).toBe(0)
  expect(world.lines).toContainEqual(
    expect.objectContaining({ event: 'obs-login-refused', reason: 'malformed' }),
  )
})

test('a login that breaks off is with a response 400, once, and nothing is printed', async () => {
  const world = await openWorld()
  const printed = vi.spyOn(console, 'error')
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  await client.send(
    `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"us`,
  )
  client.end()
  expect((await client.read()).status).toBe(400)
  expect((await client.closed()).left.length).toBe(0)
  const gone = await connectRaw({ port: Number(new URL(world.proxy).port) })
  await gone.send(
    `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"us`,
  )
  gone.reset()
  expect((await post(world, LOGIN_PATH, RIGHT)).status).toBe(200)
  expect(printed).not.toHaveBeenCalled()
})
