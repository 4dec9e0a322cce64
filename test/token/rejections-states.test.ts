import { describe, expect, it } from 'vitest'
import {
  accept,
  adopt,
  NO_REJECTIONS,
  reject,
  replace,
  type RejectedCall,
  type Rejections,
} from '../../src/token/rejections.ts'
import type { Token } from '../../src/token/token.ts'
import { grant, live, RULES } from './support.ts'

const NOW = 10_000_000
const MINUTE = 60_000
const TEN_MINUTES = NOW + 10 * MINUTE

function tokenOf(generation: number, isAccepted = true): Token {
  const { token } = live().login(grant()).state()
  if (token === undefined) throw new Error('no token')
  return { ...token, generation, accepted: isAccepted }
}

const stateOf = (changes: Partial<Rejections> = {}): Rejections => ({
  ...NO_REJECTIONS,
  ...changes,
})
const map = (...entries: readonly (readonly [string, number])[]) => new Map(entries)
const forbidden = (...entries: readonly (readonly [string, number, boolean])[]) =>
  new Map(entries.map(([path, until, mixed]) => [path, { until, mixed }]))
const earlyOf = (...generations: readonly number[]) =>
  generations.map((generation) => ({ at: NOW - 5000, generation }))

interface Rejecting extends Partial<RejectedCall> {
  readonly token?: Token
  readonly random?: number
}

function rejectIn(state: Rejections, path: string, call: Rejecting = {}) {
  const { token = tokenOf(3), random = 0, sentAt = NOW, again = false } = call
  return reject(state, { token, path, sentAt, again }, RULES, { now: NOW, random })
}

function acceptIn(state: Rejections, path: string, sentAt = NOW, token = tokenOf(3)) {
  return accept(state, { token, path, sentAt }, NOW)
}

describe('a call that is rejected again after it was sent again', () => {
  const replaced = { at: NOW - 1000, generation: 2, paths: new Set(['/bad', '/other']) }

  it('is refused itself: its first rejection was no conflict, and its path is remembered', () => {
    const { verdict, rejections } = rejectIn(stateOf({ replaced, early: earlyOf(1, 2) }), '/bad')
    expect(verdict).toBe('about-call')
    expect(rejections.early).toEqual(earlyOf(1))
    expect(rejections.forbidden).toEqual(forbidden(['/bad', TEN_MINUTES, false]))
  })

  it('makes its path mixed when other calls of it were accepted meanwhile', () => {
    const state = stateOf({ replaced: { ...replaced, paths: new Set() } })
    const { verdict, rejections } = rejectIn(state, '/bad', { again: true })
    expect(verdict).toBe('about-call')
    expect(rejections.forbidden).toEqual(forbidden(['/bad', TEN_MINUTES, true]))
  })

  it('needs no replacement that is known here: another replica may have made it', () => {
    const { verdict, rejections } = rejectIn(stateOf({ early: earlyOf(1) }), '/bad', {
      again: true,
    })
    expect([verdict, rejections.early]).toEqual(['about-call', earlyOf(1)])
  })

  it('is the latest of the remembered paths, and stays mixed', () => {
    const state = stateOf({
      replaced,
      forbidden: forbidden(['/bad', 5, true], ['/still', 6, false]),
    })
    expect([...rejectIn(state, '/bad').rejections.forbidden]).toEqual([
      ['/still', { until: 6, mixed: false }],
      ['/bad', { until: TEN_MINUTES, mixed: true }],
    ])
  })

  it.each([
    [29_999, 'about-call'],
    [30_000, 'replace'],
  ])('is that for 30 s: %i ms after the replacement it means %s', (ms, verdict) => {
    const state = stateOf({ replaced: { ...replaced, at: NOW - ms } })
    expect(rejectIn(state, '/bad').verdict).toBe(verdict)
  })

  it('is that only with a token that works for others', () => {
    const call = { again: true, token: tokenOf(3, false) }
    expect(rejectIn(stateOf(), '/bad', call).verdict).toBe('replace')
  })
})

describe('a forbidden path', () => {
  it.each([
    [NOW + 1, false, 29_999, 'about-call'],
    [NOW, false, 29_999, 'replace'],
    [NOW + 1, false, 30_000, 'replace'],
    [NOW + 1, true, 29_999, 'doubt'],
    [NOW, true, 29_999, 'replace'],
  ])('until %i, mixed: %j, the token worked %i ms ago: %s', (...row) => {
    const [until, mixed, acceptedAgo, verdict] = row
    const state = stateOf({
      forbidden: forbidden(['/bad', until, mixed]),
      acceptedAt: NOW - acceptedAgo,
    })
    expect(rejectIn(state, '/bad').verdict).toBe(verdict)
    expect(rejectIn(state, '/other').verdict).toBe('replace')
  })

  it('is doubted for 500 ms', () => {
    const state = stateOf({ forbidden: forbidden(['/bad', NOW + 1, true]) })
    expect(rejectIn(state, '/bad')).toMatchObject({
      until: NOW + 500,
      rejections: { renewing: true },
    })
  })
})

describe('a token that was rejected before it has worked', () => {
  const replaced = { at: NOW - 1000, generation: 2, paths: new Set<string>() }
  it.each([
    [NOW, 'brand-new'],
    [NOW + 1, 'hold-off'],
  ])('is relayed, unless a conflict lasts (until %i): %s', (conflictUntil, verdict) => {
    const token = tokenOf(3, false)
    const outcome = rejectIn(stateOf({ replaced, conflictUntil }), '/tasks', { token })
    expect(outcome.verdict).toBe(verdict)
    expect(outcome.rejections.suspects).toEqual(map(['/tasks', NOW]))
  })

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('is held off in a conflict (random %d) for %i ms, which lasts a minute more', (random, ms) => {
    const state = stateOf({ replaced, conflictUntil: NOW + 1 })
    const outcome = rejectIn(state, '/tasks', { token: tokenOf(3, false), random })
    expect(outcome).toMatchObject({ verdict: 'hold-off', until: NOW + ms })
    expect(outcome.rejections).toMatchObject({
      heldSince: NOW,
      renewing: true,
      conflictUntil: NOW + ms + MINUTE,
    })
  })
})

describe('the third token in a minute that is rejected early', () => {
  it.each([
    [59_999, 'hold-off'],
    [60_000, 'replace'],
  ])('is a conflict: the first was %i ms ago: %s', (age, verdict) => {
    const early = [
      { at: NOW - age, generation: 1 },
      { at: NOW - 10, generation: 2 },
    ]
    const outcome = rejectIn(stateOf({ early }), '/tasks')
    expect(outcome.verdict).toBe(verdict)
    expect(outcome.rejections.early.at(-1)).toEqual({ at: NOW, generation: 3 })
  })
})

describe('paths of rejected calls', () => {
  it('keep the instant of their first report', () => {
    const state = stateOf({ suspects: map(['/tasks', NOW - 5]), renewing: true })
    const { verdict, rejections } = rejectIn(state, '/tasks')
    expect([verdict, rejections.suspects]).toEqual(['known', map(['/tasks', NOW - 5])])
  })

  it('are at most 1,000', () => {
    const paths = Array.from({ length: 999 }, (_, n): [string, number] => [`/${n}`, NOW - 5])
    const state = stateOf({ suspects: map(...paths), renewing: true })
    const { rejections } = rejectIn(state, '/a')
    expect([rejections.suspects.size, rejections.suspects.get('/a')]).toEqual([1000, NOW])
    expect(rejectIn(rejections, '/b').rejections.suspects.size).toBe(1000)
  })

  it.each([
    [undefined, NOW, false, false],
    [NOW - 10, NOW - 10, false, false],
    [NOW - 10, NOW - 9, false, true],
    [NOW - 10, NOW - 11, true, true],
  ])('end the use of a token in a hold-off since %j, sent at %i', (...row) => {
    const [heldSince, sentAt, before, givenUp] = row
    const state = stateOf({ renewing: true, heldSince, givenUp: before })
    expect(rejectIn(state, '/tasks', { sentAt }).rejections.givenUp).toBe(givenUp)
  })
})

describe('a call that is accepted', () => {
  const suspected = {
    renewing: true,
    heldSince: NOW - 50,
    givenUp: true,
    conflictUntil: NOW + 5,
  }

  it.each([
    [NOW - 1, true],
    [NOW, false],
    [NOW + 1, false],
  ])('clears what was reported (%i) before it was sent: %j', (reportedAt, isCleared) => {
    const suspects = map(['/bad', reportedAt])
    const state = acceptIn(stateOf({ ...suspected, suspects }), '/tasks')
    expect(state).toMatchObject(isCleared ? { suspects: map() } : { ...suspected, suspects })
    if (!isCleared) return
    expect(state).toMatchObject({
      renewing: false,
      heldSince: undefined,
      givenUp: false,
      conflictUntil: -Infinity,
      forbidden: forbidden(['/bad', TEN_MINUTES, false]),
    })
  })

  it('leaves what was reported later, and the renewal that it asked for', () => {
    const suspects = map(['/before', NOW - 1], ['/after', NOW])
    expect(acceptIn(stateOf({ ...suspected, suspects }), '/tasks')).toMatchObject({
      ...suspected,
      suspects: map(['/after', NOW]),
      forbidden: forbidden(['/before', TEN_MINUTES, false]),
    })
  })

  it('makes its own path mixed when a call of it was rejected', () => {
    const state = stateOf({ ...suspected, suspects: map(['/tasks', NOW - 1], ['/bad', NOW - 1]) })
    expect(acceptIn(state, '/tasks').forbidden).toEqual(
      forbidden(['/bad', TEN_MINUTES, false], ['/tasks', TEN_MINUTES, true]),
    )
  })

  it('makes its own path mixed when it was forbidden, also with nothing to clear', () => {
    const state = stateOf({ acceptedAt: NOW, forbidden: forbidden(['/tasks', NOW + 5, false]) })
    expect(acceptIn(state, '/tasks', NOW - 3000)).toMatchObject({
      acceptedAt: NOW,
      forbidden: forbidden(['/tasks', TEN_MINUTES, true]),
    })
    const mixed = stateOf({ acceptedAt: NOW, forbidden: forbidden(['/tasks', NOW + 5, true]) })
    expect(acceptIn(mixed, '/tasks')).toBe(mixed)
  })

  it('forgives the early rejection of its own token only', () => {
    const suspects = map(['/bad', NOW - 1])
    const state = stateOf({ ...suspected, early: earlyOf(1, 3), suspects })
    expect(acceptIn(state, '/tasks').early).toEqual(earlyOf(1))
  })

  it.each([
    [['/bad'], earlyOf(1, 4)],
    [['/bad', '/more'], earlyOf(1, 4)],
    [['/else'], earlyOf(1, 2, 4)],
  ])('forgives that of the former token when %j were sent again in vain', (paths, early) => {
    const replaced = { at: NOW - 900, generation: 2, paths: new Set(paths) }
    const suspects = map(['/bad', NOW - 1])
    const state = stateOf({ ...suspected, early: earlyOf(1, 2, 3, 4), suspects, replaced })
    expect(acceptIn(state, '/tasks').early).toEqual(early)
    // One of several that were cleared is enough.
    const several = { ...state, suspects: map(['/bad', NOW - 1], ['/x', NOW - 1]) }
    expect(acceptIn(several, '/tasks').early).toEqual(early)
    // The same while other suspicions remain, apart from that of its own token.
    const more = { ...state, suspects: map(['/bad', NOW - 1], ['/after', NOW]) }
    const kept = acceptIn(more, '/tasks').early.filter(({ generation }) => generation !== 3)
    expect(kept).toEqual(early)
  })

  it('without a suspicion leaves conflicts and early rejections as they are', () => {
    const early = earlyOf(3)
    const replaced = { at: NOW, generation: 2, paths: new Set(['/tasks', '/other']) }
    const state = acceptIn(stateOf({ early, replaced, conflictUntil: NOW + 5 }), '/tasks')
    expect(state).toMatchObject({ early, conflictUntil: NOW + 5, acceptedAt: NOW })
    expect(state.replaced?.paths).toEqual(new Set(['/other']))
  })

  it('outside of a renewal leaves a conflict', () => {
    const state = stateOf({ conflictUntil: NOW + 5, suspects: map(['/bad', NOW - 1]) })
    expect(acceptIn(state, '/tasks').conflictUntil).toBe(NOW + 5)
  })

  it.each([
    [999, false],
    [1000, true],
  ])('is noted once a second: %i ms after the last one, %j', (ms, isNoted) => {
    const before = stateOf({ acceptedAt: NOW - ms })
    const after = acceptIn(before, '/tasks')
    expect([after === before, after.acceptedAt]).toEqual([!isNoted, isNoted ? NOW : NOW - ms])
  })
})

it('nothing is known at the start', () => {
  expect(NO_REJECTIONS).toMatchObject({ early: [], renewing: false, givenUp: false })
})

describe('a newer token', () => {
  const before = stateOf({
    suspects: map(['/bad', NOW - 1]),
    heldSince: NOW - 1,
    givenUp: true,
    early: earlyOf(1, 2),
    replaced: { at: 1, generation: 1, paths: new Set(['/old']) },
  })

  it.each([
    [true, { at: NOW, generation: 2, paths: new Set(['/bad']) }],
    [false, before.replaced],
  ])('ends all suspicion, and remembers the calls that asked for it (%j)', (renewing, replaced) => {
    const after = replace({ ...before, renewing }, 2, NOW)
    expect(after).toMatchObject({
      suspects: map(),
      renewing: false,
      heldSince: undefined,
      givenUp: false,
      early: earlyOf(1, 2),
    })
    expect(after.replaced).toEqual(replaced)
  })

  it.each([
    [undefined, false, before.replaced],
    [undefined, true, { at: NOW, generation: 2, paths: new Set(['/bad']) }],
    [NOW - 9, true, { at: NOW, generation: 2, paths: new Set(['/bad']) }],
    [NOW - 9, false, { at: NOW - 9, generation: 2, paths: new Set() }],
  ])('of another replica, bought at %j, while renewing: %j', (boughtAt, renewing, replaced) => {
    const after = adopt({ ...before, renewing }, 2, boughtAt, NOW)
    expect(after).toMatchObject({ suspects: map(), renewing: false, early: earlyOf(1) })
    expect(after.replaced).toEqual(replaced)
  })
})
