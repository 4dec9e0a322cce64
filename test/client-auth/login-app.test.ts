import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createObsApp } from '../../src/client-auth/login-app.ts'
import { createThrottle } from '../../src/client-auth/login-app.ts'
import { createTickets } from '../../src/client-auth/tickets.ts'
import { manualClock } from '../support/manual-clock.ts'

const LOGIN = '/obs/auth/login'
const REFRESH = '/obs/auth/refresh'
const RIGHT = { user: 'cti', passwd: 'pässword' }
const WRONG = { user: 'cti', passwd: 'password' }

const refusal = (status: number) => [status, { result: status, resultData: {} }]
const saidBy = async (response: Response) => [response.status, await response.json()]

function start(mode: 'answer' | 'require' = 'require') {
  const clock = manualClock()
  const isOpen = mode === 'answer'
  const config = {
    obsUser: isOpen ? undefined : 'cti',
    obsPassword: isOpen ? undefined : new Secret('pässword'),
    isalesLoginPath: LOGIN,
    obsRefreshPath: REFRESH,
  }
  const tickets = createTickets(undefined, () => clock.now())
  const app = createObsApp(
    config,
    tickets,
    createThrottle(() => clock.now()),
  )
  const post = (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    address = '192.0.2.1',
  ) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const incoming = Readable.from([Buffer.from(text)])
    return app.request(path, { method: 'POST', headers }, { address, incoming })
  }
  return { app, post, tickets, clock }
}

test('answer: every login gets tickets in the published shape', async () => {
  const { post, tickets } = start('answer')
  const response = await post(LOGIN, { user: 'anyone', passwd: 'anything' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json;charset=UTF-8')
  expect(response.headers.get('cache-control')).toBe('no-store')
  const body = (await response.json()) as { resultData: { token: string } }
  expect(body).toEqual({
    result: 0,
    resultData: {
      token: expect.any(String),
      tokenExpirationTime: 3600,
      refreshToken: expect.any(String),
      refreshExpirationTime: 43_200,
    },
  })
  expect(tickets.isValid(body.resultData.token)).toBe(true)
})

test.each([
  [RIGHT, 200],
  [WRONG, 403],
  [{ ...RIGHT, user: 'other' }, 403],
  [{ user: '', passwd: '' }, 403],
  ['nonsense', 400],
  ['', 400],
  ['null', 400],
  ['[]', 400],
  [{ user: 'cti' }, 400],
  [{ user: 1, passwd: 'x' }, 400],
  [{ user: 'cti', passwd: {} }, 400],
])('require: a login with %j gets %s', async (body, status) => {
  const { post } = start()
  const response = await post(LOGIN, body)
  const { result } = (await response.json()) as { result: number }
  expect([response.status, result]).toEqual([status, status === 200 ? 0 : status])
})

test('another method gets 405', async () => {
  const { app } = start('answer')
  for (const path of [LOGIN, REFRESH]) {
    const response = await app.request(path, {}, {})
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  }
})

test('after five wrong passwords in a second even the right one of that address must wait, and no other', async () => {
  const { post, clock } = start()
  // A long pause does not allow more.
  await clock.advance(3_600_000)
  for (let n = 0; n < 5; n += 1) expect((await post(LOGIN, WRONG)).status).toBe(403)
  const throttled = await post(LOGIN, RIGHT)
  expect(throttled.headers.get('retry-after')).toBe('1')
  expect(await saidBy(throttled)).toEqual(refusal(429))
  expect((await post(LOGIN, RIGHT, {}, '192.0.2.2')).status).toBe(200)
  await clock.advance(199)
  expect((await post(LOGIN, RIGHT)).status).toBe(429)
  await clock.advance(1)
  for (let n = 0; n < 50; n += 1) expect((await post(LOGIN, RIGHT)).status).toBe(200)
})

test.each<readonly [string, (refresh: string) => [body: unknown, Record<string, string>]]>([
  // As in the English edition, whose clients have an access ticket in the header.
  ['in the body', (refreshToken) => [{ refreshToken }, { Authentication: 'Bearer access' }]],
  // As in the text of the Chinese edition.
  ['in Authentication alone', (refresh) => ['', { Authentication: `Bearer ${refresh}` }]],
  ['in Authorization alone, bare', (refresh) => ['', { Authorization: refresh }]],
])('a refresh ticket %s renews', async (_name, requestOf) => {
  const { post, tickets } = start()
  const { token: access, refreshToken: refresh } = tickets.issue()
  const response = await post(REFRESH, ...requestOf(refresh))
  expect(response.status).toBe(200)
  const { token } = ((await response.json()) as { resultData: { token: string } }).resultData
  expect([tickets.isValid(token), token === access]).toEqual([true, false])
})

test('every other ticket is refused, unless every user may log in', async () => {
  const { post, tickets, clock } = start()
  const { token: access, refreshToken: refresh } = tickets.issue()
  const forged = refresh.replace(/^.{4}/, 'AAAA')
  for (const refreshToken of [access, forged, 7, undefined])
    expect(await saidBy(await post(REFRESH, { refreshToken }))).toEqual(refusal(403))
  await clock.advance(12 * 3_600_000)
  expect((await post(REFRESH, { refreshToken: refresh })).status).toBe(403)
  expect((await start('answer').post(REFRESH, { refreshToken: 'expired' })).status).toBe(200)
})
