import { expect, it } from 'vitest'
import {
  accept,
  beginRenewal,
  isConflict,
  mayReplay,
  NO_EVIDENCE,
  reject,
  renewalDueAt,
  replace,
  type Evidence,
} from '../../src/token/evidence.ts'

const rejectedAt = (state: Evidence, at: number): Evidence =>
  reject(state, { kind: 'first', replays: 0, replayable: true }, at)
const acceptedAt = (state: Evidence, sentAt: number, now: number): Evidence =>
  accept(state, { kind: 'first', sentAt }, { obtainedAt: 0, adopted: false }, now)

it.each([
  ['before it came', 99, 100],
  ['in the moment that it came', 100, 100],
  ['after it', 101, Infinity],
])('a rejection is answered by a call that was sent later: %s', (_, sentAt, openSince) => {
  expect(acceptedAt(rejectedAt(NO_EVIDENCE, 100), sentAt, 200).openSince).toBe(openSince)
})

it('rejections that came after the accepted call was sent are still open', () => {
  const state = rejectedAt(rejectedAt(NO_EVIDENCE, 100), 200)
  const answered = acceptedAt(state, 150, 300)
  expect(answered.openSince).toBe(150)
  expect(acceptedAt(answered, 201, 400).openSince).toBe(Infinity)
})

it('a rejection waits 500 ms for evidence, within ten minutes of one that evidence answered', () => {
  expect(renewalDueAt(rejectedAt(NO_EVIDENCE, 100))).toBe(100)
  const answered = acceptedAt(rejectedAt(NO_EVIDENCE, 100), 101, 200)
  expect(renewalDueAt(rejectedAt(answered, 300))).toBe(800)
  expect(renewalDueAt(rejectedAt(answered, 600_200))).toBe(600_200)
})

it('a replay that is rejected asks for another token only where renewals cure', () => {
  const replay = { kind: 'newer-token', replays: 1, replayable: true } as const
  expect(renewalDueAt(reject(NO_EVIDENCE, replay, 100))).toBe(Infinity)
  const cured = { ...NO_EVIDENCE, cures: [0] }
  expect(reject(cured, replay, 100)).toMatchObject({ openSince: 100, rejectedInRow: 0 })
})

it.each([
  [4999, Infinity],
  [5000, -Infinity],
])('a rejected call that the same token, %i ms old, cured: due at %d', (age, due) => {
  const call = { kind: 'same-token', sentAt: 101 } as const
  const token = { obtainedAt: 200 - age, adopted: false }
  expect(renewalDueAt(accept(rejectedAt(NO_EVIDENCE, 100), call, token, 200))).toBe(due)
})

/** The evidence after a renewal that rejections asked for, and when rejections may ask for the next. */
function renewed(before: Evidence, at: number) {
  const state = replace(beginRenewal(rejectedAt(before, at), at, 0.5))
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

it('where renewals cure, the first that does not is followed by another when evidence was waited for', () => {
  const cured = { ...NO_EVIDENCE, cures: [0] }
  expect(renewed(cured, 10_000).next).toBe(10_501)
  expect(renewed(cured, 60_000).next).toBe(63_600)
})

it('replicas whose tokens cure count as renewals that cure, but not as a conflict', () => {
  const cured = (before: Evidence, at: number, adopted: boolean): Evidence => {
    const state = replace(beginRenewal(rejectedAt(before, at), at, 0.5))
    const call = { kind: 'newer-token', sentAt: at } as const
    return accept(state, call, { obtainedAt: at, adopted }, at)
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
