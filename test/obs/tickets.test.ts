import { createHmac, hkdfSync } from 'node:crypto'
import { assert, nat, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createTickets, type Tickets } from '../../src/obs/tickets.ts'

const HOUR = 3_600_000
const START = 1_764_000_000_000

function open(now: () => number, password: string | null = 'password'): Tickets {
  return createTickets(password === null ? undefined : new Secret(password), now)
}

const atStart = (): number => START

test('a ticket is valid until its end', () => {
  let now = START
  const tickets = open(() => now)
  const { token: access, tokenExpirationTime } = tickets.issue()
  expect(tokenExpirationTime).toBe(3600)
  now += HOUR - 1
  expect(tickets.isValid(access)).toBe(true)
  now += 1
  expect(tickets.isValid(access)).toBe(false)
})

test('a refresh ticket renews, lives twelve times as long, and is valid for calls, too', () => {
  let now = START
  const tickets = open(() => now)
  const { refreshToken: refresh, refreshExpirationTime } = tickets.issue()
  expect(refreshExpirationTime).toBe(12 * 3600)
  expect(tickets.isValid(refresh)).toBe(true)
  now += 11 * HOUR
  expect(tickets.isValid(tickets.renew(refresh)?.token ?? '')).toBe(true)
  now += HOUR
  expect(tickets.renew(refresh)).toBeUndefined()
})

test.each([
  ['the same clock', 0, true],
  ['a clock that is 5 min behind', 300, true],
  ['a clock that is further behind', 301, false],
])(
  'a ticket of 24 h is believed by %s, and no ticket that lasts longer',
  (_name, behind, valid) => {
    // A refresh ticket lasts 12 h: this one is of a clock that is 12 h ahead.
    const { refreshToken: refresh } = open(() => START + 12 * HOUR).issue()
    const other = open(() => START - behind * 1000)
    expect(other.renew(refresh) !== undefined).toBe(valid)
    expect(other.isValid(refresh)).toBe(valid)
  },
)

test('a ticket that was believed is judged anew by a clock that was put back', () => {
  let now = START + 12 * HOUR
  const tickets = open(() => now)
  const { refreshToken: refresh } = tickets.issue()
  expect(tickets.isValid(refresh)).toBe(true)
  now = START - 301 * 1000
  expect(tickets.isValid(refresh)).toBe(false)
})

test.each<readonly [string | null, string | null, boolean]>([
  ['p', 'p', true],
  ['former', 'p', false],
  // Two processes without a password.
  [null, null, false],
])('a ticket that was made with %j is valid with %j: %s', (issuer, checker, valid) => {
  const { token: access, refreshToken: refresh } = open(atStart, issuer).issue()
  const other = open(atStart, checker)
  expect(other.isValid(access)).toBe(valid)
  expect(other.renew(refresh) !== undefined).toBe(valid)
})

test('a password is not a key: trying one costs more than 10 ms', () => {
  const began = performance.now()
  const tickets = open(atStart)
  expect(performance.now() - began).toBeGreaterThan(10)
  // As an attacker would forge one who knows the password and the plain derivation.
  const bytes = Buffer.from(tickets.issue().token, 'base64url').subarray(0, 16)
  const key = hkdfSync('sha256', 'password', '', 'isales-auth-proxy ticket 1', 32)
  const mac = createHmac('sha256', Buffer.from(key)).update(bytes).digest()
  expect(tickets.isValid(Buffer.concat([bytes, mac]).toString('base64url'))).toBe(false)
})

test('each is unique, safe in a header, and holds nothing in clear text', () => {
  const tickets = open(atStart, 's3cret-key')
  const [first, second] = [tickets.issue(), tickets.issue()]
  expect(new Set([first.token, first.refreshToken, second.token, second.refreshToken]).size).toBe(4)
  expect(first.token).toMatch(/^[\w-]{64}$/)
  expect(Buffer.from(first.token, 'base64url').toString('latin1')).not.toContain('s3cret')
})

test('no text but the ticket itself is valid', () => {
  const tickets = open(atStart)
  const { token: access } = tickets.issue()
  expect(tickets.isValid(access)).toBe(true)
  const edits = tuple(nat(access.length - 1), string({ minLength: 0, maxLength: 3 }))
  assert(
    property(edits, ([at, text]) => {
      const edited = access.slice(0, at) + text + access.slice(at + 1)
      expect(tickets.isValid(edited)).toBe(edited === access)
    }),
    { numRuns: 2000 },
  )
  assert(property(string({ maxLength: 200 }), (text) => !tickets.isValid(text)))
})

test.each([
  ['padding', (ticket: string) => `${ticket}=`],
  ['the other alphabet', (ticket: string) => ticket.replaceAll('-', '+').replaceAll('_', '/')],
  ['a space', (ticket: string) => `${ticket} `],
])('a second spelling of a ticket, by %s, is invalid', (_name, respell) => {
  const tickets = open(atStart)
  let { token: access } = tickets.issue()
  while (!/-.*_|_.*-/.test(access)) ({ token: access } = tickets.issue())
  expect(tickets.isValid(respell(access))).toBe(false)
})

// Replicas of two versions run side by side during an upgrade.
test('a ticket of the first version is valid', () => {
  const tickets = open(() => Date.parse('2026-03-01T12:30:00Z'), 'p')
  const ticket = 'AQBppDhQAGmk0wCNtsWE1rW7AFJRbtN81jmeCAu5rj6tjoPDsne-PI2dTzknWaaf'
  expect(tickets.isValid(ticket)).toBe(true)
  const { token: access, refreshToken: refresh } = tickets.issue()
  expect([access, refresh].map((text) => Buffer.from(text, 'base64url')[0])).toEqual([1, 2])
})
