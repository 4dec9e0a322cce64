import type { ReadFile } from '../../src/config/files.ts'
import { loadConfig, type Environment, type Loaded } from '../../src/config/load.ts'
import type { Config } from '../../src/config/index.ts'
import type { SettingProblem } from '../../src/config/index.ts'

export const PASSWORD = 'pa55word-canary'
const MINIMAL: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: PASSWORD,
}
export const PASSWORDLESS: Environment = { ...MINIMAL, ISALES_PASSWORD: undefined }

type Files = Readonly<Record<string, string | Uint8Array>>

export function disk(files: Files): ReadFile {
  return (path, limit) => {
    const file = Object.hasOwn(files, path) ? files[path] : undefined
    if (file === undefined) return 'missing'
    const bytes = Buffer.from(file)
    return bytes.length > limit ? 'too-large' : bytes
  }
}

export const loadWith = (env: Environment, files: Files = {}): Loaded =>
  loadConfig({ ...MINIMAL, ...env }, disk(files))

/** Returns `SETTING code`, with a detail instead of the code if there is one, and `?` for a warning. */
export const codeOf = ({ setting, code, facts, isWarning }: SettingProblem): string => {
  const [, detail] = facts.find(([name]) => name === 'detail') ?? []
  return `${setting} ${typeof detail === 'string' ? detail : code}${isWarning ? '?' : ''}`
}
export const codesOf = ({ problems }: Loaded): readonly string[] => problems.map(codeOf)

export function configOf(loaded: Loaded): Config {
  if (!loaded.ok) throw new Error(codesOf(loaded).join())
  return loaded.config
}
