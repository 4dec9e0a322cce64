import type * as z from 'zod'
import { checkCertificates } from './certificates.ts'
import { DEFAULT_SETTINGS, parseDefaultSettings } from './default-settings.ts'
import type { ConfigError, Read } from './errors.ts'
import { fileProblem, readSmallFile, type ReadFile } from './files.ts'
import { removedVariables } from './removed.ts'
import { brokenRules, INSECURE_NODE } from './rules.ts'
import {
  SETTING_LIST,
  SETTINGS,
  variableOf,
  variablesOf,
  withDerived,
  type Config,
  type ConfigKey,
  type FileKey,
  type Setting,
} from './settings.ts'
import { unknownVariables } from './unknown-variables.ts'

export type { Config } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a value came from. */
export type Source =
  | { readonly from: 'default' }
  | { readonly from: 'environment' | typeof DEFAULT_SETTINGS; readonly variable: string }
  | { readonly from: 'file'; readonly path: string }

/** Of each setting that could be read, also what may be shown of its text; undefined when it is not set. */
export type Sources = Readonly<
  Partial<Record<ConfigKey, Source & { readonly shown: string | undefined }>>
>

export type Loaded = {
  readonly sources: Sources
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
  const below = parseDefaultSettings(env[DEFAULT_SETTINGS] ?? '')
  const { values, sources, wrong } = parseSettings(SETTING_LIST, (one) =>
    // A variable that is there and empty switches the default off.
    [one.name, ...variablesOf(one)].some((name) => env[name] !== undefined)
      ? readInput(one, env, readFile)
      : readInput(one, below.defaults, readFile, DEFAULT_SETTINGS),
  )
  const config = withDerived(values)
  // Checked even when some settings could not be read: all errors are reported together.
  const broken = brokenRules(config, wrong)
  const certificates = checkCertificates(config, readFile, Date.now())
  const errors = [
    ...below.errors,
    ...wrong.values(),
    ...broken.filter(({ severity }) => severity === 'error'),
    ...certificates.errors,
    ...removedVariables(env),
    ...(env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? [INSECURE_NODE] : []),
  ]
  const warnings = [
    ...broken.filter(({ severity }) => severity === 'warning'),
    ...certificates.warnings,
    ...unknownVariables(Object.keys(env)),
  ]
  if (errors.length > 0) return { ok: false, errors, warnings, config, sources }
  return { ok: true, config: Object.freeze(config as Config), sources, warnings }
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
  const settings = SETTING_LIST.filter((one) => isKey(one.key) && fileOf(one) !== undefined)
  const { values, wrong } = parseSettings(settings, (one) =>
    readValueFile(one, fileOf(one) ?? '', readSmallFile),
  )
  if (wrong.size > 0) return { ok: false, errors: [...wrong.values()] }
  const value = { ...config, ...values }
  const broken = brokenRules(value).filter(({ reads }) => reads.some(isKey))
  const errors = broken.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { ok: false, errors }
  return { ok: true, value, warnings: broken.filter(({ reads }) => reads.every(isKey)) }
}

/** The values of settings, and of `NAME_FILE` where a value came from a file. */
function parseSettings(
  settings: readonly Setting[],
  read: (setting: Setting) => Input | ConfigError,
) {
  const values: Record<string, unknown> = {}
  const sources: { -readonly [Key in ConfigKey]?: Sources[Key] } = {}
  const wrong = new Map<ConfigKey, ConfigError>()
  for (const setting of settings) {
    const { key, fileName } = setting
    const input = read(setting)
    if ('problem' in input) {
      wrong.set(key, input)
      continue
    }
    const { text, source } = input
    const schema: z.ZodType = SETTINGS.shape[key]
    const { data, error } = schema.safeParse(text)
    if (error !== undefined) {
      wrong.set(key, errorOf(setting, input, error.issues[0]))
      continue
    }
    values[key] = data
    sources[key] = { ...source, shown: text === undefined ? text : show(setting, text, data) }
    if (fileName !== undefined)
      values[`${key}File`] = source.from === 'file' ? source.path : undefined
  }
  return { values: values as Partial<Config>, sources, wrong }
}

/** The text as it was given, without a secret, and its value where units say it better: `300 (5m)`. */
function show({ redact, inUnits }: Setting, text: string, value: unknown): string {
  if (redact !== undefined) return redact(text)
  const meaning = typeof value === 'number' ? inUnits?.(value) : undefined
  return meaning === undefined || meaning === text ? text : `${text} (${meaning})`
}

interface Input {
  /** Undefined when the setting is not set. */
  readonly text: string | undefined
  readonly source: Source
}

/** Bytes; no password is longer. */
const MAX_SECRET_FILE = 64 * 1024

function readInput(
  setting: Setting,
  env: Environment,
  readFile: ReadFile,
  from: 'environment' | typeof DEFAULT_SETTINGS = 'environment',
): Input | ConfigError {
  const { name, fileName } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo === true && (env[lower] ?? '') !== '' ? lower : name
  const text = given(setting, env[variable])
  const path = fileName === undefined ? undefined : env[fileName]?.trim() || undefined
  if (text !== undefined && setting.fileOnly === true) {
    return error(name, 'is read from a file only', `Unset it and set ${fileName}`)
  }
  if (text !== undefined && path !== undefined) {
    return error(name, `and ${fileName} are both set`, 'Unset one of them')
  }
  if (path !== undefined) return readValueFile(setting, path, readFile)
  if (text === undefined) return { text, source: { from: 'default' } }
  // Node puts U+FFFD where the environment is not UTF-8. A login with it could only lock the account.
  if (text.includes('\uFFFD')) return error(variable, 'is not valid UTF-8', 'Write it in UTF-8')
  if (text.endsWith('\r'))
    return error(variable, 'has a Windows line ending', 'Save the env file with Unix line endings')
  return { text, source: { from, variable } }
}

/** The text as it counts; undefined when the variable is not set. */
function given(setting: Setting, raw: string | undefined): string | undefined {
  if (raw === undefined) return undefined
  const text = setting.verbatim === true ? withoutLineEnd(raw) : raw.trim()
  return text === '' && setting.emptyIsValue !== true ? undefined : text
}

/** The line end that an editor or `echo` adds is no part of a secret. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '')
}

function readValueFile(setting: Setting, path: string, readFile: ReadFile): Input | ConfigError {
  const name = `${setting.name}_FILE`
  const file = readFile(path, MAX_SECRET_FILE)
  if (!file.ok) {
    const limit = file.problem === 'too-large' ? ' (over 64KiB)' : ''
    const remedy = 'Give the path of a file that this user may read and that holds the value alone'
    return error(name, `${fileProblem(path, file.problem)}${limit}`, remedy)
  }
  const text = decode(file.bytes)
  if (text === undefined) {
    return error(name, 'names a file that is not UTF-8 text', 'Write the value in UTF-8')
  }
  if (text === '') return error(name, 'names an empty file', 'Put the value into it')
  return { text, source: { from: 'file', path } }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return withoutLineEnd(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** What is wrong with a setting, from the first issue of its text. */
function errorOf(
  { name, fileName, quotable, example }: Setting,
  { text, source }: Input,
  issue: z.core.$ZodIssue | undefined,
): ConfigError {
  if (text === undefined) {
    const also = fileName === undefined ? '' : `, or ${fileName} to a file that holds it`
    return error(name, 'is not set', `Set it${also}, for example ${name}=${example}`)
  }
  const { message = 'cannot be read', path = [] } = issue ?? {}
  const shown = (issue?.code === 'custom' && issue.params?.['example']) || example
  const entry = typeof path.at(-1) === 'number' ? 'has an entry that ' : ''
  const quoted = quotable === true ? ` (it is ${quote(text)})` : ''
  const problem = `${entry}${message}${quoted}`
  if (source.from === 'file') {
    return error(`${name}_FILE`, `holds a value that ${problem}`, 'Correct the file')
  }
  const variable = source.from === 'default' ? name : source.variable
  const where = source.from === DEFAULT_SETTINGS ? `in ${DEFAULT_SETTINGS} ` : ''
  return error(variable, `${where}${problem}`, `Write it like ${variable}=${shown}`)
}

function error(setting: string, problem: string, remedy: string): ConfigError {
  return { setting, problem, remedy }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** One setting in force, as it may be shown to anybody who may see the status page. */
export interface EffectiveSetting {
  /** The environment variable. */
  readonly name: string
  /** `[redacted]` for a secret; null when it is not set, or could not be read. */
  readonly value: string | null
  /** `default`, `environment`, `DEFAULT_SETTINGS` or `file /path`. */
  readonly source: string
}

/** The configuration in force, in the order of the documentation. */
export function effectiveSettings({
  config,
  sources,
}: Pick<Loaded, 'config' | 'sources'>): readonly (EffectiveSetting &
  Pick<Setting, 'group' | 'default'>)[] {
  return SETTING_LIST.map(({ key, group, derived, ...setting }) => {
    const source = sources[key]
    // What follows from other settings is a word or a list of paths.
    const follows =
      derived === undefined ? undefined : config[key as 'allowedPaths' | 'obsLogin']?.toString()
    return {
      name: variableOf(key),
      group,
      value: (source && (source.shown ?? setting.default ?? follows)) ?? null,
      source: source?.from === 'file' ? `file ${source.path}` : (source?.from ?? 'default'),
      default: setting.default ?? derived?.replaceAll('`', ''),
    }
  })
}
