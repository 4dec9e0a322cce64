import { describe, expect, it } from 'vitest'
import { step } from '../../src/token/lifecycle.ts'
import {
  atHand,
  backoffOf,
  countsOf,
  isCurable,
  isIdle,
  NO_FAILURES,
  outageBudget,
  requestOf,
  sendable,
} from '../../src/token/state.ts'
import { grant, live, RULES, START } from './support.ts'

const MINUTE = 60_000

describe('credentials that come into force', () => {
  it.each([
    // Refused so often, so long ago, spared for at least so long: wait, back-off.
    [1, 0, 0, 5000, 'rejected'],
    [2, 0, 0, 10_000, 'rejected'],
    [2, 9999, 0, 1, 'rejected'],
    [2, 10_000, 0, 0, 'rejected'],
    [2, 99_000, 0, 0, 'rejected'],
    [2, 0, MINUTE, MINUTE, 'rejected'],
    [3, 0, 0, 15 * MINUTE, 'guarded'],
    [4, 0, 0, 240 * MINUTE, 'guarded'],
  ] as const)('%i refusals, %i ms ago, spared for %i ms: %i ms, %s', (...row) => {
    const [count, age, shortest, wait, backoff] = row
    expect(backoffOf({ count, age }, shortest, RULES, START)).toEqual({
      refusals: count,
      notBefore: START + wait,
      backoff,
    })
  })

  it('without a refusal are tried now', () => {
    expect(backoffOf(undefined, MINUTE, RULES, START)).toEqual({
      refusals: 0,
      notBefore: START,
      backoff: 'none',
    })
  })
})

describe('a token request', () => {
  it.each([
    [undefined, false],
    [{ failures: undefined, refusals: 0, alone: false }, false],
    [{ failures: undefined, refusals: 0, alone: true }, true],
  ])('remembers whether the other replicas could be asked: %j', (before, alone) => {
    const state = live().state()
    expect(requestOf(state, { operation: 'login', before }, START)).toEqual({
      operation: 'login',
      startedAt: START,
      credentials: 1,
      alone,
    })
  })

  it('keeps the credentials with which it was wanted', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'credentials-changed', refused: undefined })
    expect(requestOf(life.state(), { operation: 'login' }, START).credentials).toBe(1)
  })
})

describe('failures that all replicas met', () => {
  const ours = {
    failures: 3,
    refusals: 2,
    failuresByKind: { ...NO_FAILURES, unclear: 2, unreached: 1 },
  }

  it.each([
    [undefined, { failures: 3, refusals: 2, failuresByKind: ours.failuresByKind }],
    [
      { failures: undefined, refusals: 0, alone: false },
      { failures: 3, refusals: 2, failuresByKind: ours.failuresByKind },
    ],
    [
      { failures: { kind: 'unclear', count: 5 }, refusals: 4, alone: false },
      { failures: 5, refusals: 4, failuresByKind: { ...ours.failuresByKind, unclear: 5 } },
    ],
    [
      { failures: { kind: 'unclear', count: 1 }, refusals: 1, alone: false },
      { failures: 3, refusals: 2, failuresByKind: ours.failuresByKind },
    ],
  ] as const)('count where they are more than our own: %j', (before, counts) => {
    expect(countsOf({ ...live().state(), ...ours }, before)).toEqual(counts)
  })
})

describe('an idle token', () => {
  const rules = { ...RULES, tokenIdleAfter: 5000 }
  const fresh = () => live().login(grant()).state()

  it.each([
    [4999, false],
    [5000, true],
    [5001, true],
  ])('is one that nobody has asked for since %i ms: %j', (ms, idle) => {
    const state = fresh()
    expect(isIdle(state, rules, state.usedAt + ms)).toBe(idle)
  })

  it.each([
    ['no login has succeeded', { lastSuccessAt: undefined }, rules],
    ['a login is due', { loginDue: true }, rules],
    ['TOKEN_IDLE_AFTER is off', {}, RULES],
  ])('is none where %s', (_, changes, otherRules) => {
    const state = { ...fresh(), ...changes }
    expect(isIdle(state, otherRules, state.usedAt + 5000)).toBe(false)
  })
})

describe('the token at hand', () => {
  it('is none before the first', () => {
    const state = live().state()
    expect([atHand(state), sendable(state, START), outageBudget(state, START)]).toEqual([
      undefined,
      undefined,
      0,
    ])
  })

  it.each([false, true])('is told with whether it was rejected: %j', (isRejected) => {
    const life = live().login(grant())
    if (isRejected) life.rejected()
    const { token } = life.state()
    expect(atHand(life.state())).toEqual({ token, rejected: isRejected })
  })

  it.each([
    [0, 295_000],
    [294_999, 1],
    [295_000, 0],
    [400_000, 0],
  ])('%i ms old bridges an outage of %i ms', (age, budget) => {
    const { state, now } = live().login(grant())
    expect(outageBudget(state(), now() + age)).toBe(budget)
    expect(sendable(state(), now() + age)?.generation).toBe(budget === 0 ? undefined : 1)
  })
})

describe('a rejected call may be cured', () => {
  const fresh = () => live().login(grant())

  it.each([
    ['there is no token', () => live(), 1, 0, true],
    ['there is a newer token', () => fresh().rejected(), 0, 0, true],
    ['its token has ended', fresh, 1, 295_000, true],
    ['its token is being renewed', () => fresh().rejected(), 1, 0, true],
    ['its token is good and nothing is renewed', fresh, 1, 294_999, false],
  ])('when %s: %#', (_, ...row) => {
    const [open, generation, age, curable] = row
    const life = open()
    expect(isCurable(life.state(), generation, life.now() + age)).toBe(curable)
  })
})

it('a step changes nothing of the state before it', () => {
  const before = Object.freeze(live().login(grant()).state())
  step(before, { type: 'renew-asked' }, RULES, { now: START, random: 0 })
  expect(before.loginDue).toBe(false)
})
