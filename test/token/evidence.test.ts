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
  reject(state, { kind: 'first', replays: 0 }, at)
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

it('renewals that cure nothing, or that no call judges, begin 4 s apart, then 8 s, then 10 s', () => {
  let state = NO_EVIDENCE
  let at = 0
  const dueAfter = (evidence: Evidence): number =>
    renewalDueAt(rejectedAt({ ...evidence, everAccepted: true }, at + 1)) - at
  const distances: number[] = []
  for (let round = 0; round < 5; round += 1) {
    state = replace(beginRenewal(rejectedAt(state, at), at, 0.5))
    distances.push(dueAfter(state))
    at += dueAfter(state)
  }
  expect(distances).toEqual([4000, 8000, 10_000, 10_000, 10_000])
  state = replace(beginRenewal(rejectedAt(state, at), at, 0.5))
  expect(dueAfter(acceptedAt(state, at + 1, at + 1))).toBe(2000)
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
