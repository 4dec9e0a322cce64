import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { Cell } from '../../src/sharing/cell.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare, turnOf } from '../../src/sharing/share.ts'
import {
  isBetter,
  nextNumber,
  NOTHING_KNOWN,
  type SharedToken,
} from '../../src/sharing/shared-token.ts'
import { memoryBook } from '../../src/token/book.ts'
import { askOnce, loginOnce, type Ask, type IsalesClient } from '../../src/token/client.ts'
import { createToken } from '../../src/token/token.ts'
import { LuaCell } from '../simulation/lua.ts'
import { manualClock } from '../support/manual-clock.ts'
import { ATTEMPTS, grant, REFUSED, throttled } from '../token/support.ts'

const NOW = 1_000_000
const RULES = {
  isalesTokenHeader: { names: ['Authorization'], scheme: 'Bearer', field: 'token' },
} as const
type Reply = Parameters<typeof turnOf>[0]
type Situation = Parameters<typeof turnOf>[1]

/** A token of 300 s that was requested so many seconds ago; it is sent for 295 s, and to 299 s if need be. */
const aged = (seconds: number) => ({
  token: new Secret('t1'),
  lifetime: { ms: 300_000 },
  sentAt: NOW - seconds * 1000,
})
const token = (seconds: number) => createToken(aged(seconds), RULES, 0)

const found = (text: string, number: number, seconds: number): SharedToken => ({
  grant: { ...aged(seconds), token: new Secret(text) },
  number,
  fingerprint: '',
  login: true,
})

const ours = found('t1', 5, 200)
const seen = (atHand: SharedToken | undefined, highest = 5) => ({
  ...NOTHING_KNOWN,
  ours: atHand,
  highest,
})

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
])('the token in the store %s', (_, inStore, known, better) => {
  expect(isBetter(inStore, known, NOW)).toBe(better)
})

it.each([
  ['1 for the first', { ...NOTHING_KNOWN }, 1],
  ['that of the one before and the milliseconds between the two', seen(ours), 200_005],
  ['above every number that was seen', seen(ours, 300_000), 300_001],
])('the number of a token is %s', (_, known, number) => {
  expect(nextNumber(known, NOW)).toBe(number)
})

const asks = (seconds: number | undefined, rejectedAt?: number, why: Ask['why'] = 'renewal') => ({
  ask: { current: seconds === undefined ? undefined : token(seconds), rejectedAt, why },
})
const away: Reply = { type: 'failure' }
const busy: Reply = { type: 'busy' }
const looksIn = (ms: number) => ({ deferred: 'busy', ms })

it.each<[string, Reply, Partial<Situation>, object | undefined]>([
  ['looks again in a second while another asks', busy, {}, looksIn(1000)],
  ['looks again sooner while calls wait', busy, asks(200, NOW), looksIn(250)],
  ['scatters looks by a fifth', busy, { random: 0 }, looksIn(800)],
  ['serves on without the store', away, {}, looksIn(1000)],
  [
    'serves on without the store with a token that is sent only if need be',
    away,
    asks(297),
    looksIn(250),
  ],
  [
    'asks without the store in the last second but one, at a moment of its own',
    away,
    asks(298.5),
    undefined,
  ],
  ['and not before', away, asks(298.4), looksIn(100)],
  ['asks without the store with no token', away, asks(undefined), undefined],
  ['waits for the store with a rejected token', away, asks(200, NOW - 700), looksIn(250)],
  ['in the last second but one, too', away, asks(298.5, NOW - 700), looksIn(250)],
  [
    'asks without the store with a rejected token after 0.75 to 1.5 s, at a moment of its own',
    away,
    asks(200, NOW - 1125),
    undefined,
  ],
  ['after 0.75 s at the earliest', away, { ...asks(200, NOW - 750), random: 0 }, undefined],
  ['and not before that', away, { ...asks(200, NOW - 740), random: 0 }, looksIn(10)],
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

const credentials = { user: 'obs', password: new Secret('p') }

/** A replica on this store; `asked` holds what it asks the store. */
function openReplica(
  keys: LuaCell,
  clock: ReturnType<typeof manualClock>,
  isales: IsalesClient['login'],
) {
  const asked: string[] = []
  const reply = <T>(name: string, value: T): Promise<T> => {
    asked.push(name)
    return Promise.resolve(value)
  }
  const cell: Cell = {
    claim: (claim) => reply('claim', keys.claim(claim)),
    put: (put) => reply(`put ${put.key.slice(0, 5)}`, keys.put(put)),
    read: () => reply('read', keys.read()),
    publish: () => reply('publish', undefined),
    replicas: () => Promise.resolve(1),
    start() {},
    stop() {},
  }
  const seal = createSeal(new Secret('k'.repeat(32)), 'https://isales', 'obs')
  const parts = { cell, seal, clock, random: () => 0.5, observe() {} }
  const { client } = createShare({
    ...parts,
    book: memoryBook(),
    rules: ATTEMPTS,
    client: { login: isales, refresh: (_, sending) => isales(credentials, sending) },
  })
  const ask = loginOnce(credentials, askOnce(new AbortController().signal))
  return { asked, obtain: (changes: Partial<Ask> = {}) => client({ ...ask, ...changes }) }
}

it('asks the store five times for a login, and three times for a refresh', async () => {
  const clock = manualClock(NOW)
  const { asked, obtain } = openReplica(new LuaCell(clock.now), clock, () =>
    Promise.resolve(grant({ refreshToken: 'r' })),
  )
  await obtain()
  expect(asked.splice(0)).toEqual(['claim', 'put book:', 'put book:', 'put token', 'publish'])
  const current = createToken(grant({ refreshToken: 'r' }), RULES, 0)
  await obtain({ operation: 'refresh', current })
  expect(asked).toEqual(['claim', 'put token', 'publish'])
})

it('keeps a refusal in the book whose replica stood still while another one had the lease', async () => {
  const clock = manualClock(NOW)
  const keys = new LuaCell(clock.now)
  let refuse = (): void => undefined
  const frozen = openReplica(
    keys,
    clock,
    () => new Promise((resolve) => (refuse = () => resolve(REFUSED))),
  )
  const refused = frozen.obtain()
  await turn()
  keys.keys.delete('lease')
  const other = openReplica(keys, clock, () => Promise.resolve(REFUSED))
  expect(await other.obtain()).toMatchObject({ deferred: 'guarded' })
  refuse()
  await refused
  expect(await other.obtain()).toMatchObject({ deferred: 'guarded', backoff: 'rejected' })
  await clock.advance(5000)
  expect(await other.obtain()).toMatchObject({ pause: 10_000 })
})

it('holds all replicas for the pause after a failure that says nothing of the account, and its refreshes', async () => {
  const clock = manualClock(NOW)
  const keys = new LuaCell(clock.now)
  const one = openReplica(keys, clock, () => Promise.resolve(throttled(60_000)))
  const other = openReplica(keys, clock, () => Promise.resolve(grant()))
  expect(await one.obtain()).toMatchObject({ pause: 60_000, counted: false })
  const paused = { deferred: 'paused', ms: 60_000, backoff: 'transient' }
  expect(await other.obtain()).toEqual(paused)
  const current = createToken(grant({ refreshToken: 'r' }), RULES, 0)
  expect(await other.obtain({ operation: 'refresh', current })).toEqual(paused)
  await clock.advance(60_000)
  expect(await other.obtain()).toMatchObject({ sentAt: expect.any(Number) })
})

it.each([
  ['with the same password', new Secret('p')],
  ['with another password', new Secret('other')],
])(
  'logs in with a changed user %s: what the store holds is of the former one',
  async (_, password) => {
    const clock = manualClock(NOW)
    const users: string[] = []
    const replica = openReplica(new LuaCell(clock.now), clock, ({ user }) => {
      users.push(user)
      return Promise.resolve(user === 'mistyped' ? REFUSED : grant())
    })
    const mistyped = { user: 'mistyped', password }
    await replica.obtain({ credentials: mistyped })
    await replica.obtain()
    expect(users).toEqual(['mistyped', 'obs'])
    const renamed = { user: 'renamed', password: credentials.password }
    await replica.obtain({ why: 'credentials', credentials: renamed })
    expect(users).toEqual(['mistyped', 'obs', 'renamed'])
  },
)

it('keeps what it knows of refused logins when somebody puts an earlier book into the store', async () => {
  const clock = manualClock(NOW)
  const keys = new LuaCell(clock.now)
  const replica = openReplica(keys, clock, () => Promise.resolve(REFUSED))
  await replica.obtain()
  const [key = '', { value } = { value: '' }] = [...keys.keys].at(-1) ?? []
  await clock.advance(5000)
  expect(await replica.obtain()).toMatchObject({ pause: 10_000 })
  // As old as when it was written.
  keys.keys.set(key, { value, endsAt: clock.now() + 5000 + 24 * 3600 * 1000 })
  expect(await replica.obtain()).toMatchObject({ deferred: 'guarded', ms: 10_000 })
  keys.keys.clear()
  await clock.advance(9000)
  expect(await replica.obtain()).toMatchObject({ deferred: 'guarded', ms: 1000 })
})
