import type { Clock } from '../clock.ts'
import type { Log, LogThrottle, Stdout } from '../log/index.ts'
import type { RequestSummary } from '../request-summary.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import type { DiagnosticContext } from '../messages/index.ts'
import type { Certificates } from './diagnosis.ts'

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
  readonly certificates: () => Certificates
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
