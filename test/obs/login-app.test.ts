import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createObsApp } from '../../src/obs/login-app.ts'
import { createThrottle } from '../../src/obs/login-throttle.ts'
import { createTickets } from '../../src/obs/tickets.ts'
import { manualClock } from '../support/manual-clock.ts'

const LOGIN = '/obs/auth/login'
const REFRESH = '/obs/auth/refresh'
const RIGHT = { user: 'cti', passwd: 'pässword' }
const WRONG = { user: 'cti', passwd: 'password' }

interface LoginResponse {
  readonly result: unknown
  readonly resultData: Readonly<Record<string, unknown>> & { readonly token: string }
}

/** A response with this status has the published shape. */
async function expectRefused(response: Response, status: number): Promise<void> {
  expect([response.status, await response.json()]).toEqual([
    status,
    { result: status, resultData: {} },
  ])
}

async function bodyOf(response: Response): Promise<LoginResponse> {
  return (await response.json()) as LoginResponse
}

function start(mode: 'answer' | 'require' = 'require') {
  const clock = manualClock()
  const outcomes: string[] = []
  const config = {
    obsUser: mode === 'require' ? 'cti' : undefined,
    obsPassword: mode === 'require' ? new Secret('pässword') : undefined,
    isalesLoginPath: LOGIN,
    obsRefreshPath: REFRESH,
  }
  const tickets = createTickets(undefined, () => clock.now())
  const app = createObsApp(config, tickets, {
    throttle: createThrottle(() => clock.now()),
    onLogin: (outcome) => outcomes.push(`login ${outcome}`),
    onRefresh: (outcome) => outcomes.push(`refresh ${outcome}`),
  })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    app.request(
      path,
      { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers },
      { address: '192.0.2.1' },
    )
  const statusFrom = async (address: string, body: unknown): Promise<number> => {
    const request = { method: 'POST', body: JSON.stringify(body) }
    return (await app.request(LOGIN, request, { address })).status
  }
  return { app, post, statusFrom, tickets, outcomes, clock }
}

test('answer: every login gets tickets in the published shape', async () => {
  const { post, tickets, outcomes } = start('answer')
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
  expect(tickets.isValid(resultData.token)).toBe(true)
  expect(outcomes).toEqual(['login success'])
})

test('require: only the configured user with the configured password gets a ticket', async () => {
  const { post, outcomes } = start()
  expect((await post(LOGIN, RIGHT)).status).toBe(200)
  for (const body of [WRONG, { ...RIGHT, user: 'other' }, { user: '', passwd: '' }])
    await expectRefused(await post(LOGIN, body), 403)
  expect(outcomes).toEqual(
    ['success', 'rejected', 'rejected', 'rejected'].map((it) => `login ${it}`),
  )
})

test.each([
  // Anybody may log in, so a ticket of an earlier process is renewed, too.
  ['answer', ['success', 'success']],
  ['require', ['success', 'rejected']],
] as const)('with %s a good and a bad refresh end with %s', async (mode, expected) => {
  const { post, tickets, outcomes } = start(mode)
  const good = await post(REFRESH, { refreshToken: tickets.issue().refreshToken })
  const bad = await post(REFRESH, { refreshToken: 'of an earlier process' })
  expect([good, bad].map(({ status }) => (status === 200 ? 'success' : 'rejected'))).toEqual(
    expected,
  )
  expect(outcomes).toEqual(expected.map((outcome) => `refresh ${outcome}`))
})

test('another method gets 405, and leaves a trace, too', async () => {
  const { app, outcomes } = start('answer')
  for (const path of [LOGIN, REFRESH]) {
    const response = await app.request(path, {}, {})
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  }
  expect(outcomes).toEqual(['login malformed', 'refresh rejected'])
})

test('after five wrong passwords in a second even the right one of that address must wait', async () => {
  const { post, outcomes, clock } = start()
  // A long pause allows no more.
  await clock.advance(3_600_000)
  for (let n = 0; n < 5; n += 1) expect((await post(LOGIN, WRONG)).status).toBe(403)
  const throttled = await post(LOGIN, RIGHT)
  expect(throttled.headers.get('retry-after')).toBe('1')
  await expectRefused(throttled, 429)
  await clock.advance(199)
  expect((await post(LOGIN, RIGHT)).status).toBe(429)
  await clock.advance(1)
  for (let n = 0; n < 50; n += 1) expect((await post(LOGIN, RIGHT)).status).toBe(200)
  expect(outcomes.filter((outcome) => outcome === 'login throttled')).toHaveLength(2)
})

test('all addresses together try fifty wrong passwords a second, and nobody else waits', async () => {
  const { statusFrom, clock } = start()
  const tried: number[] = []
  for (const pause of [0, 1000, 60_001]) {
    await clock.advance(pause)
    let count = 0
    for (let n = 0; n < 200; n += 1)
      if ((await statusFrom(`198.51.100.${n % 100}`, WRONG)) === 403) count += 1
    tried.push(count)
    expect(await statusFrom('192.0.2.1', RIGHT)).toBe(200)
  }
  // The first of each address, and fifty more.
  expect(tried).toEqual([150, 50, 150])
})

test.each([
  ['nonsense'],
  [''],
  ['null'],
  ['[]'],
  [{ user: 'cti' }],
  [{ user: 1, passwd: 'x' }],
  [{ user: 'cti', passwd: {} }],
])('a login with the body %j gets 400 in the published shape', async (body) => {
  const { post, outcomes } = start('answer')
  await expectRefused(await post(LOGIN, body), 400)
  expect(outcomes).toEqual(['login malformed'])
})

test.each<readonly [string, (refresh: string) => [body: unknown, Record<string, string>]]>([
  // As in the English edition, whose clients have an access ticket in the header.
  ['in the body', (refreshToken) => [{ refreshToken }, { Authentication: 'Bearer access' }]],
  // As the Chinese text says.
  ['in Authentication alone', (refresh) => ['', { Authentication: `Bearer ${refresh}` }]],
  ['in Authorization alone, bare', (refresh) => ['', { Authorization: refresh }]],
])('a refresh ticket %s renews', async (_name, requestOf) => {
  const { post, tickets } = start()
  const { token: access, refreshToken: refresh } = tickets.issue()
  const response = await post(REFRESH, ...requestOf(refresh))
  expect(response.status).toBe(200)
  const { token } = (await bodyOf(response)).resultData
  expect([tickets.isValid(token), token === access]).toEqual([true, false])
})

test('an access ticket, a forged one, an ended one and none at all are refused', async () => {
  const { post, tickets, clock } = start()
  const { token: access, refreshToken: refresh } = tickets.issue()
  const forged = refresh.replace(/^.{4}/, 'AAAA')
  for (const refreshToken of [access, forged, 7, undefined])
    await expectRefused(await post(REFRESH, { refreshToken }), 403)
  await clock.advance(12 * 3_600_000)
  expect((await post(REFRESH, { refreshToken: refresh })).status).toBe(403)
})
