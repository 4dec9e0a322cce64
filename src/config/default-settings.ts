import { parseEnv } from 'node:util'
import type { ConfigError } from './errors.ts'
import { SETTING_LIST } from './settings.ts'
import { KNOWN, nearest } from './unknown-variables.ts'

/** Lines of `NAME=value`, read below the environment: what an injected pod keeps of its release. */
export const DEFAULT_SETTINGS = 'DEFAULT_SETTINGS'

/** The variables in such lines, which are parsed as an env file is, and what is wrong with them. */
export function parseDefaultSettings(lines: string): {
  readonly defaults: Readonly<Record<string, string | undefined>>
  readonly errors: readonly ConfigError[]
} {
  const defaults = parseEnv(lines)
  const errors: ConfigError[] = []
  const error = (problem: string, remedy: string): unknown =>
    errors.push({ setting: DEFAULT_SETTINGS, problem, remedy })
  // The parser skips or joins lines that it does not understand. A line may hold a secret, so that none is repeated.
  for (const [index, line] of lines.split('\n').entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue
    const [, name] = /^\s*(?:export\s+)?(\w+)\s*=/.exec(line) ?? []
    if (name === undefined) {
      error(`is not NAME=value in line ${index + 1}`, 'Correct the line, or put # before it')
    } else if (!KNOWN.includes(name)) {
      const near = nearest(name.toUpperCase(), KNOWN, 2)
      const remedy = near === undefined ? 'docs/configuration.md lists them all' : `Write ${near}`
      error(`names no setting in line ${index + 1}`, remedy)
    }
  }
  for (const setting of SETTING_LIST.filter(({ redact }) => redact))
    for (const name of setting.variables) {
      const value = name.endsWith('_FILE') ? undefined : defaults[name]
      if (value !== undefined && (setting.type === 'secret' || hasPassword(value)))
        error(
          `holds a secret, ${name}`,
          'Take it from a Secret, as a file or a variable of its own',
        )
    }
  return { defaults, errors }
}

/** `redis://user:password@host`, `user:password@host`. */
function hasPassword(url: string): boolean {
  return /^[^@]*:[^@]*@/.test(url.replace(/^[a-z]+:\/\//i, ''))
}
