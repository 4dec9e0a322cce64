import { constants } from 'node:os'
import {
  duration,
  formatError,
  readText,
  FormatError,
  type ConfigError,
  type Environment,
  type Loaded,
} from '../config/index.ts'
import { wordsOf, type Words } from '../words/index.ts'

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
  /** Of this process. */
  readonly pid: number
  /** Path of the file that Node runs. */
  readonly program: string
  /** Sends SIGHUP. @throws an error with a `code`. */
  readonly hangUp: (pid: number) => void
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

/** Writes one line each, behind a label such as `Error`. */
export function writeErrors(io: Io, errors: readonly ConfigError[], label: string): void {
  const words = wordsOf(io.env)
  for (const error of errors)
    io.stderr.write(`${words.check.labelled(label, formatError(error, words))}\n`)
}

/** Writes what is wrong and what is doubtful. */
export function writeProblems(io: Io, loaded: Loaded): void {
  const words = wordsOf(io.env)
  writeErrors(io, loaded.warnings, words.check.warning)
  if (loaded.ok) return
  writeErrors(io, loaded.errors, words.check.error)
  const readers = new Set(loaded.errors.map((error) => readerOf(io, error, words)))
  for (const reader of readers) if (reader !== '') io.stderr.write(`${reader}\n`)
}

/** As whom the file of a setting is read; empty unless that is why it is not, or when nobody knows. */
export function readerOf({ uid }: Io, { isDenied }: ConfigError, { settings }: Words): string {
  return isDenied === true && uid !== undefined ? settings.cures.readAs(uid) : ''
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = constants.signals

/** The exit code of a command that a signal ended, as a shell gives it: 128 and the signal's number. */
export function endedBy(signal: AbortSignal): number {
  return 128 + (SIGNAL_NUMBERS[String(signal.reason)] ?? 0)
}

/** The texts of the flags that were given; of a flag without a value its name. */
export type FlagValues = Readonly<Record<string, string | undefined>>

/** The value of `--timeout`, 60 s by default, in milliseconds. Undefined: it is wrong, and stderr says how. */
export function readTimeout(
  { env, stderr }: Io,
  text: string | undefined,
  limits: Parameters<typeof duration>[0],
): number | undefined {
  const timeout = readText(duration(limits), text ?? '60s')
  if (!(timeout instanceof FormatError)) return timeout
  const { command, settings } = wordsOf(env)
  stderr.write(`${command.wrongValue('--timeout', timeout.problem(settings.wrong))}\n`)
  return undefined
}

/** What each file of a command exports. Returns the exit code. */
export type Command = (flags: FlagValues, io: Io) => Promise<number>
