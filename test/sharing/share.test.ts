import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { Cell } from '../../src/sharing/cell.ts'
import { createSeal, NO_ACCOUNT, type SharedToken } from '../../src/sharing/seal.ts'
import { createShare, isBetter, isTaken, isTooSoon, turnOf } from '../../src/sharing/share.ts'
import { type IsalesClient } from '../../src/token/protocol.ts'
import { type Ask } from '../../src/token/token.ts'
import { createToken } from '../../src/token/token.ts'
import { swapped } from '../simulation/swap.ts'
import { manualClock } from '../support/manual-clock.ts'
import {
  ATTEMPTS,
  credentialsOf,
  grant,
  loginOf,
  REFUSED,
  RULES,
  memoryBook,
} from '../token/support.ts'

const NOW = 1_000_000
type Situation = Parameters<typeof turnOf>[1]

/** A token of 300 s that was requested so many seconds ago; it is sent for 295 s. */
const aged = (seconds: number) => grant({ sentAt: NOW - seconds * 1000, refreshToken: null })
const token = (seconds: number) => createToken(aged(seconds), RULES, 0)
const found = (text: string, seconds: number): SharedToken => ({
  grant: { ...aged(seconds), token: new Secret(text) },
  fingerprint: '',
})

it.each<readonly [string, SharedToken | undefined, SharedToken | undefined, boolean, boolean]>([
  ['is newer', found('t2', 1), found('t1', 200), true, false],
  ['is the only one', found('t2', 250), undefined, true, false],
  ['is older', found('t2', 201), found('t1', 200), false, true],
  ['is of the same moment', found('t2', 200), found('t1', 200), false, false],
  ['is the one at hand', found('t1', 199), found('t1', 200), false, false],
  ['has ended', found('t2', 295), found('t1', 296), false, false],
  ['is not there', undefined, found('t1', 200), false, true],
  ['is not there, and ours has ended', undefined, found('t1', 295), false, false],
  ['is not there, and none is here', undefined, undefined, false, false],
])('the token in the store %s', (...row) => {
  const [, there, ours, better, missed] = row
  expect([isBetter(there, ours, NOW), isBetter(ours, there, NOW)]).toEqual([better, missed])
})

it.each([
  ['nobody', undefined, false],
  ['this process', { who: 'own', since: NOW }, false],
  ['another one', { who: 'other', since: NOW - 2999 }, true],
  ['one that has not said so for 3 s', { who: 'other', since: NOW - 3000 }, false],
  ['one before the clock was set back', { who: 'other', since: NOW + 3000 }, false],
])('%s asks: %j', (_, asking, taken) => {
  expect(isTaken({ ...NO_ACCOUNT, asking }, 'own', NOW)).toBe(taken)
})

it('a rejected token is replaced 1.8 s after it was requested at the earliest, by whichever replica', () => {
  const at = (seconds: number) => isTooSoon({ ...NO_ACCOUNT, token: found('t', seconds) }, NOW)
  expect([at(1.799), at(1.8), isTooSoon(NO_ACCOUNT, NOW)]).toEqual([true, false, false])
})

const asks = (seconds: number | undefined, rejectedAt?: number) => ({
  ask: { current: seconds === undefined ? undefined : token(seconds), rejectedAt },
})
const looksIn = (ms: number) => ({ deferred: 'busy', ms })

it.each<[string, 'busy' | 'away', Partial<Situation>, object | undefined]>([
  ['looks again in a second while another asks', 'busy', {}, looksIn(1000)],
  ['looks again sooner while calls wait', 'busy', asks(200, NOW), looksIn(100)],
  ['serves on without the store', 'away', {}, looksIn(1000)],
  [
    'asks without the store in the last second of the token, at a moment of its own',
    'away',
    asks(294.5),
    undefined,
  ],
  ['and not before', 'away', asks(294.4), looksIn(100)],
  ['asks without the store with no token', 'away', asks(undefined), undefined],
  ['waits for the store with a rejected token', 'away', asks(200, NOW - 700), looksIn(100)],
  [
    'asks without the store with a rejected token after 0.75 to 1.5 s, at a moment of its own',
    'away',
    asks(200, NOW - 1125),
    undefined,
  ],
  ['after 0.75 s at the earliest', 'away', { ...asks(200, NOW - 750), random: 0 }, undefined],
  ['and not before that', 'away', { ...asks(200, NOW - 740), random: 0 }, looksIn(10)],
])('a replica: %s', (_, why, changes, turn) => {
  const situation = { now: NOW, random: 0.5, ...asks(200) }
  expect(turnOf(why, { ...situation, ...changes })).toEqual(turn)
})

const credentials = credentialsOf('p')

/** A store in memory, and replicas on it. */
function openStore() {
  const clock = manualClock(NOW)
  const values = { value: '' }
  const seal = createSeal(new Secret('k'.repeat(32)), 'https://isales', 'obs')

  /** `asked` holds what it asks the store. */
  const openReplica = (isales: IsalesClient['login']) => {
    const asked: string[] = []
    const book = memoryBook(clock)
    const cell: Cell = {
      swap(seen, next) {
        asked.push(next === '' ? 'read' : 'swap')
        values.value = swapped(values.value, seen, next)
        return Promise.resolve({ value: values.value, at: 1e12 + clock.now() })
      },
      start() {},
      stop() {},
    }
    const share = createShare({
      cell,
      seal,
      clock,
      random: () => 0.5,
      onUnreadable() {},
      book,
      rules: ATTEMPTS,
      client: { login: isales, refresh: (_, sending) => isales(credentials, sending) },
    })
    const ask = loginOf(credentials)
    return {
      asked,
      known: async () => (await book.update(credentials, () => undefined)).entry,
      obtain: (changes: Partial<Ask> = {}) => share.client({ ...ask, ...changes }),
    }
  }
  return {
    clock,
    openReplica,
    account: () => seal.open(values.value, 1e12, clock.now()) ?? NO_ACCOUNT,
  }
}

describe('a share', () => {
  it('asks the store four times for a login, and three times for a refresh', async () => {
    const { openReplica, account } = openStore()
    const { asked, obtain } = openReplica(() => Promise.resolve(grant({ refreshToken: 'r' })))
    await obtain()
    // The clock of the store is not known before. Then: who asks, the login as begun, and its end with the token.
    expect(asked.splice(0)).toEqual(['read', 'swap', 'swap', 'swap'])
    expect(account()).toMatchObject({ asking: undefined, token: { grant: { sentAt: NOW } } })
    const current = createToken(grant({ refreshToken: 'r' }), RULES, 0)
    await obtain({ operation: 'refresh', current, loginDue: false })
    // Between the two it looks whether a proof is to be prolonged.
    expect(asked).toEqual(['swap', 'read', 'swap'])
  })

  it('logs in with a changed user, though the password is the same', async () => {
    const { password } = credentials
    const { openReplica } = openStore()
    const users: string[] = []
    const replica = openReplica(({ user }) => {
      users.push(user)
      return Promise.resolve(user === 'mistyped' ? REFUSED : grant({ token: user }))
    })
    await replica.obtain({ credentials: { user: 'mistyped', password } })
    await replica.obtain()
    expect(users).toEqual(['mistyped', 'obs'])
    await replica.obtain({ credentials: { user: 'renamed', password } })
    expect(users).toEqual(['mistyped', 'obs', 'renamed'])
  })

  it.each([
    ['after', 5000, 0],
    ['before', -1, 1],
  ])(
    'adopts a token that was requested %s its refused login: %d ms, %i attempts',
    async (...row) => {
      const [, ms, attempts] = row
      const { openReplica, clock } = openStore()
      const refused = openReplica(() => Promise.resolve(REFUSED))
      await refused.obtain()
      await clock.advance(5000)
      await openReplica(() => Promise.resolve(grant({ sentAt: NOW + ms }))).obtain()
      expect(await refused.obtain()).toMatchObject({ adopted: true })
      await turn()
      expect(await refused.known()).toMatchObject({ attempts })
    },
  )
})
