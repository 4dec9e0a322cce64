import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createLogin, createThrottle } from '../../src/client-auth/login.ts'
import { createTickets } from '../../src/client-auth/tickets.ts'
import { manualClock } from '../support/manual-clock.ts'

const RIGHT = { user: 'cti', passwd: 'pässword' }
const WRONG = { user: 'cti', passwd: 'password' }

/** @param settings.isOpen every user may log in. */
function start({ isOpen = false, host = '192.0.2.9' } = {}) {
  const clock = manualClock()
  const account = { obsUser: 'cti', obsPassword: new Secret('pässword') }
  const open = { obsUser: undefined, obsPassword: undefined }
  const config = { ...(isOpen ? open : account), listen: { host, port: 8080 } }
  const tickets = createTickets(undefined, () => clock.now())
  const login = createLogin(config, tickets, createThrottle(clock))
  const logIn = async (body: object, address = '192.0.2.1') =>
    (await login.logIn(address, body as typeof RIGHT)).status
  return { ...login, logIn, tickets, clock }
}

test.each<[object, number]>([
  [RIGHT, 200],
  [WRONG, 403],
  [{ ...RIGHT, user: 'other' }, 403],
  [{}, 400],
  [{ user: 'cti' }, 400],
  [{ user: 'cti', passwd: {} }, 400],
])('a login with %j gets %s', async (body, status) => {
  expect(await start().logIn(body)).toBe(status)
})

test('after five wrong passwords in a second even the right one of that address must wait, and no other', async () => {
  const { logIn, clock } = start()
  // A long pause does not allow more.
  await clock.advance(3_600_000)
  for (let n = 0; n < 5; n += 1) expect(await logIn(WRONG)).toBe(403)
  expect(await logIn(RIGHT)).toBe(429)
  expect(await logIn(RIGHT, '192.0.2.2')).toBe(200)
  await clock.advance(199)
  expect(await logIn(RIGHT)).toBe(429)
  await clock.advance(1)
  for (let n = 0; n < 50; n += 1) expect(await logIn(RIGHT)).toBe(200)
})

test('on loopback, a wrong password waits for a second, at most 64 do, and no right one does', async () => {
  const { logIn, clock } = start({ host: '127.0.0.1' })
  const answered: number[] = []
  const guess = async () => void answered.push(await logIn(WRONG, '127.0.0.1'))
  const guesses = Array.from({ length: 70 }, guess)
  expect(await logIn(RIGHT, '127.0.0.1')).toBe(200)
  await clock.advance(999)
  expect(answered).toEqual(Array(6).fill(429))
  await clock.advance(1)
  await Promise.all(guesses)
  expect(answered.slice(6)).toEqual(Array(64).fill(403))
  const next = guess()
  await clock.advance(1000)
  await next
  expect(answered.at(-1)).toBe(403)
})

test('every other ticket is refused, unless every user may log in', async () => {
  const { tickets, clock, ...login } = start()
  const { token: access, refreshToken } = tickets.issue()
  const forged = refreshToken.replace(/^.{4}/, 'AAAA')
  for (const ticket of [access, forged, '7', ''])
    expect(login.refresh(ticket)).toEqual({ status: 403 })
  expect(login.refresh(refreshToken).status).toBe(200)
  await clock.advance(12 * 3_600_000)
  expect(login.refresh(refreshToken).status).toBe(403)
  expect(start({ isOpen: true }).refresh('expired').status).toBe(200)
})
