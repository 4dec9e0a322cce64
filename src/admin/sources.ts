import type { Clock } from '../clock.ts'
import { certificateReader } from '../config/certificates.ts'
import type { EffectiveSetting } from '../config/load.ts'
import type { Config } from '../config/settings.ts'
import type { Log } from '../log/logger.ts'
import type { Places } from '../words/index.ts'
import type { TokenSnapshot } from '../token/snapshot.ts'
import type { SharingSnapshot } from '../sharing/events.ts'

/** What metrics, probes and the status page read of the rest of the program. */
export interface AdminSources {
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
  readonly certificates: ReturnType<typeof certificateEnds>
  /** Lines of the log that could not be written, since the start. */
  readonly logLinesDropped: () => number
  /** Each is a label value of its own in `token_rejections_total`; another status counts as `other`. */
  readonly rejectedStatuses: readonly number[]
  /** What the sentences about failures name. */
  readonly places: Places
  readonly settings: readonly EffectiveSetting[]
  /** Lower-case names without port that open the status page, beside every address. */
  readonly hosts: ReadonlySet<string>
  /** What people call this proxy: `INSTANCE`. */
  readonly instance: string
  /** Name of the host or pod. */
  readonly host: string
  readonly version: string
  /** Of this process. */
  readonly pid: number | undefined
  readonly clock: Clock
  /** Milliseconds since 1970; token instants are monotonic and become dates with it. */
  readonly wallClock: () => number
  /** Minutes by which the local time of the machine is ahead of UTC. */
  readonly utcOffset: () => number
  readonly log: Log
}

/**
 * When each certificate ends, milliseconds since 1970; undefined: none is configured, or it cannot be read. The files
 * are read anew, so that the ends are those of a certificate that was just renewed.
 */
export function certificateEnds(
  config: Pick<Config, 'listenTlsCertFile' | 'isalesClientCertFile' | 'isalesCaFile'>,
) {
  const listener = endsOf(config.listenTlsCertFile)
  const client = endsOf(config.isalesClientCertFile)
  const ca = endsOf(config.isalesCaFile)
  return () => ({
    /** Of this proxy. */
    listener: listener()[0],
    /** For mutual TLS with iSales. */
    client: client()[0],
    /** The earliest end of the authorities that iSales is checked with: which of them it needs is not known. */
    ca: ca().toSorted((one, other) => one - other)[0],
  })
}

/** Of every certificate in a file, the own certificate of a chain first. */
function endsOf(path: string | undefined): () => readonly number[] {
  const read = path === undefined ? () => [] : certificateReader(path)
  return () => read().map(({ validTo }) => Date.parse(validTo))
}
