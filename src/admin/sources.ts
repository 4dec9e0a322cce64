import type { Clock } from '../clock.ts'
import type { Log, LogThrottle, Stdout } from '../log/index.ts'
import type { RequestSummary } from '../request-summary.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import type { DiagnosticContext } from '../messages/index.ts'
import type { ActivityRecorder } from './activity.ts'

/** Everything that metrics, probes and the status page read from the rest of the program. */
export interface AdminSources {
  readonly clock: Clock
  readonly diagnostics: DiagnosticContext
  readonly log: Log
  readonly logThrottle: LogThrottle
  readonly token: () => TokenSnapshot
  /** Undefined if no store is configured. */
  readonly sharing: () => SharingSnapshot | undefined
  readonly running: {
    /** Every listener accepts connections. */
    readonly listening: boolean
    /** A stop signal has arrived. */
    readonly draining: boolean
    readonly inFlight: number
  }
  readonly upstreamConnections: () => number
  /**
   * Expiry of certificates in use, in milliseconds since 1970; undefined if none is configured. `listener`: of this proxy.
   * `client`: for mutual TLS with iSales. `ca`: of iSales's authorities; until a connection opens, of the bundle's last one.
   */
  readonly certificates: () => Readonly<Record<'listener' | 'client' | 'ca', number | undefined>>
  /** Receives calls that arrive at the admin port. */
  readonly onMisdirected: (request: RequestSummary) => void
  readonly stdout: Pick<Stdout, 'dropped' | 'failure'>
  /** Returns whether `Host` names this proxy, which the status page requires. */
  readonly isOwnHost: (authority: string) => boolean
  /** Name of the host or pod. */
  readonly instance: string
  readonly version: string
  /** Undefined if unknown. */
  readonly process: { readonly pid: number; readonly processScope: string } | undefined
  /** Minutes by which the machine's local time is ahead of UTC. */
  readonly utcOffset: () => number
}

export type DiagnosisInput = ReturnType<typeof diagnosisInput>

/** Reads past activity and the current state. Instants are on the monotonic clock. */
export function diagnosisInput(sources: AdminSources, activity: ActivityRecorder) {
  return {
    ...activity.view(),
    draining: sources.running.draining,
    diagnostics: sources.diagnostics,
    /** `token.now` in milliseconds since 1970. */
    wallNow: sources.clock.date(),
    token: sources.token(),
    sharing: sources.sharing(),
    /** Error code of the last write of the log; undefined if it succeeded. */
    logFailure: sources.stdout.failure(),
    certificates: sources.certificates(),
  }
}
