import type { Hono } from 'hono'
import { createAdminApp } from '../../src/admin/app.ts'
import { openAdmin } from '../../src/admin/open.ts'
import type { EndedCall } from '../../src/admin/calls.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { EffectiveSetting } from '../../src/config/load.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import type { SharingSnapshot } from '../../src/sharing/events.ts'
import { NOW, WALL, adminSources, failed, granted, tokenOf, snapshot } from '../admin/token.ts'

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
const UNREACHABLE = { status: 502, code: 'upstream-unreachable' } as const

/** Some calls a second for the hour before the last minute. */
const HOUR: Calls = { count: 4500, apart: 786, ago: MINUTE, call: OK }
const QUIET: Calls = { count: 78, apart: 760, call: OK }

const DOWN: AuthFailure = { kind: 'untouched', reason: 'unavailable', detail: 'ECONNREFUSED' }
const SLOW: AuthFailure = { kind: 'unclear', reason: 'timeout', detail: 'no response within 5 s' }
const REFUSED: AuthFailure = {
  kind: 'refused',
  reason: 'rejected',
  status: 403,
  detail: 'status 403',
}

const SETTINGS: readonly EffectiveSetting[] = [
  {
    name: 'ISALES_URL',
    value: 'https://service.besclouds.com',
    source: 'environment',
  },
  { name: 'ISALES_USER', value: 'obs-proxy', source: 'file /run/secrets/isales/user' },
  { name: 'ISALES_PASSWORD', value: '[redacted]', source: 'file /run/secrets/isales/password' },
  { name: 'ISALES_TOKEN_HEADERS', value: 'Authorization,Authentication', source: 'environment' },
  { name: 'LISTEN', value: '127.0.0.1:8080', source: 'default' },
  { name: 'ALLOWED_PATHS', value: '/rest/isales/', source: 'default' },
  {
    name: 'ISALES_LOGIN_PATH',
    value: '/rest/isales/v1/openapi/obs/auth/login',
    source: 'default',
  },
  { name: 'ISALES_REJECTED_RESULTS', value: '', source: 'default' },
  { name: 'ISALES_CA_FILE', value: null, source: 'default' },
  { name: 'TOKEN_RENEW_AT', value: '0.8', source: 'default' },
  { name: 'CLIENT_DEADLINE', value: '2.8s', source: 'default' },
]

export interface Scene {
  readonly snapshot: Partial<TokenSnapshot>
  readonly events: readonly TokenEvent[]
  /** Calls that succeeded before the last hour. */
  readonly traffic?: number
  readonly calls?: readonly Calls[]
  /** The `Date` of iSales is so many milliseconds ahead of our clock. */
  readonly isalesAhead?: number
  readonly draining?: boolean
  /** Of the listener, milliseconds since 1970. */
  readonly certificateEnd?: number
  /** Undefined: no store is configured. */
  readonly sharing?: SharingSnapshot
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

export const SCENES = {
  healthy: {
    snapshot: { token: tokenOf({ generation: 61 }) },
    events: [
      ...renewals(47, 65 * MINUTE),
      {
        type: 'token-rejected',
        at: NOW - 62 * MINUTE,
        generation: 48,
        status: 401,
      },
      ...renewals(13, MINUTE),
    ],
    traffic: 48_211,
    calls: [HOUR, QUIET],
  },
  failing: {
    snapshot: {},
    events: renewals(20, MINUTE),
    traffic: 9120,
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
    traffic: 9120,
    certificateEnd: WALL + 12 * 24 * 60 * MINUTE,
    calls: [HOUR, QUIET],
  },
  refused: {
    snapshot: {
      token: undefined,
      usable: false,
      backoff: 'guarded',
      failuresInRow: 3,
      outageBudget: 0,
      nextRequestAt: NOW + 722_000,
      lastFailure: { at: NOW - 178_000, operation: 'login', failure: REFUSED },
      lastSuccessAt: undefined,
    },
    events: failures(REFUSED, [193_000, 188_000, 178_000]),
    calls: [{ count: 12, apart: 4000, call: { status: 503, code: 'no-token' } }],
  },
  unauthenticated: {
    snapshot: { token: tokenOf({ generation: 2 }), rejected: true, outageBudget: 0 },
    events: [
      granted({ at: NOW - 20_000 }),
      {
        type: 'token-rejected',
        at: NOW - 15_000,
        generation: 2,
        status: 401,
      },
    ],
    calls: [{ count: 12, apart: 1000, call: { status: 401 } }],
  },
  conflict: {
    snapshot: { conflict: true },
    events: [
      granted({ at: NOW - 20_000 }),
      { type: 'token-rejected', at: NOW - 9000, generation: 1, status: 401 },
      { type: 'conflict', at: NOW - 9000 },
    ],
    calls: [
      { count: 2, apart: 1000, ago: 12_000, call: OK },
      { count: 10, apart: 800, call: { status: 503, code: 'no-token' } },
    ],
  },
  starting: {
    snapshot: {
      token: undefined,
      usable: false,
      request: 'login',
      outageBudget: 0,
      nextRequestAt: undefined,
      lastSuccessAt: undefined,
    },
    events: [],
  },
  'some refused': {
    snapshot: {},
    events: renewals(20, MINUTE),
    traffic: 9120,
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
  recovering: {
    snapshot: {},
    events: renewals(20, MINUTE),
    traffic: 9120,
    calls: [
      HOUR,
      { count: 480, apart: 50, ago: 8 * SECOND, call: UNREACHABLE },
      { count: 160, apart: 50, call: OK },
    ],
  },
  'slow, and a wrong clock': {
    snapshot: {},
    events: renewals(20, MINUTE),
    traffic: 9120,
    calls: [HOUR, { count: 100, apart: 590, call: { status: 200, upstreamMs: 2350 } }],
    isalesAhead: -11 * MINUTE,
  },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/** The admin part of a proxy to which all of the scene has happened. */
export function adminOf(scene: Scene, changes: Partial<AdminSources> = {}): Hono {
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
    settings: SETTINGS,
    clock: { now: () => now, setTimer: () => ({ cancel: () => undefined }) },
    ...changes,
  })
  const admin = openAdmin(sources)
  const calls = (scene.calls ?? []).flatMap(({ count, apart, ago = 0, call }) =>
    Array.from({ length: count }, (_, n) => ({ at: NOW - ago - (count - 1 - n) * apart, call })),
  )
  for (const { at, call } of calls.toSorted((one, other) => one.at - other.at)) {
    now = at
    const requestId = `8c1f5ab0c3d2-${(at - NOW + 4e6).toString(36)}`
    const ended = { method: 'POST', target: TASKS, requestId, ...call }
    admin.metrics.requestEnded(ended)
    admin.monitor.calls.ended(ended)
  }
  now = NOW
  for (const event of scene.events) admin.onTokenEvent(event)
  for (let n = 0; n < (scene.traffic ?? 0); n += 1)
    admin.metrics.requestEnded({ method: 'POST', status: 200 })
  if (scene.isalesAhead !== undefined)
    admin.monitor.dateSeen(new Date(WALL + scene.isalesAhead).toUTCString())
  return createAdminApp({ ...sources, ...admin })
}
