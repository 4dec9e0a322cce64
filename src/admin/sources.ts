import type { Clock } from '../clock.ts'
import type { Log, News } from '../log/index.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import type { DiagnosticContext } from '../messages/index.ts'

/** What counting and remembering needs. */
export interface RecordOptions {
  readonly clock: Clock
  /** Each is a label value of its own in `token_rejections_total`; another status counts as `other`. */
  readonly rejectedStatuses: readonly number[]
  /** What the facts of failures name. */
  readonly diagnostics: DiagnosticContext
}

/** What metrics, probes and the status page read of the rest of the program. */
export interface AdminSources extends RecordOptions {
  readonly log: Log
  readonly news: News
  readonly token: () => TokenSnapshot
  /** Undefined: not configured. */
  readonly sharing: () => SharingSnapshot | undefined
  readonly running: {
    /** Every listener accepts connections. */
    readonly listening: boolean
    /** A signal has come. */
    readonly draining: boolean
    /** Requests in flight. */
    readonly inFlight: number
  }
  /** Connections to iSales that are open now. */
  readonly upstreamConnections: () => number
  /** When each certificate in use ends, milliseconds since 1970; undefined: none is configured. */
  readonly certificates: () => {
    /** Of this proxy. */
    readonly listener: number | undefined
    /** For mutual TLS with iSales. */
    readonly client: number | undefined
    /** The earliest end of the authorities that iSales is checked with. */
    readonly ca: number | undefined
  }
  /** Lines of the log that could not be written, since the start. */
  readonly logLinesDropped: () => number
  /** Whether `Host` means this proxy: only then the status page opens. */
  readonly isOwnHost: (authority: string) => boolean
  /** The name of the host or pod: what people call this proxy. */
  readonly instance: string
  readonly version: string
  /** Undefined: not known. */
  readonly process: { readonly pid: number; readonly processScope: string } | undefined
  /** Milliseconds since 1970; token instants are monotonic and become dates with it. */
  readonly wallClock: () => number
  /** Minutes by which the local time of the machine is ahead of UTC. */
  readonly utcOffset: () => number
}
