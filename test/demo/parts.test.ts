import { describe, expect, it } from 'vitest'
import { parseDemoArgs } from '../../demo/options.ts'
import { succeeded } from '../../demo/summary.ts'
import { createTally } from '../../demo/tally.ts'

describe('the arguments of the demo', () => {
  it.each([
    [[], { seconds: undefined, tls: false }],
    [['--seconds', '30'], { seconds: 30, tls: false }],
    [['--tls', '--seconds=5'], { seconds: 5, tls: true }],
  ])('%j mean %j', (args, options) => {
    expect(parseDemoArgs(args)).toEqual(options)
  })

  it.each([
    [['--seconds', '4'], 'from 5 to 86400'],
    [['--seconds', '86401'], 'from 5 to 86400'],
    [['--seconds', '7.5'], 'from 5 to 86400'],
    [['--seconds', ''], 'from 5 to 86400'],
    [['--seconds'], 'argument missing'],
    [['--fast'], "Unknown option '--fast'"],
    [['now'], "Unexpected argument 'now'"],
  ])('%j are refused: %s', (args, problem) => {
    expect(parseDemoArgs(args)).toContain(problem)
  })
})

describe('the tally', () => {
  const call = { name: 'getTask', ok: true }

  it('has figures before the first call', () => {
    const tally = createTally(() => 0)
    expect([tally.requests, tally.failed, tally.rate(0), tally.percentile(0.99)]).toEqual([
      0, 0, 0, 0,
    ])
  })

  it('knows percentiles, of all calls or of the newest', () => {
    const tally = createTally(() => 0)
    for (let durationMs = 1; durationMs <= 100; durationMs += 1) tally.add({ ...call, durationMs })
    expect(tally.percentile(0.5)).toBe(51)
    expect(tally.percentile(0.99)).toBe(100)
    expect(tally.percentile(0, 10)).toBe(91)
  })

  it('keeps the newest 50,000 durations', () => {
    const tally = createTally(() => 0)
    for (let count = 0; count < 50_001; count += 1) {
      tally.add({ ...call, durationMs: count === 0 ? 99 : 1 })
    }
    expect([tally.requests, tally.percentile(1)]).toEqual([50_001, 1])
  })

  it('counts the calls of the last second, and those that failed', () => {
    let now = 0
    const tally = createTally(() => now)
    tally.add({ ...call, durationMs: 1 })
    now = 600
    tally.add({ ...call, ok: false, durationMs: 1 })
    expect(tally.rate(999)).toBe(2)
    expect(tally.rate(1000)).toBe(1)
    expect(tally.failed).toBe(1)
  })

  const fine = { requests: 9, failed: 0, duplicates: 0, callnos: 5, results: 5, leaked: 0 }

  it.each([
    ['nothing wrong', fine, true],
    ['no call at all', { ...fine, requests: 0 }, false],
    ['a failed call', { ...fine, failed: 1 }, false],
    ['a call carried out twice', { ...fine, duplicates: 1 }, false],
    ['a result that was lost', { ...fine, results: 4 }, false],
    ['a token that got out', { ...fine, leaked: 1 }, false],
  ])('with %s it says so', (_, { requests, failed, leaked, ...ledger }, success) => {
    const tally = { ...createTally(() => 0), requests, failed }
    const state = ledger as Parameters<typeof succeeded>[0]['state']
    expect(succeeded({ tally, state, leaked })).toBe(success)
  })
})
