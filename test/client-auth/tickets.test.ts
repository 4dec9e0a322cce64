import { assert, nat, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createTickets, hasTicket, type Tickets } from '../../src/client-auth/tickets.ts'

const HOUR = 3_600_000
const START = 1_764_000_000_000

function open(now: () => number, password: string | null = 'password'): Tickets {
  return createTickets(password === null ? undefined : new Secret(password), now)
}

const atStart = (): number => START

test('an access ticket is valid for an hour, and a refresh ticket for twelve, for calls and renewals', () => {
  let now = START
  const tickets = open(() => now)
  const { token: access, refreshToken: refresh, ...lifetimes } = tickets.issue()
  expect(lifetimes).toEqual({ tokenExpirationTime: 3600, refreshExpirationTime: 12 * 3600 })
  const valid = () => [access, refresh].map((ticket) => tickets.isValid(ticket))
  now += HOUR - 1
  expect(valid()).toEqual([true, true])
  now += 1
  expect(valid()).toEqual([false, true])
  now += 10 * HOUR
  expect(tickets.isValid(tickets.renew(refresh)?.token ?? '')).toBe(true)
  now += HOUR
  expect(tickets.renew(refresh)).toBeUndefined()
})

test('renewals end 24 h after the login', () => {
  let now = START
  const tickets = open(() => now)
  let pair = tickets.issue()
  for (const hours of [11, 22]) {
    now = START + hours * HOUR
    pair = tickets.renew(pair.refreshToken) ?? pair
  }
  expect(pair.refreshExpirationTime).toBe(2 * 3600)
  now = START + 23.5 * HOUR
  const last = { tokenExpirationTime: 1800, refreshExpirationTime: 1800 }
  expect(tickets.renew(pair.refreshToken)).toMatchObject(last)
  now = START + 24 * HOUR
  expect(tickets.isValid(pair.refreshToken)).toBe(false)
})

test.each([
  ['the same clock', 0, true],
  ['a clock that is 5 min behind', 300, true],
  ['a clock that is further behind', 301, false],
])(
  'with %s, a ticket that expires in 24 h is checked, but none that expires later',
  (_name, behind, valid) => {
    // A refresh ticket is valid for 12 h, and its clock is 12 h ahead.
    const { refreshToken: refresh } = open(() => START + 12 * HOUR).issue()
    const other = open(() => START - behind * 1000)
    expect(other.renew(refresh) !== undefined).toBe(valid)
    expect(other.isValid(refresh)).toBe(valid)
  },
)

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

test('every ticket is unique, safe in a header, and without clear text', () => {
  const tickets = open(atStart, 's3cret-key')
  const [first, second] = [tickets.issue(), tickets.issue()]
  expect(new Set([first.token, first.refreshToken, second.token, second.refreshToken]).size).toBe(4)
  expect(first.token).toMatch(/^[\w-]{64}$/)
  expect(Buffer.from(first.token, 'base64url').toString('latin1')).not.toContain('s3cret')
})

test('no bytes other than the ticket are valid', () => {
  const tickets = open(atStart)
  const { token: access } = tickets.issue()
  const edits = tuple(nat(access.length - 1), string({ minLength: 0, maxLength: 3 }))
  const bytesOf = (text: string) => Buffer.from(text, 'base64url').toString('hex')
  assert(
    property(edits, ([at, text]) => {
      const edited = access.slice(0, at) + text + access.slice(at + 1)
      expect(tickets.isValid(edited)).toBe(bytesOf(edited) === bytesOf(access))
    }),
    { numRuns: 2000 },
  )
  assert(property(string({ maxLength: 200 }), (text) => !tickets.isValid(text)))
})

// Replicas of two versions run next to each other during an upgrade.
test('a ticket of the first version is valid', () => {
  const tickets = open(() => Date.parse('2026-03-01T12:30:00Z'), 'p')
  const ticket = 'AQBppDhQAGmle8CeyGLbZnbuBUAsDiKGWxUodkCswzc_Axe3MUGSQ-_cWMBWPTcC'
  expect(tickets.isValid(ticket)).toBe(true)
  const { token: access, refreshToken: refresh } = tickets.issue()
  expect([access, refresh].map((text) => Buffer.from(text, 'base64url')[0])).toEqual([1, 2])
})

test.each<[boolean, string, string[]]>([
  [true, 'Authorization with Bearer', ['Authorization', 'Bearer good']],
  [true, 'Authentication with Bearer', ['Authentication', 'Bearer good']],
  [true, 'any case of header and scheme', ['AUTHORIZATION', 'bEARER good']],
  [true, 'the bare ticket', ['authentication', 'good']],
  [true, 'more spaces after the scheme', ['Authorization', 'Bearer   good']],
  [true, 'a bad one next to a good one', ['Authorization', 'Bearer bad', 'Authentication', 'good']],
  [true, 'the second of two lines', ['Authorization', 'x', 'Authorization', 'Bearer good']],
  [true, 'among other headers', ['Host', 'x', 'Age', '1', 'Authorization', 'Bearer good']],
  [false, 'no header at all', []],
  [false, 'another header of the same length', ['Authorisation', 'Bearer good']],
  [false, 'a header with more before it', ['X-Authorization', 'Bearer good']],
  [false, 'a header with more behind it', ['Authorization_', 'Bearer good']],
  [false, 'a name where a value is', ['Authorization', 'x', 'Bearer good', 'Authorization']],
  [false, 'a forged ticket', ['Authorization', 'Bearer bad']],
  [false, 'another scheme', ['Authorization', 'Basic good']],
  [false, 'a scheme behind the ticket', ['Authorization', 'x Bearer good']],
  [false, 'the scheme alone', ['Authorization', 'Bearer']],
  [false, 'an empty value', ['Authorization', '']],
  [false, 'two tickets in one value', ['Authorization', 'Bearer good, Bearer good']],
])('a call passes: %s for %s', (passes, _name, headers) => {
  expect(hasTicket(headers, (ticket) => ticket === 'good')).toBe(passes)
})
