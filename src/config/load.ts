import { readTls, type TlsFiles } from './certificates.ts'
import { readSmallFile, shownPath, type ReadFile } from './files.ts'
import { acceptsOf, OFF } from './formats.ts'
import type { SettingProblem } from './problem.ts'
import type { Fact } from '../words/index.ts'
import { brokenRules } from './rules.ts'
import { withoutLogin } from './secret.ts'
import {
  following,
  nameOf,
  SETTING_LIST,
  type Config,
  type Given,
  type Setting,
  type SettingKey,
} from './settings.ts'
import { typingAccident } from './typing.ts'
import { unknownVariables } from './unknown-variables.ts'

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
  /** Errors and warnings. */
  readonly problems: readonly SettingProblem[]
} & (
  | { readonly ok: true; readonly config: Config }
  /** `config`: what could be read all the same. */
  | { readonly ok: false; readonly config: PartialConfig }
)

type PartialConfig = { readonly [Key in keyof Config]?: Config[Key] | undefined }

/** Reads everything that can be set, or says everything that is wrong. Never throws. */
export function loadConfig(env: Environment, readFile: ReadFile = readSmallFile): Loaded {
  const { given, settings, problems, isSet } = readSettings(env, readFile)
  problems.push(...brokenRules(given, isSet))
  const tls = (ca: FileKey, cert?: FileKey, key?: FileKey): TlsFiles => {
    const file = (one?: FileKey) => ({ name: nameOf(one ?? ''), path: one && given[one] })
    const read = readTls({ ca: file(ca), cert: file(cert), key: file(key) }, readFile)
    problems.push(...read.problems)
    return read.tls
  }
  const isalesTls = tls('isalesCaFile', 'isalesClientCertFile', 'isalesClientKeyFile')
  const listenTls = tls('listenClientCaFile', 'listenTlsCertFile', 'listenTlsKeyFile')
  // What holds for the store is read at each connection; here it is only checked.
  tls('sessionStoreCaFile')
  const { sessionStorePasswordFile: password } = given
  const found = password === undefined ? '' : readText(password, readFile)
  if (typeof found === 'object')
    problems.push({ ...found, setting: nameOf('sessionStorePasswordFile') })
  // Node itself obeys this variable, for iSales too.
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    problems.push({ setting: 'NODE_TLS_REJECT_UNAUTHORIZED', code: 'insecure-node', facts: [] })
  problems.push(...unknownVariables(env))

  const isWrong = problems.some(({ isWarning }) => isWarning !== true)
  if (isWrong) return { ok: false, config: { ...given, isalesTls, listenTls }, problems, settings }
  const whole = given as Given
  const config: Config = Object.freeze({ ...whole, ...following(whole), isalesTls, listenTls })
  return { ok: true, config, problems, settings: settings.map((one) => withDefault(one, config)) }
}

type FileKey = Extract<SettingKey, `${string}File`>

/** A default that follows from other settings. */
function withDefault(setting: EffectiveSetting, config: Config): EffectiveSetting {
  const { isalesRefreshPath, allowedPaths } = config
  const followed: Readonly<Record<string, string | undefined>> = {
    ISALES_REFRESH_PATH: isalesRefreshPath,
    ALLOWED_PATHS: allowedPaths.join(','),
  }
  return { ...setting, value: setting.value ?? followed[setting.name] ?? null }
}

/** The values of the settings. What could not be read has none. */
function readSettings(env: Environment, readFile: ReadFile) {
  const values: Record<string, unknown> = {}
  const problems: SettingProblem[] = []
  const set = new Set<string>()
  const settings = SETTING_LIST.map((setting): EffectiveSetting => {
    const { key, name } = setting
    const input = readInput(setting, env, readFile)
    if (input.text !== undefined || input.problem !== undefined) set.add(key)
    const { text = setting.default, file, source } = input
    const { value = null, problem } = input.problem ? input : parse(setting, input, text)
    if (problem !== undefined) problems.push(problem)
    if (file !== undefined) values[`${key}File`] = file
    if (text === undefined || value === null) return { name, value: null, source: 'default' }
    // Only what is set, or has a default, has a key: `off` is undefined.
    values[key] = value === OFF ? undefined : value
    // What takes any text may have been given a URL with a password, such as NO_PROXY.
    return { name, value: setting.redact?.(text) ?? withoutLogin(text), source }
  })
  const isSet = (key: SettingKey): boolean => set.has(key)
  return { given: values as Partial<Given>, settings, problems, isSet }
}

/** Where a value comes from. */
interface Input {
  /** Undefined when the setting is not set, or its file could not be read. */
  readonly text?: string | undefined
  readonly problem?: SettingProblem
  readonly value?: undefined
  readonly source: string
  /** The variable to name when the text is wrong. */
  readonly variable: string
  readonly file?: string
}

/** What an editor, `echo` or Windows adds is no part of a secret. */
const LINE_END = /[\r\n]{1,2}$/

function readInput(setting: Setting, env: Environment, readFile: ReadFile): Input {
  const { name, fileName, verbatim } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo && (env[lower] ?? '') !== '' ? lower : name
  const path = fileName === undefined ? undefined : env[fileName]?.trim() || undefined
  const raw = variable === fileName ? undefined : env[variable]
  const text = verbatim ? raw?.replace(LINE_END, '') : raw?.trim()
  const isSet = text !== undefined && text !== ''
  if (isSet && path !== undefined) {
    const facts = [['otherSetting', fileName ?? '']] as const
    const problem: SettingProblem = { setting: name, code: 'set-twice', facts }
    return { problem, variable, source: 'default' }
  }
  if (path !== undefined && fileName !== undefined) {
    const found = readText(path, readFile)
    const source = `file ${path}`
    if (typeof found === 'string') return { text: found, file: path, variable: fileName, source }
    return { problem: { setting: fileName, ...found }, file: path, variable: fileName, source }
  }
  if (!isSet) return { variable, source: 'default' }
  // Node puts U+FFFD where the environment is not UTF-8. A login with it could only lock the account.
  if (text.includes('\uFFFD'))
    return {
      problem: { setting: variable, code: 'not-utf8', facts: [] },
      variable,
      source: 'default',
    }
  return { text, variable, source: 'environment' }
}

/** Bytes; no password is longer. */
const MAX_SECRET_FILE = 64 * 1024

/** The text of a file without the line end of an editor, or what is wrong with it. */
function readText(path: string, readFile: ReadFile): string | Omit<SettingProblem, 'setting'> {
  const read = readFile(path, MAX_SECRET_FILE)
  const shown = shownPath(path)
  const facts: readonly Fact[] = shown === undefined ? [] : [['file', shown]]
  if (!read.ok) return { code: 'file-unreadable', facts: [...facts, ['detail', read.problem]] }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(read.bytes)
    return text.replace(LINE_END, '') || { code: 'empty-file', facts }
  } catch {
    return { code: 'not-utf8', facts }
  }
}

interface Parsed {
  readonly value?: unknown
  readonly problem?: SettingProblem
}

/** The value of a text, what is wrong with it, or both where it is only doubtful. */
function parse(setting: Setting, { variable, file }: Input, text: string | undefined): Parsed {
  const { name, kind, redact, verbatim, fileName, required } = setting
  const example = `${variable}=${setting.default || setting.example}`
  if (text === undefined) {
    if (!required) return {}
    const facts: Fact[] = [['example', example]]
    if (fileName !== undefined) facts.unshift(['otherSetting', fileName])
    return { problem: { setting: variable, code: 'not-set', facts } }
  }
  const value = setting.parse(text)
  const accident = typingAccident(setting, verbatim ? text : (redact?.(text) ?? text))
  if (value !== null && accident === undefined) return { value }
  // A URL may hold a password, and what was given for a file may be the secret itself.
  const isSecret = redact !== undefined || verbatim || kind === 'file' || text.includes('@')
  const facts: Fact[] = isSecret
    ? []
    : [['found', JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)]]
  if (accident === undefined) facts.push(['accepts', acceptsOf(setting)])
  if (accident === undefined && file === undefined && kind !== 'secret')
    facts.push(['example', example])
  const isNamed = accident === 'own-name' || accident === 'is-path'
  if (accident !== undefined && !isNamed) facts.push(['detail', accident])
  const shown = file && shownPath(file)
  if (shown) facts.push(['file', shown])
  const problem: SettingProblem = {
    setting: accident ? name : variable,
    code: accident === undefined ? 'not-accepted' : isNamed ? accident : 'typing',
    facts,
    isWarning: verbatim && value !== null ? true : undefined,
  }
  return verbatim ? { value, problem } : { problem }
}
