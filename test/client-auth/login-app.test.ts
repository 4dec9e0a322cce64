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

/** @param isOpen every user may log in. */
function start(isOpen = false) {
  const clock = manualClock()
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
  const post = (path: string, body: unknown, address = '192.0.2.1') => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const incoming = Readable.from([Buffer.from(text)])
    return app.request(path, { method: 'POST' }, { address, incoming })
  }
  return { post, tickets, clock }
}

test.each<[unknown, number]>([
  [RIGHT, 200],
  [WRONG, 403],
  [{ ...RIGHT, user: 'other' }, 403],
  ['nonsense', 400],
  ['[]', 400],
  [{ user: 'cti' }, 400],
  [{ user: 'cti', passwd: {} }, 400],
])(
  'a login with %j gets %s, with tickets in the published shape if it is right',
  async (body, status) => {
    const { post } = start()
    const response = await post(LOGIN, body)
    expect(response.headers.get('content-type')).toBe('application/json;charset=UTF-8')
    const ticket = expect.any(String)
    const lifetimes = { tokenExpirationTime: 3600, refreshExpirationTime: 43_200 }
    const resultData = { token: ticket, ...lifetimes, refreshToken: ticket }
    expect(await saidBy(response)).toEqual(
      status === 200 ? [200, { result: 0, resultData }] : refusal(status),
    )
  },
)

test('after five wrong passwords in a second even the right one of that address must wait, and no other', async () => {
  const { post, clock } = start()
  // A long pause does not allow more.
  await clock.advance(3_600_000)
  for (let n = 0; n < 5; n += 1) expect((await post(LOGIN, WRONG)).status).toBe(403)
  const throttled = await post(LOGIN, RIGHT)
  expect(throttled.headers.get('retry-after')).toBe('1')
  expect(await saidBy(throttled)).toEqual(refusal(429))
  expect((await post(LOGIN, RIGHT, '192.0.2.2')).status).toBe(200)
  await clock.advance(199)
  expect((await post(LOGIN, RIGHT)).status).toBe(429)
  await clock.advance(1)
  for (let n = 0; n < 50; n += 1) expect((await post(LOGIN, RIGHT)).status).toBe(200)
})

test('every other ticket is refused, unless every user may log in', async () => {
  const { post, tickets, clock } = start()
  const { token: access, refreshToken: refresh } = tickets.issue()
  const forged = refresh.replace(/^.{4}/, 'AAAA')
  for (const refreshToken of [access, forged, 7, undefined])
    expect(await saidBy(await post(REFRESH, { refreshToken }))).toEqual(refusal(403))
  await clock.advance(12 * 3_600_000)
  expect((await post(REFRESH, { refreshToken: refresh })).status).toBe(403)
  expect((await start(true).post(REFRESH, { refreshToken: 'expired' })).status).toBe(200)
})
