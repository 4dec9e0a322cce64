import { cause } from '../../src/causes.ts'
import { MINUTE, SECOND } from '../../src/clock.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { SettingProblem } from '../../src/config/index.ts'
import type { RequestSummary } from '../../src/request-summary.ts'
import type { SharingSnapshot } from '../../src/sharing/index.ts'
import type { TokenEvent, TokenSnapshot } from '../../src/token/index.ts'
import type { FailureDetails } from '../../src/messages/index.ts'
import { NOW, WALL, adminSources, loginOf, openShown, tokenOf, snapshot } from '../admin/token.ts'
import { authFailure } from '../support/failure.ts'

const TASKS = '/rest/isales/v1/openapi/obs/business/tasks'

/** `count` calls that end alike, `apart` milliseconds apart, the last `ago` milliseconds before now. */
export interface Calls {
  readonly count: number
  readonly apart: number
  readonly ago?: number
  readonly call: Partial<RequestSummary> & Pick<RequestSummary, 'status'>
}

export const calls = (call: Calls['call'], count: number, apart = 100, ago = 0): Calls => {
  return { call, count, apart, ago }
}

const OK = { status: 200, headMs: 40 } as const
const failure = { cause: cause('connection-refused'), detail: 'ECONNREFUSED' }
const UNREACHABLE = { status: 502, code: 'upstream-unreachable', failure } as const

/** A few calls per second for the hour before the last minute. */
const HOUR = calls(OK, 4500, 786, MINUTE)
const QUIET = calls(OK, 78, 760)

const DOWN = authFailure('not-processed', 'connection-refused', { detail: 'ECONNREFUSED' })
const REFUSED = authFailure('rejected', 'password', { status: 403 })

export interface Scene {
  readonly snapshot?: Partial<TokenSnapshot>
  readonly events?: readonly TokenEvent[]
  readonly calls?: readonly Calls[]
  readonly draining?: boolean
  /** Milliseconds since 1970. */
  readonly certificates?: Partial<ReturnType<AdminSources['certificates']>>
  /** Undefined: no store is configured. */
  readonly sharing?: SharingSnapshot
  /** The reason why `STATE_DIR` is unusable. */
  readonly storageError?: FailureDetails
  /** Errors of files that are no longer usable. */
  readonly fileErrors?: readonly SettingProblem[]
  /** Milliseconds for which the process stood still until now. */
  readonly stall?: number
  /** The beat that finds it has not come yet. */
  readonly late?: boolean
}

const NO_CERTIFICATES = { listener: undefined, client: undefined, ca: undefined } as const
const NO_TOKEN = { token: undefined, usable: false, usableFor: 0 } as const

export const SCENES = {
  healthy: { snapshot: { token: tokenOf({ generation: 61 }) }, calls: [HOUR, QUIET] },
  failing: { calls: [HOUR, { ...QUIET, ago: 6 * SECOND }, calls(UNREACHABLE, 145, 40)] },
  degraded: {
    snapshot: {
      login: loginOf('transient', DOWN, { failures: 9, until: NOW + 11_200 }),
      usableFor: 38_400,
      token: tokenOf({ expiresAt: NOW + 43_400, usableUntil: NOW + 38_400, sentAt: NOW - 256_600 }),
      nextRequestAt: NOW + 11_200,
      lastFailure: { at: NOW - 3200, failure: DOWN },
    },
    certificates: { listener: WALL + 12 * 24 * 60 * MINUTE },
    calls: [HOUR, QUIET],
  },
  'login-rejected': {
    snapshot: {
      ...NO_TOKEN,
      login: loginOf('login-pause', REFUSED, { failures: 3, until: NOW + 722_000 }),
      nextRequestAt: NOW + 722_000,
      lastFailure: { at: NOW - 178_000, failure: REFUSED },
    },
    calls: [calls({ status: 503, code: 'no-token' }, 12, 4000)],
  },
  conflict: {
    snapshot: { conflict: true },
    calls: [calls(OK, 2, 1000, 12_000), calls({ status: 503, code: 'no-token' }, 10, 800)],
  },
  starting: { snapshot: { ...NO_TOKEN, request: 'login', nextRequestAt: undefined } },
  'some rejected': {
    calls: [
      HOUR,
      QUIET,
      calls(
        { status: 403, target: '/rest/isales/v1/openapi/obs/business/records?batch=7' },
        5,
        9000,
      ),
    ],
  },
  'failing no longer': {
    calls: [HOUR, calls(UNREACHABLE, 480, 50, 8 * SECOND), calls(OK, 160, 50)],
  },
} as const satisfies Record<string, Scene>

export type SceneName = keyof typeof SCENES

/** The admin part of a proxy to which all of the scene has happened. It started 261 minutes ago. */
export function adminOf(scene: Scene, changes: Partial<AdminSources> = {}, address?: string) {
  let now = NOW - 261 * MINUTE
  const sources = adminSources({
    token: () => snapshot(scene.snapshot),
    sharing: () => scene.sharing,
    running: { listening: true, draining: scene.draining ?? false, inFlight: 3 },
    certificates: () => ({ ...NO_CERTIFICATES, ...scene.certificates }),
    clock: { now: () => now, date: () => WALL, setTimer: () => ({ cancel: () => undefined }) },
    ...changes,
  })
  const admin = openShown(sources, address)
  const happened = (scene.calls ?? []).flatMap(({ count, apart, ago = 0, call }) =>
    Array.from({ length: count }, (_, n) => ({ at: NOW - ago - (count - 1 - n) * apart, call })),
  )
  for (const { at, call } of happened.toSorted((one, other) => one.at - other.at)) {
    now = at
    const requestId = `8c1f5ab0c3d2-${(at - NOW + 4e6).toString(36)}`
    admin.end({ method: 'POST', target: TASKS, requestId, ...call })
  }
  now = NOW - SECOND - (scene.stall ?? 0)
  admin.activity.beat()
  now = NOW
  if (scene.late !== true) admin.activity.beat()
  admin.activity.onStorageError(scene.storageError)
  admin.activity.filesRead('credentials', scene.fileErrors ?? [])
  for (const event of scene.events ?? []) admin.onTokenEvent(event)
  return admin
}
