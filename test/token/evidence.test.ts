import { expect, it } from 'vitest'
import {
  accept,
  beginRenewal,
  isUncured,
  NO_EVIDENCE,
  reject,
  renewalDueAt,
  replace,
  type Evidence,
} from '../../src/token/evidence.ts'

const FIRST = { kind: 'first', replays: 0 } as const

const rejectedAt = (state: Evidence, at: number): Evidence => reject(state, FIRST, at)
const acceptedAt = (state: Evidence, sentAt: number, now: number): Evidence =>
  accept(state, { kind: 'first', sentAt, tokenAge: 60_000 }, now)

it.each([
  ['before it came', 99, 100],
  ['in the moment that it came', 100, 100],
  ['after it', 101, undefined],
])('a rejection is answered by a call that was sent later: %s', (_, sentAt, openSince) => {
  expect(acceptedAt(rejectedAt(NO_EVIDENCE, 100), sentAt, 200).openSince).toBe(openSince)
})

it('rejections that came after the accepted call was sent are still open', () => {
  const state = rejectedAt(rejectedAt(NO_EVIDENCE, 100), 200)
  const answered = acceptedAt(state, 150, 300)
  expect([answered.openSince, answered.answeredAt]).toEqual([150, 150])
  expect(acceptedAt(answered, 201, 400).openSince).toBeUndefined()
})

it('a renewal that nobody judged counts as one that cured nothing when the next is asked for', () => {
  const renewed = (state: Evidence, at: number): Evidence =>
    replace(beginRenewal(rejectedAt(state, at), at, 0.5), { adopted: false })
  const once = renewed(NO_EVIDENCE, 0)
  expect(isUncured(once)).toBe(false)
  expect(isUncured(renewed(once, 5000))).toBe(true)
})

it('renewals that cure nothing begin 4 s apart, then 8 s, then 10 s', () => {
  let state = NO_EVIDENCE
  let at = 0
  const distances: number[] = []
  for (let round = 0; round < 5; round += 1) {
    state = replace(beginRenewal(rejectedAt(state, at), at, 0.5), { adopted: false })
    const due = renewalDueAt(rejectedAt({ ...state, everAccepted: true }, at + 1))
    distances.push(due - at)
    at = due
  }
  expect(distances).toEqual([4000, 8000, 10_000, 10_000, 10_000])
})
