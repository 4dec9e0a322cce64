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
  /** Version of Node's HTTP parser. */
  readonly llhttp: string
  /** Stdout is a terminal. */
  readonly isTTY: boolean
  /** Aborted by the first SIGTERM or SIGINT; the reason is the signal's name. */
  readonly signal: AbortSignal
  /** From now on SIGHUP does this. */
  readonly onHangUp: (run: () => void) => void
  /** From now on an error that nobody caught is given to `report`; the process ends when that is done. */
  readonly onFatal: (report: (error: unknown) => void | Promise<void>) => void
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGTERM: 15 }

/** The exit code of a command that a signal ended, as a shell gives it: 128 and the signal's number. */
export function endedBy(signal: AbortSignal): number {
  return 128 + (SIGNAL_NUMBERS[String(signal.reason)] ?? 0)
}
