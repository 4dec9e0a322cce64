import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { ObsLoginOutcome, ObsRefreshOutcome } from '../../src/http/ended.ts'
import { createObsApp, type ObsAppOptions, type ObsLogin } from '../../src/login/app.ts'
import { createTickets } from '../../src/login/tickets.ts'

const LOGIN = '/obs/auth/login'
const REFRESH = '/obs/auth/refresh'
const REQUIRE: ObsLogin = { mode: 'require', user: 'cti', password: new Secret('pässword') }
const RIGHT = { user: 'cti', passwd: 'pässword' }
const WRONG = { user: 'cti', passwd: 'password' }

interface LoginResponse {
  readonly result: unknown
  readonly resultData: Readonly<Record<string, unknown>> & { readonly token: string }
}

async function bodyOf(response: Response): Promise<LoginResponse> {
  return (await response.json()) as LoginResponse
}

function start(login: ObsLogin, options: Partial<ObsAppOptions> = {}) {
  const clock = { now: 1_000_000 }
  const outcomes: ObsLoginOutcome[] = []
  const refreshes: ObsRefreshOutcome[] = []
  const tickets = createTickets({
    key: new Secret('key'),
    password: undefined,
    lifetime: 3_600_000,
    maxAge: 86_400_000,
    now: () => 1_764_000_000_000 + clock.now,
  })
  const app = createObsApp({
    login,
    tickets,
    loginPath: LOGIN,
    refreshPath: REFRESH,
    numbers: 'number',
    now: () => clock.now,
    onLogin: (outcome) => outcomes.push(outcome),
    onRefresh: (outcome) => refreshes.push(outcome),
    ...options,
  })
  const post = (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    address = '192.0.2.1',
  ) =>
    app.request(
      path,
      {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers,
      },
      { address },
    )
  return { app, post, tickets, outcomes, refreshes, clock }
}

test('answer: every login gets tickets in the published shape', async () => {
  const { post, tickets, outcomes } = start({ mode: 'answer' })
  const response = await post(LOGIN, { user: 'anyone', passwd: 'anything' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json;charset=UTF-8')
  expect(response.headers.get('cache-control')).toBe('no-store')
  const { result, resultData } = await bodyOf(response)
  expect(result).toBe(0)
  expect(resultData).toEqual({
    token: expect.any(String),
    tokenExpirationTime: 3600,
    refreshToken: expect.any(String),
    refreshExpirationTime: 43_200,
  })
  expect(tickets.verify(resultData.token)).toBe('valid')
  expect(outcomes).toEqual(['success'])
})

test('numbers are strings where OBS_NUMBERS says so', async () => {
  const { post } = start({ mode: 'answer' }, { numbers: 'string' })
  const granted = await bodyOf(await post(LOGIN, RIGHT))
  expect(granted.result).toBe('0')
  expect(granted.resultData['tokenExpirationTime']).toBe('3600')
  expect(granted.resultData['refreshExpirationTime']).toBe('43200')
  expect(await (await post(LOGIN, 'nonsense')).json()).toEqual({ result: '400', resultData: {} })
})

test('require: only the configured user with the configured password gets a ticket', async () => {
  const { post, outcomes } = start(REQUIRE)
  expect((await post(LOGIN, RIGHT)).status).toBe(200)
  for (const body of [WRONG, { ...RIGHT, user: 'other' }, { user: '', passwd: '' }]) {
    const response = await post(LOGIN, body)
    expect(response.status).toBe(403)
    expect(await response.json()).toEqual({ result: 403, resultData: {} })
  }
  expect(outcomes).toEqual(['success', 'rejected', 'rejected', 'rejected'])
})

test('forward: no login and no refresh gets a ticket', async () => {
  const { post, tickets, outcomes } = start({ mode: 'forward' })
  expect((await post(LOGIN, RIGHT)).status).toBe(403)
  expect((await post(REFRESH, { refreshToken: tickets.issue().refresh })).status).toBe(403)
  expect(outcomes).toEqual(['rejected'])
})

test.each<readonly [ObsLogin, readonly ObsRefreshOutcome[]]>([
  [{ mode: 'answer' }, ['success', 'success']],
  [REQUIRE, ['success', 'rejected']],
  [{ mode: 'forward' }, ['rejected', 'rejected']],
])('with $mode a good and a bad refresh end with %s', async (login, expected) => {
  const { post, tickets, refreshes, outcomes } = start(login)
  await post(REFRESH, { refreshToken: tickets.issue().refresh })
  await post(REFRESH, { refreshToken: 'none' })
  expect(refreshes).toEqual(expected)
  expect(outcomes).toEqual([])
})

test('a login or refresh by another method leaves a trace, too', async () => {
  const { app, outcomes, refreshes } = start({ mode: 'answer' })
  expect((await app.request(LOGIN)).status).toBe(405)
  expect((await app.request(REFRESH)).status).toBe(405)
  expect([outcomes, refreshes]).toEqual([['malformed'], ['rejected']])
})

test('after five wrong passwords in a second even the right one of that address must wait', async () => {
  const { post, outcomes, clock } = start(REQUIRE)
  for (let n = 0; n < 5; n += 1) expect((await post(LOGIN, WRONG)).status).toBe(403)
  const throttled = await post(LOGIN, RIGHT)
  expect(throttled.status).toBe(429)
  expect(throttled.headers.get('retry-after')).toBe('1')
  expect(await throttled.json()).toEqual({ result: 429, resultData: {} })
  clock.now += 199
  expect((await post(LOGIN, RIGHT)).status).toBe(429)
  clock.now += 1
  expect((await post(LOGIN, RIGHT)).status).toBe(200)
  expect(outcomes.filter((outcome) => outcome === 'throttled')).toHaveLength(2)
})

test('the wrong passwords of others are no reason to refuse a right one', async () => {
  const { post, clock } = start(REQUIRE)
  const from = async (address: string, body: unknown): Promise<number> =>
    (await post(LOGIN, body, {}, address)).status
  for (let n = 0; n < 200; n += 1) await from(`198.51.100.${n % 100}`, WRONG)
  expect(await from('192.0.2.1', RIGHT)).toBe(200)
  clock.now += 1000
  // An address of one IPv6 network stands for all of them.
  for (let n = 0; n < 5; n += 1) expect(await from(`2001:db8::${n}`, WRONG)).toBe(403)
  expect(await from('2001:db8::ffff', RIGHT)).toBe(429)
  expect(await from('2001:db8:0:1::1', RIGHT)).toBe(200)
})

test('all addresses together try fifty wrong passwords a second, and each one more a minute', async () => {
  const { post, clock } = start(REQUIRE)
  const wrong = async (): Promise<number> => {
    let tried = 0
    for (let n = 0; n < 600; n += 1)
      if ((await post(LOGIN, WRONG, {}, `198.51.100.${n % 200}`)).status === 403) tried += 1
    return tried
  }
  // The first of each address, and fifty more.
  expect(await wrong()).toBe(250)
  clock.now += 1000
  expect(await wrong()).toBe(50)
  clock.now += 60_001
  expect(await wrong()).toBe(250)
})

test('a /48 of IPv6 tries fifty wrong passwords a second, and no other network waits for it', async () => {
  const { post, clock } = start(REQUIRE)
  const from = async (address: string, body: unknown): Promise<number> =>
    (await post(LOGIN, body, {}, address)).status
  let next = 0
  const tried = async (): Promise<number> => {
    let compared = 0
    for (let n = 0; n < 200; n += 1) {
      next += 1
      if ((await from(`2001:db8:0:${next.toString(16)}::1`, WRONG)) === 403) compared += 1
    }
    return compared
  }
  expect(await tried()).toBe(50)
  expect(await from('2001:db8:0:ffff::1', RIGHT)).toBe(429)
  expect(await from('2001:db8:1::1', RIGHT)).toBe(200)
  expect(await from('192.0.2.1', RIGHT)).toBe(200)
  clock.now += 1000
  expect(await tried()).toBe(50)
})

test('right passwords are never throttled', async () => {
  const { post } = start(REQUIRE)
  for (let n = 0; n < 50; n += 1) expect((await post(LOGIN, RIGHT)).status).toBe(200)
})

test('a long pause allows no more than one second of wrong passwords', async () => {
  const { post, clock } = start(REQUIRE)
  clock.now += 3_600_000
  for (let n = 0; n < 5; n += 1) expect((await post(LOGIN, WRONG)).status).toBe(403)
  expect((await post(LOGIN, WRONG)).status).toBe(429)
})

test.each([
  ['no JSON', 'nonsense'],
  ['an empty body', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['no password', { user: 'cti' }],
  ['a number for a user', { user: 1, passwd: 'x' }],
  ['an object for a password', { user: 'cti', passwd: {} }],
])('a login with %s gets 400 in the published shape', async (_name, body) => {
  const { post, outcomes } = start({ mode: 'answer' })
  const response = await post(LOGIN, body)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({ result: 400, resultData: {} })
  expect(outcomes).toEqual(['malformed'])
})

test('a body over 2 KiB gets 400, also when its length is not what was announced', async () => {
  const { post, outcomes } = start({ mode: 'answer' })
  const large = { user: 'x'.repeat(2048), passwd: 'x' }
  expect((await post(LOGIN, large, { 'Content-Length': '2081' })).status).toBe(400)
  expect((await post(LOGIN, large, { 'Content-Length': '10' })).status).toBe(400)
  expect(outcomes).toEqual(['malformed', 'malformed'])
})

test('a refresh ticket in the body renews, as in the English edition', async () => {
  const { post, tickets } = start(REQUIRE)
  const { access, refresh } = tickets.issue()
  const headers = { Authentication: `Bearer ${access}` }
  const response = await post(REFRESH, { refreshToken: refresh }, headers)
  expect(response.status).toBe(200)
  const { resultData } = await bodyOf(response)
  expect(tickets.verify(resultData.token)).toBe('valid')
  expect(resultData.token).not.toBe(access)
})

test.each(['Authentication', 'Authorization'])(
  'a refresh ticket in %s alone renews, as the Chinese text says',
  async (field) => {
    const { post, tickets } = start(REQUIRE)
    const { refresh } = tickets.issue()
    for (const value of [refresh, `Bearer ${refresh}`])
      expect((await post(REFRESH, '', { [field]: value })).status).toBe(200)
  },
)

test('an access ticket, a forged one, an ended one and none at all are refused', async () => {
  const { post, tickets, clock } = start(REQUIRE)
  const { access, refresh } = tickets.issue()
  const forged = refresh.replace(/^.{4}/, 'AAAA')
  for (const body of [
    { refreshToken: access },
    { refreshToken: forged },
    { refreshToken: 7 },
    {},
  ]) {
    const response = await post(REFRESH, body)
    expect(response.status).toBe(403)
    expect(await response.json()).toEqual({ result: 403, resultData: {} })
  }
  clock.now += 12 * 3_600_000
  expect((await post(REFRESH, { refreshToken: refresh })).status).toBe(403)
})

test('answer: a refresh ticket of an earlier process is renewed, for anybody may log in', async () => {
  const { post } = start({ mode: 'answer' })
  expect((await post(REFRESH, { refreshToken: 'of an earlier process' })).status).toBe(200)
})

test('other methods get 405, and other paths 404, in the published shape', async () => {
  const { app, post } = start({ mode: 'answer' })
  for (const path of [LOGIN, REFRESH]) {
    const response = await app.request(path)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
  }
  const response = await post('/obs/auth/login/', RIGHT)
  expect(response.status).toBe(404)
  expect(await response.json()).toEqual({ result: 404, resultData: {} })
})
