import { describe, expect, it } from 'vitest'
import { isBetter, turnOf, type Situation } from '../../src/sharing/turn.ts'
import { createToken } from '../../src/token/token.ts'
import { grant, RULES } from '../token/support.ts'

const NOW = 1_000_000
type Reply = Parameters<typeof turnOf>[0]

/** A token of 300 s that was requested so many seconds ago. */
const aged = (seconds: number, rejected = false) => {
  const origin = { sentAt: NOW - seconds * 1000, operation: 'login', previous: undefined } as const
  return { token: createToken(grant(), RULES, origin), rejected }
}
const GOOD = aged(200)
const REJECTED = aged(200, true)
const ENDED = aged(296)
/** It is renewed alone in the last 16 s before its last use, here 8.5 s before it. */
const NEAR_ITS_END = aged(287)

const found = (token: string, seconds: number) => ({
  record: { grant: grant({ token }), totalMs: 0, fingerprint: '', bought: false },
  sentAt: NOW - seconds * 1000,
})

describe('the token in the store', () => {
  it.each([
    ['is taken when it is newer', found('other', 1), GOOD, true],
    ['is taken when there is none', found('other', 250), undefined, true],
    [
      'is taken for one that has ended, although it is older',
      found('other', 290),
      { ...ENDED, token: aged(298).token },
      true,
    ],
    ['is taken for a rejected one when it is newer', found('other', 1), REJECTED, true],
    ['is not taken for a rejected one when it is older', found('other', 250), REJECTED, false],
    ['is not taken when it is older', found('other', 250), GOOD, false],
    ['is not taken when it is the one at hand', found('t1', 199), GOOD, false],
    ['is not taken when it has ended', found('other', 295), undefined, false],
  ])('%s', (_, inStore, atHand, better) => {
    expect(isBetter(inStore, atHand, NOW)).toBe(better)
  })
})

describe('what a replica does after its claim', () => {
  const situation = (changes: Partial<Situation>): Situation => ({
    now: NOW,
    random: 0.5,
    ownRandom: 0.5,
    atHand: GOOD,
    refusals: 0,
    ...changes,
  })
  const wait = (because: string, ms: number, refusals = 0) => ({
    type: 'held',
    because,
    ms,
    refusals,
  })
  const alone = { failures: undefined, refusals: 2, alone: true }
  const away: Reply = { type: 'failure', reason: 'timeout' }

  it.each<[string, Reply, Partial<Situation>, object]>([
    ['looks again in a second while another asks', { type: 'busy' }, {}, wait('busy', 1000)],
    [
      'looks again sooner while calls wait',
      { type: 'busy' },
      { atHand: REJECTED },
      wait('busy', 250),
    ],
    ['scatters looks by a fifth', { type: 'busy' }, { random: 0 }, wait('busy', 800)],
    [
      'waits as long as the others',
      { type: 'held', ms: 5000, hold: 'unclear 3' },
      { refusals: 1 },
      wait('held', 5000, 1),
    ],
    [
      'knows that somebody else logs in as this user, as another replica found',
      { type: 'held', ms: 5000, hold: 'conflict 0' },
      {},
      wait('conflict', 5000),
    ],
    [
      'believes no pause over ten minutes',
      { type: 'held', ms: 1e9, hold: '' },
      {},
      wait('held', 600_000),
    ],
    [
      'spares refused credentials',
      { type: 'guarded', ms: 900_000, refusals: 3 },
      { refusals: 1 },
      wait('guarded', 900_000, 3),
    ],
    [
      'believes no guard over four hours',
      { type: 'guarded', ms: 1e12, refusals: 3 },
      {},
      wait('guarded', 14_400_000, 3),
    ],
    [
      'asks iSales, and knows what the others met',
      { type: 'mine', hold: 'unclear 4', refusals: 2 },
      { refusals: 1 },
      { failures: { kind: 'unclear', count: 4 }, refusals: 2, alone: false },
    ],
    ...['', 'conflict 0', 'unclear', 'unclear -1', 'unclear 99999', '\u0000'].map(
      (hold): [string, Reply, Partial<Situation>, object] => [
        `counts no failures in ${JSON.stringify(hold)}`,
        { type: 'mine', hold, refusals: 0 },
        {},
        { failures: undefined, refusals: 0, alone: false },
      ],
    ),
    ['serves on without the store', away, {}, wait('alone', 1000)],
    [
      'asks without the store shortly before the end',
      away,
      { atHand: NEAR_ITS_END, refusals: 2 },
      alone,
    ],
    [
      'asks without the store with a rejected token',
      away,
      { atHand: REJECTED, refusals: 2 },
      alone,
    ],
    ['asks without the store with an ended token', away, { atHand: ENDED, refusals: 2 }, alone],
    ['asks without the store with no token', away, { atHand: undefined, refusals: 2 }, alone],
  ])('%s', (_, reply, changes, turn) => {
    expect(turnOf(reply, situation(changes))).toEqual(turn)
  })
})
