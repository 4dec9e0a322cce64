import type { LookupAddress } from 'node:dns'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createLookup, type Resolve } from '../../src/upstream/connector.ts'

beforeEach(() => void vi.useFakeTimers())

afterEach(() => void vi.useRealTimers())

const FIRST: LookupAddress[] = [{ address: '192.0.2.1', family: 4 }]
const SECOND: LookupAddress[] = [
  { address: '2001:db8::1', family: 6 },
  { address: '192.0.2.2', family: 4 },
]

function begin() {
  const queries: { name: string; found: Parameters<Resolve>[2] }[] = []
  const lookup = createLookup(
    1000,
    systemClock,
    (name, _, found) => void queries.push({ name, found }),
  )
  const results: unknown[] = []
  const find = (): void =>
    lookup('isales.example', { all: true }, (error, addresses) => {
      results.push(error === null ? addresses : error.message)
    })
  return { queries, results, find }
}

describe('looking up a name', () => {
  it('asks once for all that wait, and again for those that come later', () => {
    const { queries, results, find } = begin()
    for (let i = 0; i < 100; i += 1) find()
    expect(queries).toHaveLength(1)
    queries[0]?.found(null, FIRST)
    expect(results).toEqual(Array.from({ length: 100 }, () => FIRST))
    find()
    queries[1]?.found(null, SECOND)
    expect(results.at(-1)).toEqual(SECOND)
  })

  it('gives the addresses that DNS gave last while it fails, and its error while none is known', () => {
    const { queries, results, find } = begin()
    for (const [n, addresses] of [[], FIRST, SECOND, []].entries()) {
      find()
      queries[n]?.found(addresses.length === 0 ? new Error('down') : null, addresses)
    }
    expect(results).toEqual(['down', FIRST, SECOND, SECOND])
  })

  it('gives them after half the timeout while DNS hangs, and uses the response when it comes', () => {
    const { queries, results, find } = begin()
    find()
    queries[0]?.found(null, FIRST)
    find()
    vi.advanceTimersByTime(499)
    expect(results).toEqual([FIRST])
    // A timer acts after the reads of its turn.
    vi.advanceTimersByTime(2)
    expect(results).toEqual([FIRST, FIRST])
    find()
    queries[1]?.found(null, SECOND)
    expect(results).toEqual([FIRST, FIRST, SECOND])
    expect(queries).toHaveLength(2)
  })

  it('fails at the timeout while DNS hangs and no address is known, with one query in progress', () => {
    const { queries, results, find } = begin()
    for (let ms = 0; ms < 5000; ms += 10) {
      find()
      vi.advanceTimersByTime(10)
    }
    expect(queries).toHaveLength(1)
    // The last second's are still waiting, and a timer acts after the reads of its turn.
    expect(results).toHaveLength(500 - 100)
    expect(new Set(results)).toEqual(new Set(['DNS is silent']))
    queries[0]?.found(null, FIRST)
    expect(results).toHaveLength(500)
    expect(results.at(-1)).toEqual(FIRST)
  })
})
