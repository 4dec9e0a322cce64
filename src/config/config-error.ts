import { en, type Said, type Words } from '../words/index.ts'

export type SettingWords = Words['settings']

/** Something wrong with the configuration, for the operator. Holds no secret. */
export interface ConfigError {
  /** The environment variable. */
  readonly setting: string
  /** What is wrong, which completes `NAME ...`, and what to do about it. */
  readonly said: (words: SettingWords) => Said
  /** This user may not read the file. Default: false. */
  readonly isDenied?: boolean
}

/** One line: `NAME has this problem. Do this` */
export function formatError({ setting, said }: ConfigError, words: Words): string {
  return `${setting} ${words.line(...said(words.settings))}`
}

/** What settings and files hold now, or everything that is wrong with them. */
export type Read<T> =
  | { readonly ok: true; readonly value: T; readonly warnings?: readonly ConfigError[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[] }

/** @throws {Error} that names the settings and their problems. */
export function valueOf<T>(read: Read<T>): T {
  if (read.ok) return read.value
  throw new Error(read.errors.map((error) => formatError(error, en)).join('; '))
}
