import { describe, expect, it } from 'vitest'
import { accept, NO_REJECTIONS, reject, type Rejections } from '../../src/token/rejections.ts'
import type { Token } from '../../src/token/token.ts'
import { grant, live, RULES } from './support.ts'

const NOW = 10_000_000
const MINUTE = 60_000

function tokenOf(generation: number, isAccepted = true): Token {
  const { token } = live().login(grant()).state()
  if (token === undefined) throw new Error('no token')
  return { ...token, generation, accepted: isAccepted }
}

const stateOf = (changes: Partial<Rejections> = {}): Rejections => ({
  ...NO_REJECTIONS,
  ...changes,
})
const map = (...entries: readonly [string, number][]) => new Map(entries)

function rejectIn(state: Rejections, path: string, token = tokenOf(3), random = 0) {
  return reject(state, { token, path }, RULES, { now: NOW, random })
}

function acceptIn(state: Rejections, path: string, sentAt = NOW, token = tokenOf(3)) {
  return accept(state, { token, path, sentAt }, NOW)
}

describe('a call that is rejected again after it was sent again', () => {
  const replaced = { at: NOW - 1000, generation: 2, paths: new Set(['/bad', '/other']) }

  it('is taken for refused itself: its first rejection was no conflict, and its path is remembered', () => {
    const early = [1, 2].map((generation) => ({ at: NOW - 5000, generation }))
    const { verdict, rejections } = rejectIn(stateOf({ replaced, early }), '/bad')
    expect(verdict).toBe('about-call')
    expect(rejections.early).toEqual([{ at: NOW - 5000, generation: 1 }])
    expect(rejections.forbidden).toEqual(map(['/bad', NOW + 10 * MINUTE]))
  })

  it('is the latest of the remembered paths, and those whose time is over are dropped', () => {
    const forbidden = map(['/bad', NOW + 5], ['/over', NOW], ['/still', NOW + 1])
    const { rejections } = rejectIn(stateOf({ replaced, forbidden }), '/bad')
    expect([...rejections.forbidden]).toEqual([
      ['/still', NOW + 1],
      ['/bad', NOW + 10 * MINUTE],
    ])
  })

  it.each([
    [29_999, 'about-call'],
    [30_000, 'replace'],
  ])('is that for 30 s: %i ms after the replacement it means %s', (ms, verdict) => {
    const state = stateOf({ replaced: { ...replaced, at: NOW - ms } })
    expect(rejectIn(state, '/bad').verdict).toBe(verdict)
  })
})

describe('a token that was rejected before it has worked', () => {
  const replaced = { at: NOW - 1000, generation: 2, paths: new Set<string>() }

  it.each([
    [NOW, 'brand-new'],
    [NOW + 1, 'hold-off'],
  ])('is relayed, unless a conflict lasts (until %i)', (conflictUntil, verdict) => {
    const state = stateOf({ replaced, conflictUntil })
    expect(rejectIn(state, '/tasks', tokenOf(3, false)).verdict).toBe(verdict)
  })

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('is held off in a conflict (random %d) for %i ms, which lasts a minute more', (random, ms) => {
    const state = stateOf({ replaced, conflictUntil: NOW + 1 })
    const outcome = rejectIn(state, '/tasks', tokenOf(3, false), random)
    expect(outcome).toMatchObject({ verdict: 'hold-off', until: NOW + ms })
    expect(outcome.rejections.conflictUntil).toBe(NOW + ms + MINUTE)
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
    expect(rejectIn(stateOf({ early }), '/tasks').verdict).toBe(verdict)
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
})

describe('a call that is accepted', () => {
  const suspected = { renewing: true, conflictUntil: NOW + 5 }

  it.each([
    [NOW - 1, true],
    [NOW, false],
    [NOW + 1, false],
  ])('clears what was reported (%i) before it was sent: %j', (reportedAt, isCleared) => {
    const state = acceptIn(stateOf({ ...suspected, suspects: map(['/bad', reportedAt]) }), '/tasks')
    expect(state).toMatchObject({
      renewing: !isCleared,
      conflictUntil: isCleared ? -Infinity : NOW + 5,
      suspects: isCleared ? map() : map(['/bad', reportedAt]),
    })
  })

  it('leaves what was reported later, and the renewal that it asked for', () => {
    const suspects = map(['/before', NOW - 1], ['/after', NOW])
    expect(acceptIn(stateOf({ ...suspected, suspects }), '/tasks')).toMatchObject({
      ...suspected,
      suspects: map(['/after', NOW]),
      forbidden: map(['/before', NOW + 10 * MINUTE]),
    })
  })

  it('forgives the early rejection of its own token only', () => {
    const early = [1, 3].map((generation) => ({ at: NOW - 5000, generation }))
    const state = stateOf({ ...suspected, early, suspects: map(['/bad', NOW - 1]) })
    expect(acceptIn(state, '/tasks').early).toEqual([{ at: NOW - 5000, generation: 1 }])
  })

  it('without a suspicion leaves conflicts and early rejections as they are', () => {
    const early = [{ at: NOW - 5000, generation: 3 }]
    const replaced = { at: NOW, generation: 2, paths: new Set(['/tasks', '/other']) }
    const state = acceptIn(stateOf({ early, replaced, conflictUntil: NOW + 5 }), '/tasks')
    expect(state).toMatchObject({ early, conflictUntil: NOW + 5, acceptedAt: NOW })
    expect(state.replaced?.paths).toEqual(new Set(['/other']))
  })

  it.each([
    [999, false],
    [1000, true],
  ])('is noted once a second: %i ms after the last one, %j', (ms, isNoted) => {
    const before = stateOf({ acceptedAt: NOW - ms })
    const after = acceptIn(before, '/tasks')
    expect([after === before, after.acceptedAt]).toEqual([!isNoted, isNoted ? NOW : NOW - ms])
  })

  it('that was sent before the latest does not set it back', () => {
    const before = stateOf({ acceptedAt: NOW, forbidden: map(['/tasks', NOW + 5]) })
    expect(acceptIn(before, '/tasks', NOW - 3000)).toMatchObject({
      acceptedAt: NOW,
      forbidden: map(),
    })
  })
})
