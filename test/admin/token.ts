import { createMetrics, openAdmin, recordActivity } from '../../src/admin/index.ts'
import { createLogThrottle } from '../../src/log/log-throttle.ts'
import { classifyRequest, type RequestSummary } from '../../src/request-summary.ts'
import { createHostRule } from '../../src/config/address.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import type { TokenSnapshot } from '../../src/token/snapshot.ts'
import type { LoginState } from '../../src/token/lifecycle.ts'
import type { CurrentToken } from '../../src/token/token.ts'
import { authFailure, PLACES } from '../support/failure.ts'
import { grant, live } from '../token/life.ts'

export const CANARY = 'canary-token-5f1e'

/** A token source that logged in a minute ago. */
const life = live()
  .login(grant({ token: CANARY, refreshToken: `${CANARY}-refresh` }))
  .after(60_000)

export const NOW = life.now()

export function tokenOf(changes: Partial<CurrentToken> = {}): CurrentToken {
  return { ...(life.state().token as CurrentToken), ...changes }
}

/** Failed logins that wait for 3 min. */
export function loginOf(
  kind: LoginState['kind'],
  failure?: LoginState['failure'],
  changes: Partial<LoginState> = {},
): LoginState {
  const rejected = failure?.cause.stage === 'login'
  const pause = { needed: true, until: NOW + 180_000, renewable: true }
  return { kind, failure, rejected, ...pause, failures: 4, ...changes }
}

export function snapshot(changes: Partial<TokenSnapshot> = {}): TokenSnapshot {
  return { ...life.snapshot(), loginMs: 4200, ...changes }
}

export const WALL = Date.parse('2026-03-02T09:41:05Z')

/** A proxy at rest with a valid token. */
export function adminSources(changes: Partial<AdminSources> = {}): AdminSources {
  return {
    token: () => snapshot(),
    sharing: () => undefined,
    running: { listening: true, draining: false, inFlight: 0 },
    upstreamConnections: () => 3,
    certificates: () => ({ listener: undefined, client: undefined, ca: undefined }),
    onMisdirected: () => undefined,
    stdout: { dropped: () => 0, failure: () => undefined },
    diagnostics: PLACES,
    isOwnHost: createHostRule({ host: '', port: 0 }, ['proxy.example']),
    instance: 'site-a-active',
    version: '1.4.0',
    process: { pid: 4711, processScope: 'pid:[4026531836]' },
    clock: { now: () => NOW, date: () => WALL, setTimer: () => ({ cancel: () => undefined }) },
    utcOffset: () => 0,
    log: () => undefined,
    logThrottle: createLogThrottle(() => NOW),
    ...changes,
  }
}

type Granted = Extract<TokenEvent, { type: 'granted' }>
type Failed = Extract<TokenEvent, { type: 'failed' }>

export function granted(changes: Partial<Granted> = {}): Granted {
  return {
    type: 'granted',
    operation: 'login',
    at: NOW,
    durationMs: 42,
    token: tokenOf({ sentAt: NOW - 42 }),
    failuresBefore: 0,
    sameToken: false,
    ...changes,
  }
}

export function failed(changes: Partial<Failed> = {}): Failed {
  return {
    type: 'failed',
    operation: 'login',
    at: NOW,
    durationMs: 42,
    failure: authFailure('not-processed', 'connection-refused', { detail: 'ECONNREFUSED' }),
    failuresInRow: 1,
    backoff: 'transient',
    retryIn: 500,
    usableFor: 235_000,
    ...changes,
  }
}

/** Opens telemetry and admin app. Default reader: on this machine. */
export function openShown(
  sources: AdminSources,
  address = '127.0.0.1',
  rejectedStatuses: readonly number[] = [401, 403],
) {
  const activity = recordActivity(sources.clock, sources.diagnostics)
  const metrics = createMetrics(rejectedStatuses, activity.totals)
  const { app, findings, watch } = openAdmin(sources, metrics, activity)
  const request = async (path: string, init?: RequestInit) => app.request(path, init, { address })
  const end = (summary: RequestSummary): void => {
    metrics.requestEnded(summary)
    activity.requestEnded(summary, classifyRequest(summary))
  }
  const onTokenEvent = (event: TokenEvent): void => {
    metrics.onTokenEvent(event)
    activity.onTokenEvent(event)
  }
  return { metrics, activity, end, onTokenEvent, findings, watch, app, request }
}
