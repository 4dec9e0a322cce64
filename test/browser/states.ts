import { cause, type HandshakeFailure } from '../../src/causes.ts'
import type { EndedCall } from '../../src/admin/call-counts.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { SettingProblem } from '../../src/config/problem.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import type { SharingSnapshot } from '../../src/sharing/sharing-log.ts'
import {
  NOW,
  WALL,
  adminSources,
  failed,
  granted,
  openShown,
  tokenOf,
  snapshot,
} from '../admin/token.ts'
import { authFailure } from '../support/failure.ts'
import type { Failure } from '../../src/words/index.ts'

const MINUTE = 60_000

const SECOND = 1000
const TASKS = '/rest/isales/v1/openapi/obs/business/tasks'

/** `count` calls that end alike, `apart` milliseconds apart, the last `ago` milliseconds before now. */
export interface Calls {
  readonly count: number
  readonly apart: number
  readonly ago?: number
  readonly call: Partial<EndedCall> & Pick<EndedCall, 'status'>
}

const OK = { status: 200, upstreamMs: 40 } as const
const UNREACHABLE = {
  status: 502,
  code: 'upstream-unreachable',
  failure: { cause: cause('connection-refused'), detail: 'ECONNREFUSED' },
} as const

/** Some calls a second for the hour before the last minute. */
const HOUR: Calls = { count: 4500, apart: 786, ago: MINUTE, call: OK }
const QUIET: Calls = { count: 78, apart: 760, call: OK }

const DOWN = authFailure('untouched', 'connection-refused', { detail: 'ECONNREFUSED' })
const EARLY = authFailure('untouched', 'not-yet-valid', {
  detail: 'CERT_NOT_YET_VALID',
  certificate: { name: 'service.besclouds.com', from: WALL + 90_000_000, to: WALL + 9e9 },
})
const SLOW = authFailure('unclear', 'timeout', { detail: 'ETIMEDOUT' })
const REFUSED = authFailure('refused', 'password', { status: 403 })

export interface Scene {
  readonly snapshot: Partial<TokenSnapshot>
  readonly events: readonly TokenEvent[]
  /** Calls that succeeded before the last hour. */
  readonly traffic?: number
  readonly calls?: readonly Calls[]
  readonly draining?: boolean
  /** Of the listener, milliseconds since 1970. */
  readonly certificateEnd?: number
  /** Undefined: no store is configured. */
  readonly sharing?: SharingSnapshot
  /** Why `STATE_DIR` cannot be used. */
  readonly trouble?: Failure
  /** What is wrong with files that cannot be used any more. */
  readonly fileErrors?: readonly SettingProblem[]
  readonly turnedAway?: readonly ('obs-login' | HandshakeFailure)[]
}

/** Renewals every four minutes, up to `last` before now; the durations are those of a quiet day. */
function renewals(count: number, last: number): TokenEvent[] {
  return Array.from({ length: count }, (_, index) =>
    granted({
      operation: index % 15 === 0 ? 'login' : 'refresh',
      at: NOW - last - (count - 1 - index) * 4 * MINUTE,
      durationMs: 70 + ((index * 37) % 50) + (index % 15 === 0 ? 110 : 0),
    }),
  )
}

function failures(failure: AuthFailure, agoMs: readonly number[]): TokenEvent[] {
  return agoMs.map((ago) =>
    failed({ failure, at: NOW - ago, durationMs: failure === SLOW ? 450 : 12 }),
  )
}

const rejected = (ago: number, generation: number) =>
  ({ type: 'token-rejected', at: NOW - ago, generation, status: 401 }) as const

const NO_TOKEN = {
  token: undefined,
  usable: false,
  outageBudget: 0,
  lastSuccessAt: undefined,
} as const

/** A proxy that has served for some hours. */
const BUSY = { snapshot: {}, events: renewals(20, MINUTE), traffic: 9120 } as const

export const SCENES = {
  healthy: {
    snapshot: { token: tokenOf({ generation: 61 }) },
    events: [...renewals(47, 65 * MINUTE), rejected(62 * MINUTE, 48), ...renewals(13, MINUTE)],
    traffic: 48_211,
    calls: [HOUR, QUIET],
  },
  failing: {
    ...BUSY,
    calls: [HOUR, { ...QUIET, ago: 6 * SECOND }, { count: 145, apart: 40, call: UNREACHABLE }],
  },
  degraded: {
    snapshot: {
      backoff: 'transient',
      failuresInRow: 9,
      outageBudget: 38_400,
      token: tokenOf({
        expiresAt: NOW + 43_400,
        usableUntil: NOW + 38_400,
        obtainedAt: NOW - 256_600,
      }),
      nextRequestAt: NOW + 11_200,
      lastFailure: { at: NOW - 3200, operation: 'login', failure: DOWN },
      lastSuccessAt: NOW - 256_600,
    },
    events: [
      ...renewals(20, 257_000),
      ...failures(SLOW, [16_000, 15_000, 14_000]),
      ...failures(DOWN, [12_000, 11_000, 9500, 7000, 5000, 3200]),
    ],
    traffic: BUSY.traffic,
    certificateEnd: WALL + 12 * 24 * 60 * MINUTE,
    calls: [HOUR, QUIET],
  },
  refused: {
    snapshot: {
      ...NO_TOKEN,
      backoff: 'guarded',
      failuresInRow: 3,
      nextRequestAt: NOW + 722_000,
      lastFailure: { at: NOW - 178_000, operation: 'login', failure: REFUSED },
    },
    events: failures(REFUSED, [193_000, 188_000, 178_000]),
    calls: [{ count: 12, apart: 4000, call: { status: 503, code: 'no-token' } }],
  },
  unauthenticated: {
    snapshot: { token: tokenOf({ generation: 2 }), rejected: true, outageBudget: 0 },
    events: [granted({ at: NOW - 20_000 }), rejected(15_000, 2)],
    calls: [{ count: 12, apart: 1000, call: { status: 401 } }],
  },
  conflict: {
    snapshot: { conflict: true },
    events: [
      granted({ at: NOW - 20_000 }),
      rejected(9000, 1),
      { type: 'conflict', at: NOW - 9000 },
    ],
    calls: [
      { count: 2, apart: 1000, ago: 12_000, call: OK },
      { count: 10, apart: 800, call: { status: 503, code: 'no-token' } },
    ],
  },
  starting: {
    snapshot: { ...NO_TOKEN, request: 'login', nextRequestAt: undefined },
    events: [],
  },
  'some refused': {
    ...BUSY,
    calls: [
      HOUR,
      QUIET,
      {
        count: 5,
        apart: 9000,
        call: { status: 403, target: '/rest/isales/v1/openapi/obs/business/records?batch=7' },
      },
    ],
  },
  /** `obsUrl` ends with a slash. */
  blocked: {
    ...BUSY,
    calls: [
      { ...HOUR, ago: 3 * MINUTE },
      {
        count: 40,
        apart: 1400,
        call: { status: 403, code: 'not-allowed', refusal: 'double-slash', target: `/${TASKS}` },
      },
    ],
  },
  recovering: {
    ...BUSY,
    calls: [
      HOUR,
      { count: 480, apart: 50, ago: 8 * SECOND, call: UNREACHABLE },
      { count: 160, apart: 50, call: OK },
    ],
  },
  slow: {
    ...BUSY,
    snapshot: {
      backoff: 'transient',
      failuresInRow: 2,
      lastFailure: { at: NOW - 3200, operation: 'login', failure: EARLY },
    },
    calls: [HOUR, { count: 100, apart: 590, call: { status: 200, upstreamMs: 2350 } }],
  },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/** The admin part of a proxy to which all of the scene has happened. */
export function adminOf(scene: Scene, changes: Partial<AdminSources> = {}, address?: string) {
  // The process started 261 minutes ago.
  let now = NOW - 261 * MINUTE
  const sources = adminSources({
    token: () => snapshot(scene.snapshot),
    sharing: () => scene.sharing,
    running: {
      listening: true,
      draining: scene.draining ?? false,
      inFlight: scene.traffic ? 3 : 0,
    },
    certificates: () => ({ listener: scene.certificateEnd, client: undefined, ca: undefined }),
    clock: { now: () => now, setTimer: () => ({ cancel: () => undefined }) },
    ...changes,
  })
  const admin = openShown(sources, address)
  const calls = (scene.calls ?? []).flatMap(({ count, apart, ago = 0, call }) =>
    Array.from({ length: count }, (_, n) => ({ at: NOW - ago - (count - 1 - n) * apart, call })),
  )
  for (const { at, call } of calls.toSorted((one, other) => one.at - other.at)) {
    now = at
    const requestId = `8c1f5ab0c3d2-${(at - NOW + 4e6).toString(36)}`
    const ended = { method: 'POST', target: TASKS, requestId, ...call }
    admin.metrics.requestEnded(ended)
    admin.record.calls.ended(ended)
  }
  now = NOW
  admin.record.onStateTrouble(scene.trouble)
  admin.record.filesRead('credentials', scene.fileErrors ?? [])
  for (const why of scene.turnedAway ?? []) admin.record.calls.turnedAway(why)
  for (const event of scene.events) admin.onTokenEvent(event)
  for (let n = 0; n < (scene.traffic ?? 0); n += 1)
    admin.metrics.requestEnded({ method: 'POST', status: 200 })
  return admin
}
