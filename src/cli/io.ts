import { constants } from 'node:os'
import { formatError, type ConfigError } from '../config/errors.ts'
import type { Environment } from '../config/load.ts'

/** Where a command writes text. */
export interface Output {
  write(text: string): unknown
}

/** All that a command knows of the process; `main.ts` makes it from the real one, tests make their own. */
export interface Io {
  readonly stdout: Output
  readonly stderr: Output
  /** The environment, secrets included; it is a copy. */
  readonly env: Environment
  /** As whom files are read; undefined where there is no such number. */
  readonly uid: number | undefined
  /** Version of Node's HTTP parser. */
  readonly llhttp: string
  /** Stdout is a terminal. */
  readonly isTTY: boolean
  /** Aborted by the first SIGTERM, SIGINT, SIGQUIT or SIGUSR2; the reason is the signal's name. */
  readonly signal: AbortSignal
  /** From now on SIGHUP does this. Before, it does nothing. */
  readonly onHangUp: (run: () => void) => void
  /** From now on an error that nobody caught is given to `report`; the process ends when that is done. */
  readonly onFatal: (report: (error: unknown) => void | Promise<void>) => void
}

/** Writes what is wrong with the configuration. */
export function writeErrors(io: Io, errors: readonly ConfigError[], prefix = ''): void {
  for (const error of errors) io.stderr.write(`${prefix}${formatError(error)}\n`)
  const readers = new Set(errors.map((error) => readerOf(io, error)))
  for (const reader of readers) if (reader !== '') io.stderr.write(`${reader}\n`)
}

/** As whom the file of a setting is read; empty when the error is of no file, or nobody knows. */
export function readerOf({ uid }: Io, { setting }: ConfigError): string {
  return setting.endsWith('_FILE') && uid !== undefined ? `Files are read as uid ${uid}.` : ''
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = constants.signals

/** The exit code of a command that a signal ended, as a shell gives it: 128 and the signal's number. */
export function endedBy(signal: AbortSignal): number {
  return 128 + (SIGNAL_NUMBERS[String(signal.reason)] ?? 0)
}
