import { openAdmin, type Admin } from '../../src/admin/app.ts'
import type { EndedCall } from '../../src/admin/monitor.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { EffectiveSetting } from '../../src/config/load.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import type { TokenEvent, TokenSnapshot } from '../../src/token/events.ts'
import type { SharingSnapshot } from '../../src/token/sharing.ts'
import { NOW, WALL, adminSources, failed, granted, session, snapshot } from '../admin/token.ts'

const MINUTE = 60_000

function times(count: number, call: EndedCall): readonly EndedCall[] {
  return Array.from({ length: count }, () => call)
}

const DOWN: AuthFailure = { kind: 'unreached', reason: 'unavailable', detail: 'ECONNREFUSED' }
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
  /** Calls that succeeded before the last minute. */
  readonly traffic?: number
  /** Calls of the last minute. */
  readonly calls?: readonly EndedCall[]
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
    snapshot: { session: session({ generation: 61 }) },
    events: [
      ...renewals(47, 65 * MINUTE),
      {
        type: 'token-rejected',
        at: NOW - 62 * MINUTE,
        generation: 48,
        status: 401,
        verdict: 'replace',
      },
      ...renewals(13, MINUTE),
    ],
    traffic: 48_211,
    calls: times(312, { status: 200 }),
  },
  failing: {
    snapshot: {},
    events: renewals(20, MINUTE),
    traffic: 9120,
    calls: [
      ...times(1, { status: 200 }),
      ...times(149, { status: 502, code: 'upstream-unreachable' }),
    ],
  },
  degraded: {
    snapshot: {
      backoff: 'transient',
      failuresInRow: 9,
      outageBudget: 38_400,
      session: session({
        expiresAt: NOW + 43_400,
        usableUntil: NOW + 38_400,
        obtainedAt: NOW - 256_600,
      }),
      nextExchangeAt: NOW + 11_200,
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
    calls: times(150, { status: 200 }),
  },
  refused: {
    snapshot: {
      session: undefined,
      usable: false,
      backoff: 'guarded',
      failuresInRow: 3,
      outageBudget: 0,
      nextExchangeAt: NOW + 722_000,
      lastFailure: { at: NOW - 178_000, operation: 'login', failure: REFUSED },
      lastSuccessAt: undefined,
    },
    events: failures(REFUSED, [193_000, 188_000, 178_000]),
    calls: times(12, { status: 503, code: 'no-token' }),
  },
  unauthenticated: {
    snapshot: { session: session({ generation: 2 }) },
    events: [
      granted({ at: NOW - 20_000 }),
      {
        type: 'token-rejected',
        at: NOW - 15_000,
        generation: 2,
        status: 401,
        verdict: 'brand-new',
      },
    ],
    calls: times(12, { status: 401 }),
  },
  conflict: {
    snapshot: { backoff: 'conflict', nextExchangeAt: NOW + 31_000 },
    events: [
      granted({ at: NOW - 20_000 }),
      { type: 'token-rejected', at: NOW - 9000, generation: 1, status: 401, verdict: 'replace' },
      { type: 'conflict', at: NOW - 9000, holdOff: 40_000 },
    ],
    calls: [...times(2, { status: 200 }), ...times(10, { status: 503, code: 'no-token' })],
  },
  starting: {
    snapshot: {
      session: undefined,
      usable: false,
      exchange: 'login',
      outageBudget: 0,
      nextExchangeAt: undefined,
      lastSuccessAt: undefined,
    },
    events: [],
  },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/** The admin part of a proxy to which all of the scene has happened. */
export function adminOf(scene: Scene, changes: Partial<AdminSources> = {}): Admin['app'] {
  // The process started 261 minutes ago.
  let now = NOW - 261 * MINUTE
  const admin = openAdmin(
    adminSources({
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
    }),
  )
  now = NOW
  for (const event of scene.events) admin.onTokenEvent(event)
  admin.metrics.requests.inc({ method: 'POST', status_class: '2xx' }, scene.traffic ?? 0)
  for (const call of scene.calls ?? []) {
    admin.metrics.requestEnded({ method: 'POST', ...call })
    admin.monitor.callEnded(call)
  }
  return admin.app
}
