import type { Fact } from '../words/index.ts'
import { readTls, type TlsFiles } from './certificates.ts'
import { fileFacts, readSmallFile, type ReadFile } from './files.ts'
import { acceptsOf, OFF } from './formats.ts'
import { brokenRules } from './rules.ts'
import { withoutLogin } from './secret.ts'
import {
  following,
  nameOf,
  SETTING_LIST,
  type Given,
  type Setting,
  type SettingKey,
  type SettingProblem,
} from './settings.ts'
import { unknownVariables } from './unknown-variables.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The whole configuration. Durations are milliseconds, sizes bytes; what is unset and has no default is undefined, and
 * so is `off`. The key `isalesUrl` is read from the variable `ISALES_URL`.
 */
export type Config = Omit<Given, 'allowedPaths'> &
  ReturnType<typeof following> & {
    /** The contents of the files that TLS needs, as they are now. */
    readonly isalesTls: TlsFiles
    readonly listenTls: TlsFiles
  }

/** One setting in force, as it may be shown to anybody who may see the status page. */
export interface EffectiveSetting {
  /** The environment variable. */
  readonly name: string
  /** `[redacted]` for a secret; null when it is not set, or could not be read. */
  readonly value: string | null
  readonly source: 'default' | 'environment' | { readonly file: string }
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
  /** Defaults that follow from other settings. */
  const followed: Readonly<Record<string, string | undefined>> = {
    ISALES_REFRESH_PATH: config.isalesRefreshPath,
    ALLOWED_PATHS: config.allowedPaths.join(','),
  }
  const shown = settings.map(({ name, value, source }) => {
    return { name, value: value ?? followed[name] ?? null, source }
  })
  return { ok: true, config, problems, settings: shown }
}

type FileKey = Extract<SettingKey, `${string}File`>

/** The values of the settings. What could not be read has none. */
function readSettings(env: Environment, readFile: ReadFile) {
  const values: Record<string, unknown> = {}
  const problems: SettingProblem[] = []
  const set = new Set<string>()
  const settings = SETTING_LIST.map((setting): EffectiveSetting => {
    const { key, name } = setting
    const input = readInput(setting, env, readFile)
    const { variable, file, text = setting.default, why } = input
    if (input.text !== undefined || why !== undefined) set.add(key)
    if (file !== undefined) values[`${key}File`] = file
    const { value = null, ...wrong } = why ? { problem: why } : parse(setting, input, text)
    if (wrong.problem) problems.push({ setting: variable, ...wrong.problem })
    if (text === undefined || value === null) return { name, value: null, source: 'default' }
    // Only what is set, or has a default, has a key: `off` is undefined.
    values[key] = value === OFF ? undefined : value
    const source = input.text === undefined ? 'default' : file ? { file } : 'environment'
    // What takes any text may have been given a URL with a password, such as NO_PROXY.
    return { name, value: setting.redact?.(text) ?? withoutLogin(text), source }
  })
  const isSet = (key: SettingKey): boolean => set.has(key)
  return { given: values as Partial<Given>, settings, problems, isSet }
}

type Problem = Omit<SettingProblem, 'setting'> & { readonly setting?: string }

/** What a setting is read from. */
interface Input {
  /** To be named when the text is wrong. */
  readonly variable: string
  /** The path of the file that holds the text. */
  readonly file?: string
  /** Undefined: the setting is not set, or could not be read, and `why` says why. */
  readonly text?: string
  readonly why?: Problem
}

/** What an editor, `echo` or Windows adds is no part of a secret. */
const LINE_END = /[\r\n]{1,2}$/

function readInput(setting: Setting, env: Environment, readFile: ReadFile): Input {
  const { name, fileName, verbatim } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo && (env[lower] ?? '') !== '' ? lower : name
  const file = fileName === undefined ? undefined : env[fileName]?.trim() || undefined
  const raw = variable === fileName ? undefined : env[variable]
  const text = (verbatim ? raw?.replace(LINE_END, '') : raw?.trim()) || undefined
  if (file === undefined || fileName === undefined) {
    // Node puts U+FFFD where the environment is not UTF-8. A login with it could only lock the account.
    if (text?.includes('\uFFFD')) return { variable, why: { code: 'not-utf8', facts: [] } }
    return text === undefined ? { variable } : { variable, text }
  }
  if (text !== undefined)
    return { variable, why: { code: 'set-twice', facts: [['otherSetting', fileName]] } }
  const found = readText(file, readFile)
  const input = { variable: fileName, file }
  return typeof found === 'string' ? { ...input, text: found } : { ...input, why: found }
}

/** Bytes; no password is longer. */
const MAX_SECRET_FILE = 64 * 1024

/** The text of a file without the line end of an editor, or what is wrong with it. */
function readText(path: string, readFile: ReadFile): string | Problem {
  const read = readFile(path, MAX_SECRET_FILE)
  const facts = fileFacts(path)
  if (!read.ok) return { code: 'file-unreadable', facts: [...facts, ['detail', read.problem]] }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(read.bytes)
    return text.replace(LINE_END, '') || { code: 'empty-file', facts }
  } catch {
    return { code: 'not-utf8', facts }
  }
}

/** The value of a text, what is wrong with it, or both where it is only doubtful. */
function parse(
  setting: Setting,
  { variable, file }: Input,
  text: string | undefined,
): { readonly value?: unknown; readonly problem?: Problem | undefined } {
  const { name, kind, redact, verbatim, fileName, required } = setting
  const example: Fact = ['example', `${variable}=${setting.default || setting.example}`]
  if (text === undefined) {
    if (!required) return {}
    const other: readonly Fact[] = fileName === undefined ? [] : [['otherSetting', fileName]]
    return { problem: { code: 'not-set', facts: [...other, example] } }
  }
  const value = setting.parse(text)
  if (value !== null) {
    const doubt = verbatim && typingAccident(name, text)
    if (!doubt) return { value }
    const facts = [...doubt.facts, ...fileFacts(file)]
    return { value, problem: { ...doubt, setting: name, facts, isWarning: true } }
  }
  // A URL may hold a password, and what was given for a file may be the secret itself.
  const isSecret = redact !== undefined || verbatim || kind === 'file' || text.includes('@')
  const facts: Fact[] = [['accepts', acceptsOf(setting)]]
  const found = text.length > 60 ? `${text.slice(0, 60)}…` : text
  if (!isSecret) facts.unshift(['found', JSON.stringify(found)])
  if (file === undefined && kind !== 'secret') facts.push(example)
  return { problem: { code: 'not-accepted', facts: [...facts, ...fileFacts(file)] } }
}

/**
 * What an env file, a copied line or an input method adds to a user or a password. It may be meant so, and one that is
 * wrong costs an attempt to log in.
 */
function typingAccident(name: string, text: string): Problem | undefined {
  const typing = (detail: string) => ({ code: 'typing', facts: [['detail', detail]] }) as const
  if (text.startsWith(`${name}=`)) return { code: 'own-name', facts: [] }
  if (text !== text.trim()) return typing('spaces')
  if (/[\r\n]/.test(text)) return typing('lines')
  if (/^(["'\u2018-\u201f]).*["'\u2018-\u201f]$/su.test(text)) return typing('quotes')
  // Full-width, or invisible.
  if (/[\uff01-\uff5e\u3000\p{Cf}]/u.test(text)) return typing('odd-character')
  return /^(?:\/[\w.-]+){2,}$/.test(text) ? { code: 'is-path', facts: [] } : undefined
}
