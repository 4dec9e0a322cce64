import { expect, it } from 'vitest'
import {
  decline,
  endingStatus,
  failedTrial,
  NO_TRIAL,
  renewed,
  succeed,
  type StatusTrial,
} from '../../src/token/status-trial.ts'

const MINUTE = 60_000
const GETS_302 = { status: 302, acceptedAt: 0 }
const LEARNED: StatusTrial = { ...NO_TRIAL, learned: 302, status: 302, triedAt: 0, helpedAt: 0 }

/** Calls with these statuses at these instants; the last accepted call was sent at 0. */
const declined = (calls: Readonly<Record<number, number>>, from: StatusTrial = NO_TRIAL) =>
  Object.entries(calls).reduce(
    (trial, [at, status]) => decline(trial, { status, acceptedAt: 0 }, +at),
    from,
  )
const DUE = declined({ 100: 302, 600: 302, 1100: 302 })

it.each<readonly [string, Record<number, number>, Partial<StatusTrial>, number]>([
  ['three within 1 s', { 100: 302, 600: 302, 1099: 302 }, {}, Infinity],
  ['three in 1 s', { 100: 302, 600: 302, 1100: 302 }, {}, 1100],
  ['two in 1 s', { 100: 302, 1100: 302 }, {}, Infinity],
  ['two statuses', { 100: 302, 600: 404, 1100: 302 }, {}, Infinity],
  ['404 and 419 alike', { 100: 419, 600: 419, 1700: 419 }, {}, 1700],
  ['a status of the request', { 100: 429, 600: 429, 1700: 429 }, {}, Infinity],
  ['a 503 between them', { 100: 302, 600: 302, 700: 503, 1100: 302 }, {}, 1100],
  ['a minute after a good call', { 61e3: 302, 61.6e3: 302, 62.1e3: 302 }, {}, Infinity],
  ['too soon after the last', { 5000: 302, 5600: 302, 6100: 302 }, { triedAt: 0 }, 30_000],
  ['a known status once', { 40e3: 302 }, LEARNED, Infinity],
  ['a known status twice', { 40e3: 302, 40_001: 302 }, LEARNED, 40_001],
  ['another one twice', { 40e3: 404, 40_001: 404 }, LEARNED, Infinity],
  ['after one that did not help', { 100: 302, 600: 302, 1100: 302 }, { phase: 'over' }, Infinity],
])('a login is due after %s', (_, calls, before, dueAt) => {
  expect(declined(calls, { ...NO_TRIAL, ...before }).dueAt).toBe(dueAt)
})

it.each<readonly [string, StatusTrial, number | undefined]>([
  ['is accepted', succeed(renewed(DUE, 1100, 1200), 1250, 1300), 302],
  ['is declined', decline(renewed(DUE, 1100, 1200), GETS_302, 1300), undefined],
  ['was requested before', succeed(renewed(DUE, 1000, 1200), 1250, 1300), undefined],
  ['does not arrive', succeed(failedTrial(DUE, 1200), 1250, 1300), undefined],
  ['is late: the old one works', succeed(DUE, 1150, 1200), undefined],
])('the status is known if a call with the newer token %s', (_, trial, status) => {
  expect(endingStatus(trial, 1300)).toBe(status)
})

it('a known status is forgotten if a newer token, or the old one after it, contradicts, and is shown for 10 min', () => {
  const due = declined({ 40e3: 302, 40_001: 302 }, LEARNED)
  expect(decline(renewed(due, 40_001, 40_100), GETS_302, 40_200).learned).toBeUndefined()
  expect(succeed(declined({ 40e3: 302 }, LEARNED), 40_001, 40_100).learned).toBeUndefined()
  expect(succeed(declined({ 40e3: 302 }, LEARNED), 39_999, 40_100).learned).toBe(302)
  expect(endingStatus(LEARNED, 10 * MINUTE - 1)).toBe(302)
  expect(endingStatus(LEARNED, 10 * MINUTE)).toBeUndefined()
})

it('one that did not help is not tried again before a call is accepted', () => {
  const over = decline(renewed(DUE, 1100, 1200), GETS_302, 1300)
  expect(declined({ 40e3: 302, 41e3: 302, 42e3: 302 }, over).dueAt).toBe(Infinity)
  expect(declined({ 40e3: 302, 41e3: 302, 42e3: 302 }, succeed(over, 39e3, 39e3)).dueAt).toBe(42e3)
})
