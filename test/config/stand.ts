import type { FileRead, ReadFile } from '../../src/config/files.ts'
import { loadConfig, type Environment, type Loaded } from '../../src/config/load.ts'
import type { Config } from '../../src/config/settings.ts'
import { en, settingLine } from '../../src/words/index.ts'

export const PASSWORD = 'pa55word-canary'
export const MINIMAL: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: PASSWORD,
}
/** What is required, but for the password. */
export const PASSWORDLESS: Environment = { ...MINIMAL, ISALES_PASSWORD: undefined }

type Files = Readonly<Record<string, string | Uint8Array | FileRead>>

/** A disk that holds these and nothing else. */
export function disk(files: Files): ReadFile {
  return (path, limit) => {
    const file = Object.hasOwn(files, path) ? files[path] : undefined
    if (file === undefined) return { ok: false, problem: 'missing' }
    if (typeof file === 'object' && 'ok' in file) return file
    const bytes = Buffer.from(file)
    return bytes.length > limit ? { ok: false, problem: 'too-large' } : { ok: true, bytes }
  }
}

/** What is required, these variables, and these files. */
export const loadWith = (env: Environment, files: Files = {}): Loaded =>
  loadConfig({ ...MINIMAL, ...env }, disk(files))

/** Each problem as a person reads it. */
export const linesOf = ({ problems }: Loaded): readonly string[] =>
  problems.map((problem) => settingLine(en, problem))

/** `SETTING code`; a warning is marked. */
export const codesOf = ({ problems }: Loaded): readonly string[] =>
  problems.map(({ setting, code, isWarning }) => `${setting} ${code}${isWarning ? '?' : ''}`)

export function configOf(loaded: Loaded): Config {
  if (!loaded.ok) throw new Error(linesOf(loaded).join('\n'))
  return loaded.config
}
