import { formatError, type ConfigError } from '../../src/config/config-error.ts'
import type { FileRead, ReadFile } from '../../src/config/files.ts'
import { en } from '../../src/words/index.ts'
import type { Config, Environment, Loaded } from '../../src/config/load.ts'

export const PASSWORD = 'pa55word-canary'
export const MINIMAL: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: PASSWORD,
}
/** What is required, but for the password. */
export const PASSWORDLESS: Environment = { ...MINIMAL, ISALES_PASSWORD: undefined }

/** A disk that holds these and nothing else. */
export function disk(files: Readonly<Record<string, string | Uint8Array | FileRead>>): ReadFile {
  return (path, limit) => {
    const file = Object.hasOwn(files, path) ? files[path] : undefined
    if (file === undefined) return { ok: false, problem: 'missing' }
    if (typeof file === 'object' && 'ok' in file) return file
    const bytes = Buffer.from(file)
    return bytes.length > limit ? { ok: false, problem: 'too-large' } : { ok: true, bytes }
  }
}

/** `SETTING problem. Remedy`, in English. */
export const lineOf = (error: ConfigError): string => formatError(error, en)

/** `SETTING problem`, in English. */
export const problemOf = ({ setting, said }: ConfigError): string =>
  `${setting} ${said(en.settings)[0]}`

export function configOf(loaded: Loaded): Config {
  if (!loaded.ok) throw new Error(loaded.errors.map(lineOf).join('\n'))
  return loaded.config
}

export function errorsOf(loaded: Loaded): readonly ConfigError[] {
  if (loaded.ok) throw new Error('accepted')
  return loaded.errors
}
