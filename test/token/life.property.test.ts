import { assert, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histories } from './happenings.ts'
import { onlook } from './onlooker.ts'

describe('whatever happens to a token, in whatever order', () => {
  it('a good one is always sent and a bad one never, and refused credentials are spared', () => {
    assert(
      property(histories, (history) => {
        const { begin, happen, broken } = onlook()
        begin()
        for (const [happening, random] of history) happen(happening, random)
        expect(broken).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
