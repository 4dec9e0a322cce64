import { describe, expect, it } from 'vitest'
import { createSpeaker } from '../../src/admin/speaker.ts'

const { ago, countdown, duration, until } = createSpeaker('en')

describe('durations in words', () => {
  it.each([
    [0, '0 ms'],
    [0.0004, '0 ms'],
    [0.25, '250 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1 s'],
    [1.25, '1.3 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min'],
    [60, '1 min'],
    [235, '3 min 55 s'],
    [3599.6, '1 h'],
    [3600, '1 h'],
    [3661, '1 h 1 min'],
    [86_399, '23 h 59 min'],
    [90_000, '1 d 1 h'],
    [-65, '−1 min 5 s'],
  ])('%d s is %s', (seconds, words) => {
    expect(duration(seconds)).toBe(words)
  })

  it.each([
    [0.9, '0 s'],
    [5.9, '5 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [61.9, '1 min 1 s'],
  ])('counts %d s down as %s', (seconds, words) => {
    expect(countdown(seconds)).toBe(words)
  })

  const now = '2026-03-02T09:41:05.000Z'
  it.each([
    ['2026-03-02T09:41:05.000Z', 'just now'],
    ['2026-03-02T09:41:09.000Z', 'just now'],
    ['2026-03-02T09:40:00.000Z', '1 min 5 s ago'],
    ['2026-03-02T07:00:00.000Z', '2 h ago'],
  ])('%s was %s', (instant, words) => {
    expect(ago(instant, now)).toBe(words)
  })

  it.each([
    ['2026-03-02T09:40:00.000Z', 'ended'],
    ['2026-03-02T10:41:05.000Z', 'for 1 h'],
  ])('%s is %s', (instant, words) => {
    expect(until(instant, now)).toBe(words)
  })

  it.each([
    [0, '09:41:05 UTC'],
    [480, '17:41:05 +08:00 (09:41:05 UTC)'],
    [-210, '06:11:05 −03:30 (09:41:05 UTC)'],
  ])('shows a time of day %i minutes east of UTC', (offset, shown) => {
    expect(createSpeaker('en').clockTime(now, offset)).toBe(shown)
  })

  it('says the same in Chinese', () => {
    const chinese = createSpeaker('zh')
    expect(chinese.duration(235)).toBe('3 分 55 秒')
    expect(chinese.ago('2026-03-02T07:00:00.000Z', now)).toBe('2 小时前')
    expect(chinese.until('2026-03-02T10:41:05.000Z', now)).toBe('还有 1 小时')
  })
})
