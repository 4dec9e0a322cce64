import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { SharedRecord } from '../../src/sharing/record.ts'
import {
  turnOf,
  type Found,
  type Mine,
  type Reply,
  type Situation,
  type Turn,
} from '../../src/sharing/turn.ts'

const NOW = 1_000_000
const OURS = 'o'.repeat(22)
const RECORD: SharedRecord = {
  token: new Secret('t'),
  lifetimeMs: 300_000,
  assumed: false,
  totalMs: 300_000,
  fingerprint: OURS,
  bought: false,
}
const GOOD: Mine = {
  obtainedAt: NOW - 200_000,
  usableUntil: NOW + 95_000,
  rejected: false,
  aloneFrom: NOW + 80_000,
}
const REJECTED: Mine = { ...GOOD, rejected: true }
const ENDED: Mine = { ...GOOD, usableUntil: NOW - 1, aloneFrom: NOW - 10_000 }
const NEWER: Found = {
  id: 'n'.repeat(22),
  record: RECORD,
  obtainedAt: NOW - 1000,
  usableUntil: NOW + 294_000,
  isAtHand: false,
}
const OLDER: Found = { ...NEWER, obtainedAt: NOW - 250_000, usableUntil: NOW + 45_000 }
const SAME: Found = { ...NEWER, obtainedAt: GOOD.obtainedAt, isAtHand: true }
const FOREIGN: Found = { ...NEWER, record: { ...RECORD, fingerprint: 'x'.repeat(22) } }

const situation = (changes: Partial<Situation>): Situation => ({
  now: NOW,
  random: 0.5,
  mine: GOOD,
  fingerprint: OURS,
  firstOfSecret: false,
  refusals: 0,
  ...changes,
})
const grant = (found: Found): Reply => ({ type: 'grant', found })
const adopt = (found: Found, loginDue = false): Turn => ({ do: 'adopt', found, loginDue })
const again: Turn = { do: 'claim-again', seen: NEWER.id }

describe('what a replica does after its claim', () => {
  it.each<[string, Reply, Partial<Situation>, Turn]>([
    ['takes a newer token', grant(NEWER), {}, adopt(NEWER)],
    ['takes any good token when it has none', grant(OLDER), { mine: undefined }, adopt(OLDER)],
    ['takes any good token when its own has ended', grant(OLDER), { mine: ENDED }, adopt(OLDER)],
    ['takes a newer token for a rejected one', grant(NEWER), { mine: REJECTED }, adopt(NEWER)],
    ['takes no older token for a rejected one', grant(OLDER), { mine: REJECTED }, again],
    ['takes no older token', grant(OLDER), {}, again],
    ['takes not the token that it has', grant(SAME), {}, again],
    ['takes not the token that was rejected here', grant(SAME), { mine: REJECTED }, again],
    [
      'takes no token that has ended',
      grant({ ...NEWER, usableUntil: NOW }),
      { mine: undefined },
      again,
    ],
    [
      'takes nothing that it cannot read',
      grant({ ...NEWER, record: undefined }),
      { mine: undefined },
      again,
    ],
    [
      'claims what is empty',
      grant({ ...NEWER, id: '', record: undefined }),
      {},
      { do: 'claim-again', seen: '' },
    ],
    [
      'takes the token of another secret, and tries its own, when it starts',
      grant(FOREIGN),
      { mine: undefined, firstOfSecret: true },
      adopt(FOREIGN, true),
    ],
    [
      'takes the token of another secret otherwise, and does not log in',
      grant(FOREIGN),
      {},
      adopt(FOREIGN),
    ],
    [
      'takes its token again after a change to the secret that it was obtained with',
      grant(SAME),
      { firstOfSecret: true },
      adopt(SAME),
    ],
    [
      'looks again in a second while another asks',
      { type: 'busy', ms: 3000 },
      {},
      { do: 'wait', because: 'busy', ms: 1000, refusals: 0 },
    ],
    [
      'looks again sooner while calls wait',
      { type: 'busy', ms: 3000 },
      { mine: REJECTED },
      { do: 'wait', because: 'busy', ms: 250, refusals: 0 },
    ],
    [
      'waits as long as the others',
      { type: 'held', ms: 5000, hold: 'unclear 3' },
      { refusals: 1 },
      { do: 'wait', because: 'held', ms: 5000, refusals: 1 },
    ],
    [
      'somebody else logs in as this user, as another replica found',
      { type: 'held', ms: 5000, hold: 'conflict 0' },
      {},
      { do: 'wait', because: 'conflict', ms: 5000, refusals: 0 },
    ],
    [
      'believes no pause over ten minutes',
      { type: 'held', ms: 1e9, hold: '' },
      {},
      { do: 'wait', because: 'held', ms: 600_000, refusals: 0 },
    ],
    [
      'spares refused credentials',
      { type: 'guarded', ms: 900_000, refusals: 3 },
      { refusals: 1 },
      { do: 'wait', because: 'guarded', ms: 900_000, refusals: 3 },
    ],
    [
      'believes no guard over four hours',
      { type: 'guarded', ms: 1e12, refusals: 3 },
      {},
      { do: 'wait', because: 'guarded', ms: 14_400_000, refusals: 3 },
    ],
    [
      'asks iSales, and knows what the others met',
      { type: 'mine', hold: 'unclear 4', refusals: 2 },
      { refusals: 1 },
      {
        do: 'ask',
        before: { failures: { kind: 'unclear', count: 4 }, refusals: 2, alone: false },
      },
    ],
    ...['', 'conflict 0', 'unclear', 'unclear -1', 'unclear 99999', '\u0000'].map(
      (hold): [string, Reply, Partial<Situation>, Turn] => [
        `counts no failures in ${JSON.stringify(hold)}`,
        { type: 'mine', hold, refusals: 0 },
        {},
        { do: 'ask', before: { failures: undefined, refusals: 0, alone: false } },
      ],
    ),
    [
      'serves on without the store',
      { type: 'failure', reason: 'timeout' },
      {},
      { do: 'wait', because: 'alone', ms: 1000, refusals: 0 },
    ],
    ...(
      [
        ['shortly before the end', { ...GOOD, aloneFrom: NOW }],
        ['with a rejected token', REJECTED],
        ['with an ended token', ENDED],
        ['with no token', undefined],
      ] as const
    ).map(([when, mine]): [string, Reply, Partial<Situation>, Turn] => [
      `asks iSales without the store ${when}`,
      { type: 'failure', reason: 'unreachable' },
      { mine, refusals: 2 },
      { do: 'ask', before: { failures: undefined, refusals: 2, alone: true } },
    ]),
  ])('%s', (_, reply, changes, turn) => {
    expect(turnOf(reply, situation(changes))).toEqual(turn)
  })

  it('scatters looks by a fifth', () => {
    const waits = [0, 0.999].map((random) => turnOf({ type: 'busy', ms: 1 }, situation({ random })))
    expect(waits).toMatchObject([{ ms: 800 }, { ms: expect.closeTo(1200, -1) as number }])
  })
})
