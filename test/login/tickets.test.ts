import { createHmac, hkdfSync } from 'node:crypto'
import { assert, nat, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createTickets } from '../../src/login/tickets.ts'

const HOUR = 3_600_000
const START = 1_764_000_000_000

function clockAt(start: number) {
  let now = start
  return {
    now: () => now,
    advance: (ms: number) => {
      now += ms
    },
  }
}

const DAY = 24 * HOUR

function secret(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text)
}

function ticketsWith(
  key: string | undefined,
  now: () => number,
  lifetime = HOUR,
  { password, maxAge = 2 * DAY }: { readonly password?: string; readonly maxAge?: number } = {},
) {
  return createTickets({ key: secret(key), password: secret(password), lifetime, maxAge, now })
}

test('a ticket is valid until its end and expired from then on', () => {
  const { now, advance } = clockAt(START)
  const tickets = ticketsWith('key', now)
  const { access, accessSeconds } = tickets.issue()
  expect(accessSeconds).toBe(3600)
  advance(HOUR - 1)
  expect(tickets.verify(access)).toBe('valid')
  advance(1)
  expect(tickets.verify(access)).toBe('expired')
})

test('it is expired as well when its verdict was never cached', () => {
  const { now, advance } = clockAt(START)
  const { access } = ticketsWith('key', now).issue()
  advance(HOUR)
  expect(ticketsWith('key', now).verify(access)).toBe('expired')
})

test('it survives a restart and is valid at every replica with the same key', () => {
  const { now } = clockAt(START)
  const { access, refresh } = ticketsWith('key', now).issue()
  const other = ticketsWith('key', now)
  expect(other.verify(access)).toBe('valid')
  expect(other.renew(refresh)).toMatchObject({ accessSeconds: 3600 })
})

test('it is invalid with another key, or with the random key of another process', () => {
  const { now } = clockAt(START)
  const { access } = ticketsWith('key', now).issue()
  expect(ticketsWith('another key', now).verify(access)).toBe('invalid')
  const own = ticketsWith(undefined, now)
  expect(own.verify(own.issue().access)).toBe('valid')
  expect(ticketsWith(undefined, now).verify(own.issue().access)).toBe('invalid')
})

test('a refresh ticket renews, lives twelve times as long, and is valid for calls too', () => {
  const { now, advance } = clockAt(START)
  const tickets = ticketsWith('key', now)
  const { refresh, refreshSeconds } = tickets.issue()
  expect(refreshSeconds).toBe(12 * 3600)
  expect(tickets.verify(refresh)).toBe('valid')
  advance(11 * HOUR)
  const renewed = tickets.renew(refresh)
  expect(typeof renewed === 'string' ? renewed : tickets.verify(renewed.access)).toBe('valid')
  advance(HOUR)
  expect(tickets.renew(refresh)).toBe('expired')
})

test('renewals end with the session, whatever the lifetime of a ticket is', () => {
  const { now, advance } = clockAt(START)
  const tickets = ticketsWith('key', now, HOUR, { maxAge: DAY })
  let { refresh } = tickets.issue()
  for (let hours = 0; hours < 24; hours += 5) {
    const renewed = tickets.renew(refresh)
    if (typeof renewed === 'string') throw new Error(renewed)
    expect(renewed.refreshSeconds).toBe(Math.min(12, 24 - hours) * 3600)
    ;({ refresh } = renewed)
    advance(5 * HOUR)
  }
  expect(tickets.renew(refresh)).toBe('expired')
  expect(tickets.verify(refresh)).toBe('expired')
})

test('a session may be shorter than a ticket', () => {
  const tickets = ticketsWith('key', () => START, HOUR, { maxAge: 60_000 })
  expect(tickets.issue()).toMatchObject({ accessSeconds: 60, refreshSeconds: 60 })
})

test('no ticket is issued for more than 24 h', () => {
  const { refreshSeconds } = ticketsWith('key', () => START, 3 * HOUR).issue()
  expect(refreshSeconds).toBe(DAY / 1000)
})

test.each([
  ['the same clock', 0, 'valid'],
  ['a clock that is a second behind', 1, 'valid'],
  ['a clock that is 5 min behind', 300, 'valid'],
  ['a clock that is further behind', 301, 'invalid'],
])(
  'a ticket of 24 h is believed by %s, and no ticket that lasts longer',
  (_name, behind, verdict) => {
    const { refresh } = ticketsWith('key', () => START, 3 * HOUR).issue()
    const other = ticketsWith('key', () => START - behind * 1000)
    const renewed = other.renew(refresh)
    expect(other.verify(refresh)).toBe(verdict)
    expect(typeof renewed === 'string' ? renewed : 'valid').toBe(verdict)
  },
)

test('with the same key, tickets end with the password', () => {
  const now = (): number => START
  const tickets = ticketsWith('key', now, HOUR, { password: 'old' })
  const { access, refresh } = tickets.issue()
  expect(ticketsWith('key', now, HOUR, { password: 'old' }).verify(access)).toBe('valid')
  const changed = ticketsWith('key', now, HOUR, { password: 'new' })
  expect([changed.verify(access), changed.renew(refresh)]).toEqual(['invalid', 'invalid'])
})

test('a password is not a key: trying one costs more than 10 ms', () => {
  const now = (): number => START
  const began = performance.now()
  const tickets = ticketsWith(undefined, now, HOUR, { password: 'password' })
  expect(performance.now() - began).toBeGreaterThan(10)
  const { access } = tickets.issue()
  expect(ticketsWith(undefined, now, HOUR, { password: 'password' }).verify(access)).toBe('valid')
  // As an attacker would forge one who knows the password and the plain derivation.
  const bytes = Buffer.from(access, 'base64url')
  const key = hkdfSync('sha256', 'password', '', 'isales-auth-proxy ticket 1', 32)
  const mac = createHmac('sha256', Buffer.from(key)).update(bytes.subarray(0, 16)).digest()
  const forged = Buffer.concat([bytes.subarray(0, 16), mac]).toString('base64url')
  expect(tickets.verify(forged)).toBe('invalid')
})

test('an access ticket does not renew', () => {
  const tickets = ticketsWith('key', () => START)
  expect(tickets.renew(tickets.issue().access)).toBe('invalid')
})

test('each is unique, safe in a header, and holds nothing in clear text', () => {
  const tickets = ticketsWith('s3cret-key', () => START)
  const [first, second] = [tickets.issue(), tickets.issue()]
  expect(new Set([first.access, first.refresh, second.access, second.refresh]).size).toBe(4)
  expect(first.access).toMatch(/^[\w-]{64}$/)
  expect(Buffer.from(first.access, 'base64url').toString('latin1')).not.toContain('s3cret')
})

test('no text but the ticket itself is valid', () => {
  const tickets = ticketsWith('key', () => START)
  const { access } = tickets.issue()
  expect(tickets.verify(access)).toBe('valid')
  const edits = tuple(nat(access.length - 1), string({ minLength: 0, maxLength: 3 }))
  assert(
    property(edits, ([at, text]) => {
      const edited = access.slice(0, at) + text + access.slice(at + 1)
      expect(tickets.verify(edited)).toBe(edited === access ? 'valid' : 'invalid')
    }),
    { numRuns: 2000 },
  )
  assert(
    property(string({ maxLength: 200 }), (text) => {
      expect(tickets.verify(text)).toBe('invalid')
    }),
  )
})

test.each([
  ['padding', (ticket: string) => `${ticket}=`],
  ['the other alphabet', (ticket: string) => ticket.replaceAll('-', '+').replaceAll('_', '/')],
  ['a space', (ticket: string) => `${ticket} `],
  ['a cut', (ticket: string) => ticket.slice(0, -1)],
])('a second spelling of a ticket, by %s, is invalid', (_name, respell) => {
  const tickets = ticketsWith('key', () => START)
  let { access } = tickets.issue()
  while (!/-.*_|_.*-/.test(access)) ({ access } = tickets.issue())
  expect(tickets.verify(respell(access))).toBe('invalid')
})

test('more tickets than are cached are all still valid', () => {
  const tickets = ticketsWith('key', () => START)
  const many = Array.from({ length: 10_500 }, () => tickets.issue().access)
  expect(many.every((ticket) => tickets.verify(ticket) === 'valid')).toBe(true)
  expect(tickets.verify(many[0] ?? '')).toBe('valid')
})

test('the shortest lifetime is a second', () => {
  expect(ticketsWith('key', () => START, 10).issue().accessSeconds).toBe(1)
})

// Replicas of two versions run side by side during an upgrade.
test.each([
  [
    'a key',
    'k'.repeat(32),
    undefined,
    'AQBppDhQAGmk0wD8w8gYNjj93-As_m4Ny5BIJbY1VwZwS4nUg3Rkjcey_mK5ggqz',
  ],
  [
    'a password',
    undefined,
    'p',
    'AQBppDhQAGmk0wCNtsWE1rW7AFJRbtN81jmeCAu5rj6tjoPDsne-PI2dTzknWaaf',
  ],
  ['both', 'k'.repeat(32), 'p', 'AQBppDhQAGmk0wDTOCipdSP8Fx1oQSStqJjCrR0975cUedGyq_w11Sbg1PQR31bS'],
])('a ticket of the first version is valid with %s', (_, key, password, ticket) => {
  const { now } = clockAt(Date.parse('2026-03-01T12:30:00Z'))
  const options = password === undefined ? {} : { password }
  const tickets = ticketsWith(key, now, HOUR, options)
  expect(tickets.verify(ticket)).toBe('valid')
  const { access, refresh } = tickets.issue()
  expect([access, refresh].map((text) => Buffer.from(text, 'base64url')[0])).toEqual([1, 2])
})
