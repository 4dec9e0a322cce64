/** Something wrong with the configuration, for the operator. Holds no secret. */
export interface ConfigError {
  /** The environment variable. */
  readonly setting: string
  /** Completes `NAME ...`. */
  readonly problem: string
  /** A sentence without a full stop: what to do about it. */
  readonly remedy: string
}

/** One line: `NAME has this problem. Do this` */
export function formatError({ setting, problem, remedy }: ConfigError): string {
  return `${setting} ${problem}. ${remedy}`
}

/** What settings and files hold now, or everything that is wrong with them. */
export type Read<T> =
  | { readonly ok: true; readonly value: T; readonly warnings?: readonly ConfigError[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[] }

/** @throws {Error} that names the settings and their problems. */
export function valueOf<T>(read: Read<T>): T {
  if (read.ok) return read.value
  throw new Error(read.errors.map(formatError).join('; '))
}
