import { constants } from 'node:os'
import type { Environment } from '../config/index.ts'
import { formatLine, messagesFor, type Explained } from '../messages/index.ts'

/** Exit codes; part of the interface, for scripts and probes. docs/commands.md explains each. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  rejected: 3,
  unusable: 4,
  notRunning: 5,
} as const

export interface Output {
  write(text: string): unknown
}

/** The process as commands see it; `main.ts` passes the real one, and tests pass their own. */
export interface Io {
  readonly stdout: Output
  readonly stderr: Output
  /** The environment, secrets included; it is a copy. */
  readonly env: Environment
  /** `env` belongs to a unit of systemd, whose socket unit has the port of LISTEN. */
  readonly isUnit?: true
  readonly pid: number
  /** Scope of process ids, such as `pid:[4026531836]`; empty if unknown. */
  readonly processScope: string
  /** Sends SIGHUP to a process that runs this program; returns false for any other process. @throws an error with a `code`. */
  readonly hangUp: (pid: number) => boolean
  readonly isTTY: boolean
  /** Aborted by the first SIGTERM, SIGINT, SIGQUIT or SIGUSR2; the reason is the signal's name. */
  readonly signal: AbortSignal
  /** Sets the action of SIGHUP, which does nothing before. */
  readonly onHangUp: (run: () => void) => void
  /** Sets the reporter of uncaught errors; the process ends when the reporter is done. */
  readonly onFatal: (report: (error: unknown) => void | Promise<void>) => void
}

export type FlagValues = Readonly<Partial<Record<'live' | 'trace' | 'quiet' | 'json', boolean>>> & {
  readonly wait?: string
}

/** A command. Returns the exit code. */
export type Command = (flags: FlagValues, io: Io) => Promise<number>

/** An error or a warning. `setting` is the setting or the step of a check that it concerns. */
type Message = Explained & { readonly setting?: string; readonly isWarning?: boolean | undefined }

/** Writes `Error: ISALES_URL: The value is not accepted. … [not-accepted]`: the code is what `help` explains. */
export function writeMessage({ env, stderr }: Io, message: Message): void {
  const messages = messagesFor(env)
  const line = `${formatLine(messages, message)} [${message.code}]`
  const whole = message.setting === undefined ? line : messages.labelled(message.setting, line)
  const kind = messages.cli[message.isWarning ? 'warning' : 'error']
  stderr.write(`${messages.labelled(kind, whole)}\n`)
}

/** Writes an error. Returns `exit`. */
export function fail(io: Io, exit: number, error: Explained): number {
  writeMessage(io, error)
  return exit
}

/** Returns the exit code of a command that a signal ended, as in a shell: 128 plus the signal's number. */
export function endedBy(signal: AbortSignal): number {
  return 128 + (constants.signals[signal.reason as NodeJS.Signals] ?? 0)
}
