import type * as z from 'zod'
import { checkCertificates } from './certificates.ts'
import type { ConfigError } from './errors.ts'
import { fileProblem, readSmallFile, type FilesRead, type ReadFile } from './files.ts'
import { brokenRules, INSECURE_NODE } from './rules.ts'
import {
  SETTING_LIST,
  SETTINGS,
  withDerived,
  type Config,
  type ConfigKey,
  type Setting,
} from './settings.ts'
import { unknownVariables } from './unknown-variables.ts'

export type { Config } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a value came from. */
export type Source =
  | { readonly from: 'default' }
  | { readonly from: 'environment'; readonly variable: string }
  | { readonly from: 'file'; readonly path: string }

export type Sources = Readonly<Partial<Record<ConfigKey, Source>>>

export type Loaded =
  | {
      readonly ok: true
      readonly config: Config
      readonly sources: Sources
      readonly warnings: readonly ConfigError[]
    }
  | {
      readonly ok: false
      readonly errors: readonly ConfigError[]
      readonly warnings: readonly ConfigError[]
      /** What could be read all the same. */
      readonly config: Partial<Config>
      readonly sources: Sources
    }

/** The rules are checked even when some settings could not be read: all errors are reported together. */
const CONFIG = SETTINGS.superRefine(
  (given, ctx) => {
    const unread = new Set(ctx.issues.map(({ path }) => path?.[0]))
    const read = Object.entries(given).filter(([key]) => !unread.has(key))
    const config = withDerived(Object.fromEntries(read))
    for (const rule of brokenRules(config, unread)) {
      if (rule.severity === 'error') ctx.addIssue({ code: 'custom', params: withoutRule(rule) })
    }
  },
  { when: () => true },
).transform((given) => withDerived(given) as Config)

/** Reads everything that can be set, or says everything that is wrong. Never throws. */
export function loadConfig(env: Environment, readFile: ReadFile = readSmallFile): Loaded {
  const inputs = new Map(SETTING_LIST.map((one) => [one.key, readInput(one, env, readFile)]))
  const texts: Record<string, unknown> = {}
  const sources: Partial<Record<ConfigKey, Source>> = {}
  for (const [key, input] of inputs) {
    // No setting accepts an error in place of a text: it becomes the issue of its setting.
    texts[key] = 'problem' in input ? input : input.text
    texts[`${key}File`] = undefined
    if ('problem' in input) continue
    sources[key] = input.source
    if (input.source.from === 'file') texts[`${key}File`] = input.source.path
  }
  const parsed = CONFIG.safeParse(texts)
  const issues = parsed.error?.issues ?? []
  const unread = new Set(issues.map(({ path }) => path[0]))
  for (const key of unread) delete sources[key as ConfigKey]
  const config = parsed.data ?? withDerived(parseEach(texts, unread))
  const certificates = checkCertificates(config, readFile, Date.now())
  const errors = [
    ...SETTING_LIST.flatMap((setting) => {
      const issue = issues.find(({ path }) => path[0] === setting.key)
      const input = inputs.get(setting.key)
      return issue === undefined || input === undefined ? [] : [errorOf(setting, input, issue)]
    }),
    ...issues.flatMap((one) =>
      one.code === 'custom' && one.path.length === 0 ? [one.params as ConfigError] : [],
    ),
    ...certificates.errors,
    ...(env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? [INSECURE_NODE] : []),
  ]
  const doubtful = brokenRules(config, unread).filter(({ severity }) => severity === 'warning')
  const warnings = [
    ...doubtful.map(withoutRule),
    ...certificates.warnings,
    ...unknownVariables(Object.keys(env)),
  ]
  if (!parsed.success || errors.length > 0) return { ok: false, errors, warnings, config, sources }
  return { ok: true, config: Object.freeze(parsed.data), sources, warnings }
}

function parseEach(
  texts: Readonly<Record<string, unknown>>,
  unread: ReadonlySet<unknown>,
): Partial<Config> {
  const read = Object.entries(SETTINGS.shape).filter(([key]) => !unread.has(key))
  return Object.fromEntries(read.map(([key, schema]) => [key, schema.parse(texts[key])]))
}

function withoutRule({ setting, problem, remedy }: ConfigError): ConfigError {
  return { setting, problem, remedy }
}

/** One setting by itself, for a command that needs no more. */
export function loadSetting<Key extends ConfigKey>(
  key: Key,
  env: Environment,
): FilesRead<Pick<Config, Key>> {
  return parseSettings([key], (setting) => readInput(setting, env, readSmallFile))
}

/**
 * Reads the files of settings again; a value that did not come from a file stays as it is. Call it when one of the
 * files changes. After an error, continue with the values at hand.
 */
export function rereadSettings<Key extends ConfigKey>(
  keys: readonly Key[],
  config: Config,
  readFile: ReadFile = readSmallFile,
): FilesRead<Pick<Config, Key>> {
  const read = parseSettings(keys, (setting) => {
    const path = config[`${setting.key}File` as ConfigKey] as string | undefined
    return path === undefined ? undefined : readValueFile(setting, path, readFile)
  })
  if (!read.ok) return read
  const value = { ...config, ...read.value }
  const errors = brokenRules(value, new Set()).filter(
    ({ severity, reads }) => severity === 'error' && keys.some((key) => reads.includes(key)),
  )
  if (errors.length > 0) return { ok: false, errors: errors.map(withoutRule) }
  const others = new Set<ConfigKey>(Object.keys(SETTINGS.shape) as ConfigKey[])
  for (const key of keys) others.delete(key)
  return { ok: true, value, warnings: brokenRules(value, others).map(withoutRule) }
}

function parseSettings<Key extends ConfigKey>(
  keys: readonly ConfigKey[],
  read: (setting: Setting) => Input | ConfigError | undefined,
): FilesRead<Pick<Config, Key>> {
  const values: Partial<Record<ConfigKey, unknown>> = {}
  const errors: ConfigError[] = []
  for (const setting of SETTING_LIST.filter(({ key }) => keys.includes(key))) {
    const input = read(setting)
    if (input === undefined) continue
    const parsed = SETTINGS.shape[setting.key].safeParse('problem' in input ? input : input.text)
    values[setting.key] = parsed.data
    if (!parsed.success) errors.push(errorOf(setting, input, parsed.error.issues[0]))
  }
  if (errors.length > 0) return { ok: false, errors }
  return { ok: true, value: values as Pick<Config, Key> }
}

interface Input {
  /** Undefined when the setting is not set. */
  readonly text: string | undefined
  readonly source: Source
}

/** Bytes; no password is longer. */
const LARGEST_SECRET_FILE = 64 * 1024

function readInput(setting: Setting, env: Environment, readFile: ReadFile): Input | ConfigError {
  const { name, fileName } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo === true && (env[lower] ?? '') !== '' ? lower : name
  const text = given(setting, env[variable])
  const path = fileName === undefined ? undefined : env[fileName] || undefined
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
  return { text, source: { from: 'environment', variable } }
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
  const file = readFile(path, LARGEST_SECRET_FILE)
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
  input: Input | ConfigError,
  issue: z.core.$ZodIssue | undefined,
): ConfigError {
  if ('problem' in input) return input
  const { text, source } = input
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
  const variable = source.from === 'environment' ? source.variable : name
  return error(variable, problem, `Write it like ${variable}=${shown}`)
}

function error(setting: string, problem: string, remedy: string): ConfigError {
  return { setting, problem, remedy }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
