import {
  array,
  constant,
  constantFrom,
  double,
  integer,
  oneof,
  option,
  record,
  tuple,
  type Arbitrary,
} from 'fast-check'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { DOWN, REFUSED, throttled, unclear, type GrantOptions } from './support.ts'

/** What can happen to a token and to its renewal. */
export type Happening =
  | { readonly kind: 'time'; readonly ms: number }
  /** Until the next token request is due. */
  | { readonly kind: 'due' }
  | { readonly kind: 'granted'; readonly grant: GrantOptions }
  | { readonly kind: 'failed'; readonly failure: AuthFailure }
  /** A call with the present token, one so many generations older, or one to come. */
  | { readonly kind: 'rejected' | 'accepted'; readonly behind: number; readonly path: string }
  | { readonly kind: 'credentials' }

const millis = oneof(
  integer({ min: 0, max: 50 }),
  integer({ min: 0, max: 5000 }),
  integer({ min: 0, max: 120_000 }),
  integer({ min: 0, max: 1_800_000 }),
)
const lives = oneof(
  integer({ min: 1, max: 4 }),
  double({ min: 1, max: 60, noNaN: true }),
  integer({ min: 60, max: 86_400 }),
  constant(undefined),
)

export const grants: Arbitrary<GrantOptions> = record({
  // Few values, so that the same token comes back often.
  token: constantFrom('t1', 't2', 't3'),
  lives,
  refreshToken: constantFrom('r1', 'r2', null),
  refreshLives: option(integer({ min: 1, max: 7200 }), { nil: undefined }),
})

export const failures: Arbitrary<AuthFailure> = oneof(
  constantFrom<AuthFailure>(
    REFUSED,
    DOWN,
    unclear(404),
    unclear(502),
    { kind: 'refused', reason: 'result', status: 200, detail: 'result 7' },
    { kind: 'unclear', reason: 'timeout', detail: 'no whole response in time' },
    { kind: 'unreached', reason: 'tls', detail: 'CERT_HAS_EXPIRED' },
    { kind: 'unclear', reason: 'malformed', status: 200, detail: 'body over 64 KiB' },
  ),
  integer({ min: 0, max: 1_000_000 }).map(throttled),
)

const behind = constantFrom(0, 0, 0, 1, 2, -1)
const happening: Arbitrary<Happening> = oneof(
  { weight: 12, arbitrary: record({ kind: constant('time' as const), ms: millis }) },
  { weight: 9, arbitrary: constant({ kind: 'due' as const }) },
  { weight: 12, arbitrary: record({ kind: constant('granted' as const), grant: grants }) },
  { weight: 9, arbitrary: record({ kind: constant('failed' as const), failure: failures }) },
  {
    weight: 15,
    arbitrary: record({
      kind: constantFrom('rejected' as const, 'accepted' as const),
      behind,
      path: constantFrom('/a', '/b', '/c'),
    }),
  },
  { weight: 1, arbitrary: constant({ kind: 'credentials' as const }) },
)

/** In [0, 1). */
const chance = double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

/** Hundreds of happenings in any order, each with the random number for its jitter. */
export const histories: Arbitrary<(readonly [Happening, number])[]> = array(
  tuple(happening, chance),
  { minLength: 100, maxLength: 600, size: 'max' },
)
