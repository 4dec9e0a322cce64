import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { isBetter, turnOf, type Found } from '../../src/sharing/share.ts'
import type { Ask } from '../../src/token/client.ts'
import { createToken } from '../../src/token/token.ts'

const NOW = 1_000_000
const RULES = { isalesTokenScheme: 'Bearer', isalesTokenField: 'token' } as const
type Reply = Parameters<typeof turnOf>[0]
type Situation = Parameters<typeof turnOf>[1]

/** A token of 300 s that was requested so many seconds ago; it is sent for 295 s, and to 299 s if need be. */
const aged = (seconds: number) => ({
  token: new Secret('t1'),
  lifetime: { ms: 300_000 },
  sentAt: NOW - seconds * 1000,
})
const token = (seconds: number) => createToken(aged(seconds), RULES, 0)

const found = (text: string, number: number, seconds: number): Found => ({
  record: {
    grant: { ...aged(seconds), token: new Secret(text) },
    number,
    total: 0,
    fingerprint: '',
    login: true,
  },
  sentAt: NOW - seconds * 1000,
})

const ours = found('t1', 5, 200)
const seen = (atHand: Found | undefined, highest = 5) => ({ atHand, highest })

it.each([
  ['is taken when its number is higher', found('t2', 6, 1), seen(ours), true],
  ['is taken although it is older', found('t2', 6, 250), seen(ours), true],
  ['is taken when there is none here', found('t2', 1, 250), seen(undefined, 0), true],
  ['of a lower number is not taken, although it is younger', found('t2', 4, 1), seen(ours), false],
  ['is not taken when a higher number was seen', found('t2', 6, 1), seen(ours, 7), false],
  [
    'is not taken for none when a higher number was seen',
    found('t2', 6, 1),
    seen(undefined, 7),
    false,
  ],
  ['of one number is taken when it is younger', found('t2', 5, 199), seen(ours), true],
  ['of one number is not taken when it is older', found('t2', 5, 201), seen(ours), false],
  ['is not taken when it is the one at hand', found('t1', 5, 199), seen(ours), false],
  ['is not taken when it has ended', found('t2', 6, 295), seen(ours), false],
])('the token in the store %s', (_, inStore, { atHand, highest }, better) => {
  expect(isBetter(inStore, atHand, highest, NOW)).toBe(better)
})

const asks = (seconds: number | undefined, rejectedAt?: number, why: Ask['why'] = 'renewal') => ({
  ask: { current: seconds === undefined ? undefined : token(seconds), rejectedAt, why },
})
const away: Reply = { type: 'failure' }
const busy: Reply = { type: 'busy' }
const looksIn = (ms: number) => ({ deferred: 'busy', ms })
const alone = (ms: number) => ({ deferred: 'alone', ms })

it.each<[string, Reply, Partial<Situation>, object | undefined]>([
  ['looks again in a second while another asks', busy, {}, looksIn(1000)],
  ['looks again sooner while calls wait', busy, asks(200, NOW), looksIn(250)],
  ['scatters looks by a fifth', busy, { random: 0 }, looksIn(800)],
  ['serves on without the store', away, {}, alone(1000)],
  [
    'serves on without the store with a token that is sent only if need be',
    away,
    asks(297),
    alone(250),
  ],
  [
    'asks without the store in the last second but one, at a moment of its own',
    away,
    asks(298.5),
    undefined,
  ],
  ['and not before', away, asks(298.4), alone(100)],
  ['asks without the store with no token', away, asks(undefined), undefined],
  ['waits for the store with a rejected token', away, asks(200, NOW - 1200), alone(250)],
  [
    'asks without the store after 1.5 s with a rejected token',
    away,
    asks(200, NOW - 1500),
    undefined,
  ],
  [
    'asks without the store when an operator asks',
    away,
    asks(200, undefined, 'operator'),
    undefined,
  ],
])('a replica after its claim: %s', (_, reply, changes, turn) => {
  const situation = { now: NOW, random: 0.5, ...asks(200) }
  expect(turnOf(reply, { ...situation, ...changes })).toEqual(turn)
})
