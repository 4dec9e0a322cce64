import { expect, it } from 'vitest'
import {
  accept,
  isAccepted,
  isConflict,
  isRejected,
  mayReplay,
  NO_REJECTIONS,
  reject,
  renewalDueAt,
  replace,
  type AttemptKind,
  type RejectionState,
} from '../../src/token/rejection-tracker.ts'

const rejectedAt = (state: RejectionState, at: number): RejectionState =>
  reject(state, { kind: 'first', replays: 0 }, at)
const acceptedAt = (state: RejectionState, sentAt: number, now: number): RejectionState =>
  accept(state, { kind: 'first', sentAt }, { adopted: false }, now)

it.each([
  ['before it came', 99, 100],
  ['in the moment that it came', 100, 100],
  ['after it', 101, Infinity],
])('a rejection is answered by a call that was sent later: %s', (_, sentAt, unresolvedSince) => {
  expect(acceptedAt(rejectedAt(NO_REJECTIONS, 100), sentAt, 200).unresolvedSince).toBe(
    unresolvedSince,
  )
})

const MINUTE = 60_000
const DOUBT = 10 * MINUTE
/** A call with the token was accepted, and nothing is doubtful. */
const GOOD: RejectionState = { ...NO_REJECTIONS, hasResult: true }
const FIRST = { kind: 'first', replays: 0 } as const
const AGAIN = { kind: 'same-token', replays: 1 } as const
const NEWER = { kind: 'newer-token', replays: 1 } as const

it.each<
  readonly [string, Partial<RejectionState>, Parameters<typeof reject>[1], Partial<RejectionState>]
>([
  [
    'opens',
    {},
    FIRST,
    { unresolvedSince: 1e6, rejectedAt: 1e6, consecutiveRejections: 1, hasResult: true },
  ],
  [
    'stays open',
    { unresolvedSince: 9 },
    FIRST,
    { unresolvedSince: 9, rejectedAt: 1e6, confirmUntil: -Infinity },
  ],
  [
    'after one that lastRenewalHelped nothing',
    { ineffectiveRenewals: 1 },
    FIRST,
    { confirmUntil: 1e6 + DOUBT },
  ],
  [
    'of a replay',
    {},
    NEWER,
    { unresolvedSince: Infinity, hasResult: true, confirmUntil: 1e6 + DOUBT },
  ],
  [
    'of a replay, lastRenewalHelped before',
    { effectiveRenewals: [1e6] },
    NEWER,
    { unresolvedSince: 1e6, consecutiveRejections: 0 },
  ],
  [
    'with one token',
    { effectiveRenewals: [1e6] },
    AGAIN,
    { unresolvedSince: Infinity, confirmUntil: 1e6 + DOUBT },
  ],
  ['with one token, late', { lastReactiveRenewalAt: 1e6 - 28_000 }, AGAIN, { forceRenewal: true }],
  [
    'with one token, early',
    { lastReactiveRenewalAt: 1e6 - 27_999 },
    AGAIN,
    { forceRenewal: false },
  ],
  ['the first, late', { lastReactiveRenewalAt: 0 }, FIRST, { forceRenewal: false }],
  ['with a forced renewal', { forceRenewal: true }, FIRST, { forceRenewal: true }],
])('a rejection: %s', (_, before, call, expected) => {
  expect(reject({ ...NO_REJECTIONS, ...before }, call, 1e6)).toMatchObject(expected)
})

it.each<readonly [string, Partial<RejectionState>, AttemptKind, Partial<RejectionState>]>([
  ['the first', { ...NO_REJECTIONS }, 'first', { hasResult: true }],
  [
    'the first with this token',
    { hasResult: false, ineffectiveRenewals: 1 },
    'first',
    { ineffectiveRenewals: 0 },
  ],
  [
    'after a rejection',
    { consecutiveRejections: 1, ineffectiveRenewals: 1 },
    'first',
    { ineffectiveRenewals: 1 },
  ],
  ['an answer', { unresolvedSince: 98 }, 'first', { confirmUntil: 200 + DOUBT }],
  ['no answer', { unresolvedSince: 99, confirmUntil: 7 }, 'first', { confirmUntil: 7 }],
  [
    'an answer, not to all',
    { unresolvedSince: 98, rejectedAt: 99 },
    'first',
    { unresolvedSince: 99 },
  ],
  [
    'a cure',
    { lastRenewalHelped: false, ineffectiveRenewals: 1 },
    'newer-token',
    { ineffectiveRenewals: 0, lastRenewalHelped: true },
  ],
  [
    'of another call',
    { lastRenewalHelped: false, consecutiveRejections: 1 },
    'first',
    { lastRenewalHelped: false, effectiveRenewals: [] },
  ],
  [
    'of no renewal',
    { consecutiveRejections: 1 },
    'newer-token',
    { lastRenewalHelped: true, effectiveRenewals: [] },
  ],
  [
    'superseded',
    { lastRenewalHelped: false, consecutiveRejections: 1 },
    'superseded',
    { lastRenewalHelped: false, effectiveRenewals: [] },
  ],
  [
    'with a forced renewal',
    { forceRenewal: true, unresolvedSince: 98 },
    'first',
    { forceRenewal: true },
  ],
  [
    'a fourth that helps',
    { lastRenewalHelped: false, effectiveRenewals: [1, 2, 3] },
    'newer-token',
    { effectiveRenewals: [2, 3, 200] },
  ],
])('an acceptance: %s', (_, before, kind, expected) => {
  const call = { kind, sentAt: 99 }
  expect(accept({ ...GOOD, ...before }, call, { adopted: false }, 200)).toMatchObject(expected)
})

it.each<readonly [string, Partial<RejectionState>, number]>([
  ['1.8 s after the one before', {}, 1800],
  ['2.5 s after one that has not helped a call yet', { lastRenewalHelped: false }, 2500],
  ['0.4 s after the first that helped nothing, if one had helped', { ineffectiveRenewals: 1 }, 400],
  [
    '3.6 s after it, where none of this is known',
    { ineffectiveRenewals: 1, effectiveRenewals: [] },
    3600,
  ],
  ['7.2 s after the second', { ineffectiveRenewals: 2 }, 7200],
])('a renewal begins %s', (_, before, at) => {
  const state = {
    ...GOOD,
    unresolvedSince: 1,
    lastReactiveRenewalAt: 0,
    effectiveRenewals: [-1],
    ...before,
  }
  expect(renewalDueAt(state)).toBe(at)
})

it('an acceptance that says nothing new changes nothing', () => {
  expect(acceptedAt(GOOD, 99, 200)).toBe(GOOD)
})

it.each<readonly [Partial<RejectionState>, boolean, boolean]>([
  [{}, true, false],
  [{ hasResult: false }, false, false],
  [{ consecutiveRejections: 1 }, false, false],
  [{ consecutiveRejections: 2 }, false, false],
  [{ consecutiveRejections: 3 }, false, true],
])('the token is accepted, or rejected for people: %j', (change, accepted, rejected) => {
  const state = { ...GOOD, ...change }
  expect([isAccepted(state), isRejected(state)]).toEqual([accepted, rejected])
})

it('a minute later a renewal that helped is not part of a conflict, and gives no second replay', () => {
  const state = { ...GOOD, effectiveRenewals: [1, 2, 3] }
  expect([MINUTE, MINUTE + 1].map((now) => isConflict(state, now))).toEqual([true, false])
  const replays = [MINUTE + 2, MINUTE + 3].map((now) => mayReplay(state, 1, now))
  expect(replays).toEqual([true, false])
  expect(mayReplay(state, 2, MINUTE)).toBe(false)
  expect([mayReplay(GOOD, 0, 0), mayReplay(GOOD, 1, 0)]).toEqual([true, false])
})

it.each([
  [0, 4600],
  [0.5, 5000],
  [1, 5400],
])('the pace counts from when the request began, scattered by 0.4 s: random %d', (random, at) => {
  expect(replace(rejectedAt(GOOD, 5000), 5000, random).lastReactiveRenewalAt).toBe(at)
})

it.each<readonly [string, Partial<RejectionState>, number | undefined, number, boolean]>([
  ['that a rejection asked for', { unresolvedSince: 100 }, 100, 1, false],
  ['that was forced', { forceRenewal: true }, 100, 1, false],
  ['that an acceptance has answered meanwhile', {}, 100, 0, true],
  ['that a timer had asked for when the rejection came', { unresolvedSince: 101 }, 100, 0, true],
  ['that another replica gave unasked', { unresolvedSince: 100 }, undefined, 0, true],
  ['the same, and forced', { forceRenewal: true }, undefined, 0, true],
])('a newer token %s', (...row) => {
  const [, before, requestedAt, ineffectiveRenewals, lastRenewalHelped] = row
  const state = replace({ ...GOOD, ...before }, requestedAt, 0.5)
  const fresh = { unresolvedSince: Infinity, forceRenewal: false, hasResult: false }
  expect(state).toMatchObject({ ...fresh, ineffectiveRenewals, lastRenewalHelped })
  expect(state.lastReactiveRenewalAt).toBe(lastRenewalHelped ? -Infinity : 100)
})

it('a forced renewal waits for the pace alone', () => {
  expect(renewalDueAt({ ...GOOD, forceRenewal: true })).toBe(-Infinity)
  expect(renewalDueAt({ ...GOOD, forceRenewal: true, lastReactiveRenewalAt: 100 })).toBe(1900)
})

/** The state after a renewal that rejections asked for, and when rejections may ask for the next. */
function renewed(before: RejectionState, at: number) {
  const state = replace(rejectedAt(before, at), at, 0.5)
  return { state, next: renewalDueAt(rejectedAt(state, at + 1)) }
}

it('renewals that help nothing begin up to 28 s apart', () => {
  let { state, next } = { state: NO_REJECTIONS as RejectionState, next: 0 }
  const distances = Array.from({ length: 6 }, () => {
    const at = next
    ;({ state, next } = renewed(state, at))
    return next - at
  })
  expect(distances).toEqual([3600, 7200, 14_400, 28_000, 28_000, 28_000])
  const accepted = acceptedAt(renewed(state, next).state, next + 1, next + 1)
  expect(renewalDueAt(rejectedAt(accepted, next + 2)) - next).toBe(2500)
})

it('tokens of replicas that help count as renewals that help, but not as a conflict', () => {
  const helped = (before: RejectionState, at: number, adopted: boolean): RejectionState => {
    const state = replace(rejectedAt(before, at), at, 0.5)
    const call = { kind: 'newer-token', sentAt: at } as const
    return accept(state, call, { adopted }, at)
  }
  const times = [0, 10_000, 20_000, 30_000]
  const [own, others] = [false, true].map((adopted) =>
    times.reduce((state, at) => helped(state, at, adopted), NO_REJECTIONS),
  )
  expect([own, others].map((state) => isConflict(state ?? NO_REJECTIONS, 30_000))).toEqual([
    true,
    false,
  ])
  expect(mayReplay(others ?? NO_REJECTIONS, 1, 80_000)).toBe(true)
})
