import { expect, it } from 'vitest'
import {
  accept,
  isAccepted,
  isConflict,
  isRejected,
  mayReplay,
  NO_EVIDENCE,
  reject,
  renewalDueAt,
  replace,
  type AttemptKind,
  type Evidence,
} from '../../src/token/evidence.ts'

const rejectedAt = (state: Evidence, at: number): Evidence =>
  reject(state, { kind: 'first', replays: 0 }, at)
const acceptedAt = (state: Evidence, sentAt: number, now: number): Evidence =>
  accept(state, { kind: 'first', sentAt }, { adopted: false }, now)

it.each([
  ['before it came', 99, 100],
  ['in the moment that it came', 100, 100],
  ['after it', 101, Infinity],
])('a rejection is answered by a call that was sent later: %s', (_, sentAt, openSince) => {
  expect(acceptedAt(rejectedAt(NO_EVIDENCE, 100), sentAt, 200).openSince).toBe(openSince)
})

const MINUTE = 60_000
const DOUBT = 10 * MINUTE
/** A call with the token was accepted, and nothing is doubtful. */
const GOOD: Evidence = { ...NO_EVIDENCE, judged: true, everAccepted: true }
const FIRST = { kind: 'first', replays: 0 } as const
const AGAIN = { kind: 'same-token', replays: 1 } as const
const NEWER = { kind: 'newer-token', replays: 1 } as const

it.each<readonly [string, Partial<Evidence>, Parameters<typeof reject>[1], Partial<Evidence>]>([
  ['opens', {}, FIRST, { openSince: 1e6, rejectedAt: 1e6, rejectedInRow: 1, judged: true }],
  ['stays open', { openSince: 9 }, FIRST, { openSince: 9, rejectedAt: 1e6, doubtUntil: -Infinity }],
  ['after one that cured nothing', { uncured: 1 }, FIRST, { doubtUntil: 1e6 + DOUBT }],
  ['of a replay', {}, NEWER, { openSince: Infinity, judged: true, doubtUntil: 1e6 + DOUBT }],
  ['of a replay, cured before', { cures: [1e6] }, NEWER, { openSince: 1e6, rejectedInRow: 0 }],
  ['with one token', { cures: [1e6] }, AGAIN, { openSince: Infinity, doubtUntil: 1e6 + DOUBT }],
  ['with one token, late', { boughtAt: 1e6 - 28_000 }, AGAIN, { overruled: true }],
  ['with one token, early', { boughtAt: 1e6 - 27_999 }, AGAIN, { overruled: false }],
  ['the first, late', { boughtAt: 0 }, FIRST, { overruled: false }],
  ['overruled before', { overruled: true }, FIRST, { overruled: true }],
])('a rejection: %s', (_, before, call, expected) => {
  expect(reject({ ...NO_EVIDENCE, ...before }, call, 1e6)).toMatchObject(expected)
})

it.each<readonly [string, Partial<Evidence>, AttemptKind, Partial<Evidence>]>([
  ['the first', { ...NO_EVIDENCE }, 'first', { judged: true, everAccepted: true }],
  ['the first with this token', { judged: false, uncured: 1 }, 'first', { uncured: 0 }],
  ['after a rejection', { rejectedInRow: 1, uncured: 1 }, 'first', { uncured: 1 }],
  ['an answer', { openSince: 98 }, 'first', { doubtUntil: 200 + DOUBT }],
  ['no answer', { openSince: 99, doubtUntil: 7 }, 'first', { doubtUntil: 7 }],
  ['an answer, not to all', { openSince: 98, rejectedAt: 99 }, 'first', { openSince: 99 }],
  ['a cure', { cured: false, uncured: 1 }, 'newer-token', { uncured: 0, cured: true }],
  ['of another call', { cured: false, rejectedInRow: 1 }, 'first', { cured: false, cures: [] }],
  ['of no renewal', { rejectedInRow: 1 }, 'newer-token', { cured: true, cures: [] }],
  ['overtaken', { cured: false, rejectedInRow: 1 }, 'overtaken', { cured: false, cures: [] }],
  ['overruled before', { overruled: true, openSince: 98 }, 'first', { overruled: true }],
  ['a fourth cure', { cured: false, cures: [1, 2, 3] }, 'newer-token', { cures: [2, 3, 200] }],
])('an acceptance: %s', (_, before, kind, expected) => {
  const call = { kind, sentAt: 99 }
  expect(accept({ ...GOOD, ...before }, call, { adopted: false }, 200)).toMatchObject(expected)
})

it.each<readonly [string, Partial<Evidence>, number]>([
  ['1.8 s after the one before', {}, 1800],
  ['2.5 s after one that has not cured a call yet', { cured: false }, 2500],
  ['0.4 s after the first that cured nothing, where one had cured', { uncured: 1 }, 400],
  ['3.6 s after it, where none of this is known', { uncured: 1, cures: [] }, 3600],
  ['7.2 s after the second', { uncured: 2 }, 7200],
])('a renewal begins %s', (_, before, at) => {
  const state = { ...GOOD, openSince: 1, boughtAt: 0, cures: [-1], ...before }
  expect(renewalDueAt(state)).toBe(at)
})

it('an acceptance that says nothing new changes nothing', () => {
  expect(acceptedAt(GOOD, 99, 200)).toBe(GOOD)
})

it.each<readonly [Partial<Evidence>, boolean, boolean]>([
  [{}, true, false],
  [{ judged: false }, false, false],
  [{ everAccepted: false }, false, false],
  [{ rejectedInRow: 1 }, false, false],
  [{ rejectedInRow: 2 }, false, false],
  [{ rejectedInRow: 3 }, false, true],
])('the token is accepted, or rejected for people: %j', (change, accepted, rejected) => {
  const state = { ...GOOD, ...change }
  expect([isAccepted(state), isRejected(state)]).toEqual([accepted, rejected])
})

it('a minute after it a cure is none of a conflict, and gives no second replay', () => {
  const state = { ...GOOD, cures: [1, 2, 3] }
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
  expect(replace(rejectedAt(GOOD, 5000), 5000, random).boughtAt).toBe(at)
})

it.each<readonly [string, Partial<Evidence>, number | undefined, number, boolean]>([
  ['that a rejection asked for', { openSince: 100 }, 100, 1, false],
  ['that was asked for against the evidence', { overruled: true }, 100, 1, false],
  ['that evidence has answered meanwhile', {}, 100, 0, true],
  ['that a timer had asked for when the rejection came', { openSince: 101 }, 100, 0, true],
  ['that another replica gave unasked', { openSince: 100 }, undefined, 0, true],
  ['the same, against the evidence', { overruled: true }, undefined, 0, true],
])('a newer token %s', (...row) => {
  const [, before, requestedAt, uncured, cured] = row
  const state = replace({ ...GOOD, ...before }, requestedAt, 0.5)
  const fresh = { openSince: Infinity, overruled: false, judged: false }
  expect(state).toMatchObject({ ...fresh, uncured, cured })
  expect(state.boughtAt).toBe(cured ? -Infinity : 100)
})

it('evidence that is overruled keeps no renewal waiting but for the pace', () => {
  expect(renewalDueAt({ ...GOOD, overruled: true })).toBe(-Infinity)
  expect(renewalDueAt({ ...GOOD, overruled: true, boughtAt: 100 })).toBe(1900)
})

/** The evidence after a renewal that rejections asked for, and when rejections may ask for the next. */
function renewed(before: Evidence, at: number) {
  const state = replace(rejectedAt(before, at), at, 0.5)
  return { state, next: renewalDueAt(rejectedAt(state, at + 1)) }
}

it.each([
  ['3.6 s apart, then 7.2 s, then 10 s', true, [3600, 7200, 10_000, 10_000]],
  [
    'up to 5 min apart while no call was ever accepted',
    false,
    [3600, 7200, 14_400, 28_800, 57_600, 115_200, 230_400, 300_000, 300_000],
  ],
])('renewals that cure nothing, or that no call judges, begin %s', (_, everAccepted, expected) => {
  let { state, next } = { state: { ...NO_EVIDENCE, everAccepted } as Evidence, next: 0 }
  const distances = expected.map(() => {
    const at = next
    ;({ state, next } = renewed(state, at))
    return next - at
  })
  expect(distances).toEqual(expected)
  const cured = acceptedAt(renewed(state, next).state, next + 1, next + 1)
  expect(renewalDueAt(rejectedAt(cured, next + 2)) - next).toBe(2500)
})

it('replicas whose tokens cure count as renewals that cure, but not as a conflict', () => {
  const cured = (before: Evidence, at: number, adopted: boolean): Evidence => {
    const state = replace(rejectedAt(before, at), at, 0.5)
    const call = { kind: 'newer-token', sentAt: at } as const
    return accept(state, call, { adopted }, at)
  }
  const times = [0, 10_000, 20_000, 30_000]
  const [own, others] = [false, true].map((adopted) =>
    times.reduce((state, at) => cured(state, at, adopted), NO_EVIDENCE),
  )
  expect([own, others].map((state) => isConflict(state ?? NO_EVIDENCE, 30_000))).toEqual([
    true,
    false,
  ])
  expect(mayReplay(others ?? NO_EVIDENCE, 1, 80_000)).toBe(true)
})
