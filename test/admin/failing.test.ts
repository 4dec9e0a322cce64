import { expect, it } from 'vitest'
import { createCalls } from '../../src/admin/calls.ts'
import { failingOf } from '../../src/admin/failing.ts'
import type { EndedCall } from '../../src/admin/call-counts.ts'
import { PLACES } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'

const CALL = { method: 'POST', target: '/', requestId: 'a', status: 200 } as const
const DOWN = { ...CALL, status: 502, code: 'upstream-unreachable' } as const

it('names a new cause within 5 s, however long the former one has lasted', async () => {
  const clock = manualClock()
  const calls = createCalls({ clock, places: PLACES })
  const fail = async (call: EndedCall, count: number): Promise<unknown> => {
    for (let n = 0; n < count; n += 1) {
      await clock.advance(500)
      calls.ended(call)
    }
    return failingOf(calls.view(), clock.now())
  }
  expect(await fail(DOWN, 1000)).toMatchObject({ main: 'upstream-unreachable', failed: 1000 })
  const changed = await fail({ ...DOWN, code: 'upstream-tls' }, 10)
  expect(changed).toMatchObject({ kind: 'outage', main: 'upstream-tls', failed: 1010 })
})

it('is judged as the example in src/admin/failing.ts says', async () => {
  const clock = manualClock()
  const calls = createCalls({ clock, places: PLACES })
  const seen: Record<number, unknown> = {}
  for (let second = -60; second <= 71; second += 1) {
    calls.ended(second >= 0 && second <= 11 ? DOWN : CALL)
    const { kind, failed, total } = failingOf(calls.view(), clock.now()) ?? {}
    seen[second] = kind && [kind, failed, total]
    await clock.advance(1000)
  }
  expect(seen).toMatchObject({
    [-1]: undefined,
    0: ['some', 1, 60],
    2: ['some', 3, 60],
    3: ['outage', 4, 4],
    11: ['outage', 12, 12],
    12: ['most', 12, 20],
    16: ['recovering', 12, 60],
    70: ['recovering', 1, 60],
    71: undefined,
  })
})
