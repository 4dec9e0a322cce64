import { expect, it } from 'vitest'
import { accept, dismiss, isAccepted, isConflict } from '../../src/token/rejection-tracker.ts'
import { isRejected, isUnsteady, mayReplay } from '../../src/token/rejection-tracker.ts'
import { NO_REJECTIONS, reject, renewalDueAt, replace } from '../../src/token/rejection-tracker.ts'
import type { AttemptKind, Rejection, RejectionState } from '../../src/token/rejection-tracker.ts'

type Change = Partial<RejectionState>
const MINUTE = 60_000
const DOUBT = 10 * MINUTE
/** A call with the token was accepted, and there is no doubt. */
const GOOD: RejectionState = { ...NO_REJECTIONS, hasResult: true }
const FIRST = { kind: 'first', replays: 0 } as const
const AGAIN = { kind: 'same-token', replays: 1 } as const
const NEWER = { kind: 'newer-token', replays: 1 } as const
const OPEN = Infinity
const OWN = { adopted: false }

const rejectedAt = (state: RejectionState, at: number) => reject(state, FIRST, at)
const acceptedAt = (state: RejectionState, sentAt: number, now: number) =>
  accept(state, { kind: 'first', sentAt }, OWN, now)

it.each<readonly [string, Change, Rejection, Change]>([
  ['begins', {}, FIRST, { unresolvedSince: 1e6, rejectedAt: 1e6, consecutiveRejections: 1 }],
  ['is a result', {}, FIRST, { hasResult: true }],
  ['continues', { unresolvedSince: 9 }, FIRST, { unresolvedSince: 9, rejectedAt: 1e6 }],
  ['is not doubted', { unresolvedSince: 9 }, FIRST, { confirmUntil: -Infinity }],
  ['after no help', { ineffectiveRenewals: 1 }, FIRST, { confirmUntil: 1e6 + DOUBT }],
  ['of a replay is a result', {}, NEWER, { unresolvedSince: OPEN, hasResult: true }],
  ['of a replay is doubted', {}, NEWER, { confirmUntil: 1e6 + DOUBT }],
  ['of a replay, after help', { helpedAt: [1e6] }, NEWER, { unresolvedSince: 1e6 }],
  ['is not a first one', { helpedAt: [1e6] }, NEWER, { consecutiveRejections: 0 }],
  ['with one token', { helpedAt: [1e6] }, AGAIN, { unresolvedSince: OPEN }],
  ['with one token is doubted', {}, AGAIN, { confirmUntil: 1e6 + DOUBT }],
  ['again, late', { lastReactiveRenewalAt: 1e6 - 28_001 }, AGAIN, { forceAt: 1e6 }],
  ['again, early', { lastReactiveRenewalAt: 1e6 - 1000 }, AGAIN, { forceAt: 1e6 + 27_000 }],
  ['of a first call, late', { lastReactiveRenewalAt: 0 }, FIRST, { forceAt: Infinity }],
  ['with a forced renewal', { forceAt: 1e6 - 9 }, AGAIN, { forceAt: 1e6 - 9 }],
])('a rejection: %s', (_, before, call, expected) => {
  expect(reject({ ...NO_REJECTIONS, ...before }, call, 1e6)).toMatchObject(expected)
})

const [INEFFECTIVE, EFFECTIVE] = [{ ineffectiveRenewals: 1 }, { ineffectiveRenewals: 0 }]
const UNHELPED = { ...INEFFECTIVE, lastRenewalHelped: false, consecutiveRejections: 1 }
const HELPED = { ...EFFECTIVE, lastRenewalHelped: true }
const NO_HELP = { lastRenewalHelped: false, helpedAt: [] }
const REJECTED = { consecutiveRejections: 1 }
const THREE = { helpedAt: [1, 2, 3] }
const [EARLIER, SAME_TIME] = [{ unresolvedSince: 98 }, { unresolvedSince: 99 }]
const FORCED = { forceAt: 100 }

it.each<readonly [string, Change, AttemptKind, Change]>([
  ['the first', { ...NO_REJECTIONS }, 'first', { hasResult: true }],
  ['the first with this token', { ...INEFFECTIVE, hasResult: false }, 'first', EFFECTIVE],
  ['after a rejection', { ...INEFFECTIVE, ...REJECTED }, 'first', INEFFECTIVE],
  ['that confirms', EARLIER, 'first', { unresolvedSince: OPEN, confirmUntil: 200 + DOUBT }],
  ['too early', { ...SAME_TIME, confirmUntil: 7 }, 'first', { ...SAME_TIME, confirmUntil: 7 }],
  ['before other rejections', { ...EARLIER, rejectedAt: 99 }, 'first', SAME_TIME],
  ['that helped', UNHELPED, 'newer-token', { ...HELPED, helpedAt: [200] }],
  ['of another call', UNHELPED, 'first', NO_HELP],
  ['without a renewal', REJECTED, 'newer-token', { lastRenewalHelped: true, helpedAt: [] }],
  ['superseded', UNHELPED, 'superseded', NO_HELP],
  ['with a forced renewal', { ...FORCED, ...EARLIER }, 'first', FORCED],
  ['the fourth', { ...UNHELPED, ...THREE }, 'newer-token', { helpedAt: [2, 3, 200] }],
])('an acceptance: %s', (_, before, kind, expected) => {
  const state = accept({ ...GOOD, ...before }, { kind, sentAt: 99 }, { adopted: false }, 200)
  expect(state).toMatchObject(expected)
})

it('an acceptance without news changes nothing', () => {
  expect(acceptedAt(GOOD, 99, 200)).toBe(GOOD)
})

it.each<readonly [string, Change, number]>([
  ['1.8 s after the previous one', {}, 1800],
  ['2.5 s after one that has not helped yet', { lastRenewalHelped: false }, 2500],
  ['0.4 s after the first that did not help', { ineffectiveRenewals: 1 }, 400],
  ['3.6 s if none has helped', { ineffectiveRenewals: 1, helpedAt: [] }, 3600],
  ['7.2 s after the second', { ineffectiveRenewals: 2 }, 7200],
  ['14.4 s after the third', { ineffectiveRenewals: 3 }, 14_400],
  ['28 s after every later one', { ineffectiveRenewals: 9 }, 28_000],
  ['without a wait once the doubt has ended', { unresolvedSince: 5000, confirmUntil: 5000 }, 5000],
  ['when the interval is over, if forced', { forceAt: 9, unresolvedSince: OPEN }, 1800],
  ['later, if forced', { forceAt: 9000, unresolvedSince: OPEN }, 9000],
])('a renewal is due %s', (_, before, at) => {
  const state = { ...GOOD, unresolvedSince: 1, lastReactiveRenewalAt: 0, helpedAt: [-1] }
  expect(renewalDueAt({ ...state, ...before })).toBe(at)
})

it.each<readonly [Change, boolean, boolean]>([
  [{}, true, false],
  [{ hasResult: false }, false, false],
  [{ consecutiveRejections: 1 }, false, false],
  [{ consecutiveRejections: 2 }, false, false],
  [{ consecutiveRejections: 3 }, false, true],
])('with %j the token is accepted: %s, and shown as rejected: %s', (change, accepted, rejected) => {
  const state = { ...GOOD, rejectedAt: 0, consecutiveSince: 0, ...change }
  expect([isAccepted(state), isRejected(state, 2000)]).toEqual([accepted, rejected])
})

const three = (at = 0) => [at, at, at].reduce(rejectedAt, GOOD)
const newer = (at: number, state = three()) => replace(state, undefined, 0.5, at)

it.each<readonly [string, RejectionState, shownUntil: number]>([
  ['with the same token', three(), DOUBT],
  ['with later ones', rejectedAt(three(), 5 * MINUTE), 15 * MINUTE],
  ['with a newer token', newer(MINUTE), MINUTE + 10_000],
  ['with a newer token that is also rejected', reject(newer(9), NEWER, 50), DOUBT],
  ['after a response without a decision', dismiss(three()), 0],
  ['after another call was accepted', acceptedAt(three(), 1, 2), 0],
  ['of which only one is new', rejectedAt(newer(MINUTE), 2 * MINUTE), 0],
])('three rejections %s are shown until %#', (_, state, until) => {
  const shown = [until - 1, until].map((now) => isRejected(state, now))
  expect(shown).toEqual([until > 0, false])
})

it('rejected calls are shown as a rejected token if no other response came for 2 s', () => {
  const others = rejectedAt(rejectedAt(rejectedAt(acceptedAt(three(), 1, 500), 600), 700), 800)
  const states = [three(), others, newer(1999), newer(2000)]
  const shown = [1999, 2000, 2599, 2600].map((now) => states.map((one) => isRejected(one, now)))
  const mixed = [true, false, false, true]
  expect(shown).toEqual([[false, false, false, true], mixed, mixed, [true, true, false, true]])
})

it('a response without a decision changes neither the doubt nor the pace', () => {
  const { consecutiveRejections: _, ...rest } = three()
  expect(dismiss(three())).toEqual({ ...rest, consecutiveRejections: 0 })
  expect(dismiss(GOOD)).toBe(GOOD)
})

it('a minute later, a renewal that helped is not part of a conflict, and gives no second replay', () => {
  const state = { ...GOOD, helpedAt: [1, 2, 3] }
  expect([MINUTE, MINUTE + 1].map((now) => isConflict(state, now))).toEqual([true, false])
  const replays = [MINUTE + 2, MINUTE + 3].map((now) => mayReplay(state, 1, now))
  expect([...replays, mayReplay(state, 2, MINUTE)]).toEqual([true, false, false])
  expect([mayReplay(GOOD, 0, 0), mayReplay(GOOD, 1, 0)]).toEqual([true, false])
})

it.each<readonly [readonly number[], now: number, unsteady: boolean]>([
  [[1000, 2000], 2000, false],
  [[1000, 1999, 2998], 2998, false],
  [[1000, 2000, 3000], 3000, true],
  [[1000, 2000, 3000, 40_000], 61_999, true],
  [[1000, 2000, 3000, 40_000], 62_000, false],
])('calls accepted at %j with the token that rejected them, at %i: unsteady %s', (at, now, is) => {
  const again = (state: RejectionState, when: number) =>
    accept(reject(state, FIRST, when), { kind: 'same-token', sentAt: when }, OWN, when)
  const state = at.reduce(again, { ...GOOD, helpedAt: [now, now, now] })
  expect([isUnsteady(state, now), isConflict(state, now)]).toEqual([is, !is])
})

it.each([
  [0, 4600],
  [0.5, 5000],
  [1, 5400],
])('the interval counts from the request, jittered by 0.4 s: random %d', (random, at) => {
  expect(replace(rejectedAt(GOOD, 5000), 5000, random, 5000).lastReactiveRenewalAt).toBe(at)
})

it.each<readonly [string, Change, number | undefined, number]>([
  ['that a rejection triggered', { unresolvedSince: 100 }, 100, 1],
  ['that was forced', { forceAt: 100 }, 100, 1],
  ['before a forced one', { forceAt: 101 }, 100, 0],
  ['after a confirmation', {}, 100, 0],
  ['of a scheduled request, then a rejection', { unresolvedSince: 101 }, 100, 0],
  ["that is another replica's", { unresolvedSince: 100 }, undefined, 0],
  ["that is another replica's, and forced", { forceAt: 100 }, undefined, 0],
])('a newer token %s', (_, before, requestedAt, ineffectiveRenewals) => {
  const state = replace({ ...GOOD, ...before }, requestedAt, 0.5, 150)
  const fresh = { unresolvedSince: OPEN, forceAt: Infinity, hasResult: false, replacedAt: 150 }
  const isReactive = ineffectiveRenewals === 1
  const lastReactiveRenewalAt = isReactive ? 100 : -Infinity
  const renewal = { ineffectiveRenewals, lastRenewalHelped: !isReactive, lastReactiveRenewalAt }
  expect(state).toMatchObject({ ...fresh, ...renewal })
})

it("a replica's token that helps takes the place of the last one that helped", () => {
  const before = { ...GOOD, ...UNHELPED, ...THREE }
  const after = accept(before, { kind: 'newer-token', sentAt: 99 }, { adopted: true }, 200)
  expect(after.helpedAt).toEqual([1, 2, 200])
})
