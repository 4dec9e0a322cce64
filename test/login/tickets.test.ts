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

function ticketsWith(key: string | undefined, now: () => number, lifetime = HOUR) {
  return createTickets({ key: key === undefined ? undefined : new Secret(key), lifetime, now })
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
