import type { ConfigError, Read } from './config-error.ts'
import { readTls } from './certificates.ts'
import { fileProblem, readSmallFile, whereIs, type ReadFile } from './files.ts'
import { FormatError, quotesAround, readText } from './formats.ts'
import { brokenRules, INSECURE_NODE } from './rules.ts'
import { withoutLogin } from './secret.ts'
import {
  SETTING_LIST,
  variableOf,
  withFollowing,
  type Config,
  type ConfigKey,
  type FileKey,
  type Setting,
} from './settings.ts'
import { unknownVariables } from './unknown-variables.ts'

export type { Config } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** One setting in force, as it may be shown to anybody who may see the status page. */
export interface EffectiveSetting {
  /** The environment variable. */
  readonly name: string
  /** `[redacted]` for a secret; null when it is not set, or could not be read. */
  readonly value: string | null
  /** `default`, `environment` or `file /path`. */
  readonly source: string
}

export type Loaded = {
  /** In the order of the documentation. */
  readonly settings: readonly EffectiveSetting[]
  readonly warnings: readonly ConfigError[]
} & (
  | { readonly ok: true; readonly config: Config }
  /** `config`: what could be read all the same. */
  | {
      readonly ok: false
      readonly config: Partial<Config>
      readonly errors: readonly ConfigError[]
    }
)

/** Reads everything that can be set, or says everything that is wrong. Never throws. */
export function loadConfig(env: Environment, readFile: ReadFile = readSmallFile): Loaded {
  const { values, settings, wrong } = parseSettings(SETTING_LIST, (one) =>
    readInput(one, env, readFile),
  )
  const config = withFollowing(values)
  // Checked even when some settings could not be read: all errors are reported together.
  const broken = brokenRules(config)
  const tls = (['isales', 'store', 'listen'] as const).map((use) => readTls(use, config, readFile))
  const errors = [
    ...wrong,
    ...broken.filter(({ severity }) => severity === 'error'),
    ...tls.flatMap((read) => (read.ok ? [] : read.errors)),
    ...(env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? [INSECURE_NODE] : []),
  ]
  const warnings = [
    ...broken.filter(({ severity }) => severity === 'warning'),
    ...tls.flatMap((read) => (read.ok ? (read.warnings ?? []) : [])),
    ...unknownVariables(env),
  ]
  if (errors.length > 0) return { ok: false, errors, warnings, config, settings }
  return { ok: true, config: Object.freeze(config as Config), settings, warnings }
}

/**
 * Reads the files of settings again; a value that did not come from a file stays as it is. Call it when one of the
 * files changes. After an error, continue with the values at hand.
 */
export function rereadSettings<Key extends ConfigKey>(
  keys: readonly Key[],
  config: Config,
): Read<Pick<Config, Key>> {
  const isKey = (key: string): boolean => keys.some((one) => one === key)
  const fileOf = ({ key }: Setting) => config[`${key}File` as FileKey]
  const files = SETTING_LIST.filter((one) => isKey(one.key) && fileOf(one) !== undefined)
  const { values, wrong } = parseSettings(files, (one) =>
    readValueFile(one, fileOf(one) ?? '', readSmallFile),
  )
  if (wrong.length > 0) return { ok: false, errors: wrong }
  const value = { ...config, ...values }
  const broken = brokenRules(value).filter(({ reads }) => reads.some(isKey))
  const errors = broken.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { ok: false, errors }
  return { ok: true, value, warnings: broken.filter(({ reads }) => reads.every(isKey)) }
}

/** Where a value comes from. */
interface Input {
  /** Undefined when the setting is not set. */
  readonly text?: string | undefined
  readonly source: string
  /** The variable to name when the text is wrong. */
  readonly variable: string
  readonly file?: string
}

/** Thrown where a setting cannot be read. */
class Wrong extends Error {
  readonly error: ConfigError

  constructor(setting: string, said: ConfigError['said'], isDenied = false) {
    super()
    this.error = { setting, said, isDenied }
  }
}

/** The values of settings, and of `NAME_FILE` where a value came from a file. What could not be read has none. */
function parseSettings(settings: readonly Setting[], read: (setting: Setting) => Input) {
  const values: Record<string, unknown> = {}
  const wrong: ConfigError[] = []
  const shown = settings.map((setting): EffectiveSetting => {
    const { key, derive, fileName } = setting
    const name = variableOf(key)
    try {
      const input = read(setting)
      const text = input.text ?? setting.default
      const derived = text === undefined ? derive?.(values) : undefined
      const value = derived ?? parse(setting, input, text)
      if (fileName !== undefined) values[`${key}File`] = input.file
      // Without what its default depends on it has no value.
      if (derive === undefined || value !== undefined) values[key] = value
      return {
        name,
        value: derived?.toString() ?? show(setting, text, value),
        source: input.source,
      }
    } catch (thrown) {
      if (!(thrown instanceof Wrong)) throw thrown
      wrong.push(thrown.error)
      return { name, value: null, source: 'default' }
    }
  })
  return { values: values as Partial<Config>, settings: shown, wrong }
}

function parse(setting: Setting, input: Input, text: string | undefined): unknown {
  const { name, fileName, required, quotable, example } = setting
  if (text === undefined) {
    if (required)
      throw new Wrong(name, ({ given }) => given.notSet(`${name}=${example}`, fileName ?? ''))
    return undefined
  }
  const value = readText(setting, text)
  if (!(value instanceof FormatError)) return value
  // A URL, where something else was asked for, may hold a password.
  const isShown = quotable === true && !text.includes('@')
  const { variable, file } = input
  throw new Wrong(variable, ({ wrong, cures }) => {
    const problem = value.problem(wrong)
    const shown = isShown ? wrong.shown(problem, quote(text)) : problem
    if (file !== undefined) return [wrong.inFile(shown), cures.correctFile(whereIs(file)(wrong))]
    return [shown, cures.like(`${variable}=${value.example ?? example}`)]
  })
}

/** The text as it was given, without a secret, and its value where units say it better: `300 (5m)`. */
function show({ redact, inUnits }: Setting, text: string | undefined, value: unknown) {
  if (text === undefined) return null
  if (redact !== undefined) return redact(text)
  const meaning = typeof value === 'number' ? inUnits?.(value) : undefined
  if (meaning !== undefined && meaning !== text) return `${text} (${meaning})`
  // What takes any text may have been given a URL, such as NO_PROXY.
  return withoutLogin(text)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function readInput(setting: Setting, env: Environment, readFile: ReadFile): Input {
  const { name, fileName, inFile } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo === true && (env[lower] ?? '') !== '' ? lower : name
  const text = given(setting, env[variable])
  const path = fileName === undefined ? undefined : env[fileName]?.trim() || undefined
  if (text !== undefined && inFile === 'only')
    throw new Wrong(name, ({ given }) => given.fileOnly(fileName ?? ''))
  if (text !== undefined && path !== undefined)
    throw new Wrong(name, ({ given }) => given.twice(fileName ?? ''))
  if (path !== undefined) {
    const quoted = quotesAround(path)
    if (quoted !== undefined)
      throw new Wrong(`${name}_FILE`, ({ wrong, cures }) => [quoted(wrong), cures.readable])
    return readValueFile(setting, path, readFile)
  }
  if (text === undefined) return { source: 'default', variable }
  // Node puts U+FFFD where the environment is not UTF-8. A login with it could only lock the account.
  if (text.includes('\uFFFD')) throw new Wrong(variable, ({ given }) => given.notUtf8)
  if (text.endsWith('\r')) throw new Wrong(variable, ({ given }) => given.windows)
  return { text, source: 'environment', variable }
}

/** The text as it counts; undefined when the variable is not set. */
function given(setting: Setting, raw: string | undefined): string | undefined {
  const text = setting.verbatim === true ? raw?.replace(LINE_END, '') : raw?.trim()
  return text === '' && setting.emptyIsValue !== true ? undefined : text
}

/** What an editor or `echo` adds is no part of a secret. */
const LINE_END = /\r?\n$/

/** Bytes; no password is longer. */
const MAX_SECRET_FILE = 64 * 1024

function readValueFile({ name }: Setting, path: string, readFile: ReadFile): Input {
  const variable = `${name}_FILE`
  const file = readFile(path, MAX_SECRET_FILE)
  if (!file.ok) {
    const problem = fileProblem(path, file.problem)
    const isLarge = file.problem === 'too-large'
    const said: ConfigError['said'] = ({ wrong, cures }) => [
      `${problem(wrong)}${isLarge ? wrong.over('64KiB') : ''}`,
      cures.readable,
    ]
    throw new Wrong(variable, said, file.problem === 'denied')
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(file.bytes).replace(LINE_END, '')
  } catch {
    const problem = fileProblem(path, 'not-text')
    throw new Wrong(variable, ({ given, wrong }) => given.fileNotUtf8(problem(wrong)))
  }
  if (text === '') {
    const problem = fileProblem(path, 'empty')
    throw new Wrong(variable, ({ given, wrong }) => given.fileEmpty(problem(wrong)))
  }
  return { text, source: `file ${path}`, variable, file: path }
}
