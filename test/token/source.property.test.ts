import {
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
  tuple,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import type { TokenSource } from '../../src/token/source.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { failures, grants } from './arbitraries.ts'
import { credentialsOf, memoryBook, openSource } from './source-support.ts'
import { grant, START } from './support.ts'

vi.setConfig({ testTimeout: 60_000 })

/** How iSales responds to one token request, and after how long; cut off at 5 s as the client does. */
interface Reply {
  readonly ms: number
  readonly outcome: Grant | AuthFailure
}

type Move =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'arrive'; readonly many: number; readonly newer: boolean; readonly ms: number }
  | { readonly kind: 'leave' }
  | { readonly kind: 'rejected' | 'accepted' | 'credentials' }

const TIMEOUT: AuthFailure = {
  kind: 'unclear',
  reason: 'timeout',
  detail: 'no whole response in time',
}
const replies: Arbitrary<Reply> = tuple(
  oneof(constant(0), integer({ min: 0, max: 1000 }), integer({ min: 0, max: 8000 })),
  oneof({ weight: 2, arbitrary: grants.map(grant) }, { weight: 1, arbitrary: failures }),
).map(([ms, outcome]) => (ms > 5000 ? { ms: 5000, outcome: TIMEOUT } : { ms, outcome }))
const moves: Arbitrary<Move> = oneof(
  {
    weight: 6,
    arbitrary: record({
      kind: constant('pass' as const),
      ms: oneof(integer({ min: 0, max: 500 }), integer({ min: 0, max: 20_000 })),
    }),
  },
  {
    weight: 6,
    arbitrary: record({
      kind: constant('arrive' as const),
      many: constantFrom(1, 2, 30),
      newer: boolean(),
      ms: integer({ min: 0, max: 3000 }),
    }),
  },
  { weight: 1, arbitrary: constant({ kind: 'leave' as const }) },
  {
    weight: 5,
    arbitrary: record({
      kind: constantFrom('rejected' as const, 'rejected' as const, 'accepted' as const),
    }),
  },
  { weight: 1, arbitrary: constant({ kind: 'credentials' as const }) },
)

const LIMIT = 50

/** Even enough for jitter, and the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

/** An iSales that responds by the list, over and over, and notes what must not be. */
function play(all: readonly Reply[], random: () => number, clock: ManualClock) {
  const broken: string[] = []
  let inFlight = 0
  let begun = 0
  const ask = async (signal: AbortSignal): Promise<Grant | AuthFailure> => {
    const reply = all[begun % all.length] ?? { ms: 0, outcome: TIMEOUT }
    begun += 1
    inFlight += 1
    if (inFlight > 1) broken.push('at most one token request is in flight')
    await new Promise<void>((resolve) => {
      clock.setTimer(resolve, reply.ms)
      signal.addEventListener('abort', () => resolve())
    })
    inFlight -= 1
    return reply.outcome
  }
  const { source } = openSource({
    clock,
    random,
    waiters: LIMIT,
    client: { login: (_, signal) => ask(signal), refresh: (_, signal) => ask(signal) },
    refusals: memoryBook(clock),
  })
  return { source, broken }
}

/** The requests that come and go. */
function crowd(source: TokenSource, clock: ManualClock, broken: string[]) {
  let waiting = 0
  const clients = new Set<AbortController>()

  const arrive = async (wait: number, newer: boolean): Promise<void> => {
    const client = new AbortController()
    clients.add(client)
    const after = newer ? (source.current()?.generation ?? 0) : 0
    const deadline = clock.now() + wait
    waiting += 1
    const outcome = await source.waitForToken({ after, deadline, signal: client.signal })
    waiting -= 1
    clients.delete(client)
    if (clock.now() > deadline) broken.push('a request waits no longer than its deadline')
    if (!('generation' in outcome)) return
    if (clock.now() >= outcome.usableUntil) broken.push('no token is given that has ended')
    if (outcome.generation <= after) broken.push('the token that is given is newer')
  }

  return {
    arrive,
    leave: (): void => {
      for (const client of clients) client.abort()
    },
    waiting: () => waiting,
  }
}

describe('the token source, whatever iSales responds and whenever requests come', () => {
  it('ends every wait in time, asks once at a time, gives no ended token and leaves nothing behind', async () => {
    await assert(
      asyncProperty(
        array(replies, { minLength: 1, maxLength: 40 }),
        array(moves, { minLength: 50, maxLength: 300, size: 'max' }),
        integer(),
        async (all, course, seed) => {
          const clock = manualClock(START)
          const { source, broken } = play(all, randomFrom(seed), clock)
          const { arrive, leave, waiting } = crowd(source, clock, broken)
          source.start()
          for (const move of course) {
            const token = source.current()
            if (move.kind === 'pass') await clock.advance(move.ms)
            else if (move.kind === 'leave') leave()
            else if (move.kind === 'credentials')
              source.changeCredentials(credentialsOf(`password-${clock.now()}`))
            else if (move.kind === 'arrive') {
              for (let one = 0; one < move.many; one += 1) void arrive(move.ms, move.newer)
            } else if (token !== undefined) {
              if (move.kind === 'accepted') source.accept(token, '/tasks', clock.now())
              else source.reject(token, 401, { path: '/tasks', sentAt: clock.now(), again: false })
            }
            if (source.snapshot().waiters > LIMIT) broken.push('the number of waits is bounded')
          }
          source.stop()
          await clock.advance(0)
          expect(broken).toEqual([])
          expect(waiting()).toBe(0)
          // Only the replies of the simulated iSales may still have timers.
          await clock.advance(10_000)
          expect(clock.waiting()).toEqual([])
        },
      ),
      { numRuns: 60 },
    )
  })
})
