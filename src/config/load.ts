import type { SettingCode } from '../codes.ts'
import type { Fact } from '../messages/index.ts'
import { readTls, type TlsFiles } from './certificates.ts'
import { fileFacts, readSmallFile, type ReadFile } from './files.ts'
import { formatAccepted, isShown } from './formats.ts'
import { ruleViolations } from './rules.ts'
import { withoutLogin } from './secret.ts'
import {
  derivedSettings,
  toVariable,
  SETTING_LIST,
  type ParsedSettings,
  type Setting,
  type SettingKey,
  type SettingProblem,
} from './settings.ts'
import { unknownVariables } from './unknown-variables.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** All settings. Durations are in milliseconds, sizes in bytes. One that is `off`, or unset without a default, is undefined. */
export type Config = Omit<ParsedSettings, 'allowedPaths'> &
  ReturnType<typeof derivedSettings> & {
    readonly isalesTls: TlsFiles
    readonly listenTls: TlsFiles
  }

/** A setting in force. Its value contains no secret, and is null if it is unset or unreadable. */
interface EffectiveSetting {
  readonly name: string
  readonly value: string | null
  readonly source: 'default' | 'environment' | { readonly file: string }
}

export type Loaded = {
  readonly settings: readonly EffectiveSetting[]
  readonly problems: readonly SettingProblem[]
} & (
  | { readonly ok: true; readonly config: Config }
  /** `config` has the settings that could be read. */
  | {
      readonly ok: false
      readonly config: { readonly [Key in keyof Config]?: Config[Key] | undefined }
    }
)

/** Reads every setting, and reports all problems at once. Never throws. */
export function loadConfig(env: Environment, readFile: ReadFile = readSmallFile): Loaded {
  const { given, settings, problems, set } = readSettings(env, readFile)
  problems.push(...ruleViolations(given, (key) => set.has(key)))
  const tls = (ca: FileKey, cert?: FileKey, key?: FileKey): TlsFiles => {
    const file = (one?: FileKey) => ({ name: toVariable(one ?? ''), path: one && given[one] })
    return readTls({ ca: file(ca), cert: file(cert), key: file(key) }, readFile, problems)
  }
  const isalesTls = tls('isalesCaFile', 'isalesClientCertFile', 'isalesClientKeyFile')
  const listenTls = tls('listenClientCaFile', 'listenTlsCertFile', 'listenTlsKeyFile')
  // The store's files are read at every connection; here they are only checked.
  tls('sessionStoreCaFile')
  const { sessionStorePasswordFile: password } = given
  const { problem } = password === undefined ? {} : readText(password, readFile)
  if (problem) problems.push({ ...problem, setting: 'SESSION_STORE_PASSWORD_FILE' })
  // Node itself obeys this variable, also for iSales.
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    problems.push({ setting: 'NODE_TLS_REJECT_UNAUTHORIZED', code: 'insecure-node', facts: [] })
  problems.push(...unknownVariables(env))

  const isWrong = problems.some(({ isWarning }) => isWarning !== true)
  if (isWrong) return { ok: false, config: { ...given, isalesTls, listenTls }, problems, settings }
  const whole = given as ParsedSettings
  const derived = derivedSettings(whole)
  const config: Config = Object.freeze({ ...whole, ...derived, isalesTls, listenTls })
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

/** Reads the values of all settings. A setting that could not be read has no value. */
function readSettings(env: Environment, readFile: ReadFile) {
  const values: Record<string, unknown> = {}
  const problems: SettingProblem[] = []
  const set = new Set<string>()
  const settings = SETTING_LIST.map((setting): EffectiveSetting => {
    const { key, name } = setting
    const input = readInput(setting, env, readFile)
    const { variable, file, text = setting.default, problem } = input
    if (input.text !== undefined || problem !== undefined) set.add(key)
    if (file !== undefined) values[`${key}File`] = file
    const parsed = problem ? { problem } : parse(setting, input, text)
    if (parsed.problem) problems.push({ setting: variable, ...parsed.problem })
    if (text === undefined || !('value' in parsed)) return { name, value: null, source: 'default' }
    // `off` is a key with the value undefined; an unset setting without a default has no key.
    values[key] = parsed.value
    const source = input.text === undefined ? 'default' : file ? { file } : 'environment'
    // A setting that accepts any text, such as NO_PROXY, may contain a URL with a password.
    return { name, value: setting.redact?.(text) ?? withoutLogin(text), source }
  })
  return { given: values as Partial<ParsedSettings>, settings, problems, set }
}

type Problem = Omit<SettingProblem, 'setting'> & { readonly setting?: string }

interface Input {
  /** Variable to name if the text is invalid. */
  readonly variable: string
  readonly file?: string
  /** Undefined if the setting is unset, or could not be read because of `problem`. */
  readonly text?: string | undefined
  readonly problem?: Problem
}

/** Line end that an editor, `echo` or Windows adds to a secret. */
const LINE_END = /[\r\n]{1,2}$/

function readInput(setting: Setting, env: Environment, readFile: ReadFile): Input {
  const { name, fileName, verbatim } = setting
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo && (env[lower] ?? '') !== '' ? lower : name
  const file = fileName === undefined ? undefined : env[fileName]?.trim() || undefined
  const raw = variable === fileName ? undefined : env[variable]
  const text = (verbatim ? raw?.replace(LINE_END, '') : raw?.trim()) || undefined
  if (file === undefined || fileName === undefined) {
    // Node replaces bytes that are not UTF-8 by U+FFFD. A login with such a password could only lock the account.
    if (text?.includes('\uFFFD')) return { variable, problem: { code: 'not-utf8', facts: [] } }
    return { variable, text }
  }
  if (text !== undefined)
    return { variable, problem: { code: 'set-twice', facts: [['otherSetting', fileName]] } }
  return { variable: fileName, file, ...readText(file, readFile) }
}

/** Returns the text of a file of at most 64 KiB without an editor's line end, or the problem with the file. */
function readText(path: string, readFile: ReadFile): Pick<Input, 'text' | 'problem'> {
  const read = readFile(path, 64 * 1024)
  const failed = (code: SettingCode, ...facts: readonly Fact[]) => {
    return { problem: { code, facts: [...fileFacts(path), ...facts] } }
  }
  if (typeof read === 'string') return failed('file-unreadable', ['detail', read])
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(read).replace(LINE_END, '')
    return text === '' ? failed('empty-file') : { text }
  } catch {
    return failed('not-utf8')
  }
}

/** Returns the value of a text, its problem, or both if the problem is only a warning. */
function parse(
  setting: Setting,
  { variable, file }: Input,
  text: string | undefined,
): { readonly value?: unknown; readonly problem?: Problem | undefined } {
  const { name, kind, verbatim, fileName, required } = setting
  const example: Fact = ['example', `${variable}=${setting.default || setting.example}`]
  if (text === undefined) {
    if (!required) return {}
    const other: readonly Fact[] = fileName === undefined ? [] : [['otherSetting', fileName]]
    return { problem: { code: 'not-set', facts: [...other, example] } }
  }
  const value = setting.parse(text)
  if (value !== null) {
    const doubt = verbatim && detectPasteError(name, text)
    if (!doubt) return { value }
    const facts = [...doubt.facts, ...fileFacts(file)]
    return { value, problem: { ...doubt, setting: name, facts, isWarning: true } }
  }
  const facts: Fact[] = [...foundFacts(setting, text), ['accepts', formatAccepted(setting)]]
  const isUnitMissing = kind === 'duration' && setting.parse(`${text}ms`) !== null
  if (isUnitMissing) facts.push(['detail', 'no-unit'], ['meant', `${text}ms`])
  else if (file === undefined && kind !== 'secret') facts.push(example)
  return { problem: { code: 'not-accepted', facts: [...facts, ...fileFacts(file)] } }
}

/** A token or a password, but no host, path or number: 16 characters with a digit between separators. */
const OPAQUE = /(?=[^\s.:/,-]*\d)(?=[^\s.:/,-]*[a-z])[^\s.:/,-]{16,}/i

/** Describes an invalid value. Shows it only if its setting contains no secret, and the value does not resemble one. */
function foundFacts({ kind, redact }: Setting, text: string): readonly Fact[] {
  const isOpaque = OPAQUE.test(text)
  const isHarmless = isShown(kind) && redact === undefined && !isOpaque && !text.includes('@')
  if (isHarmless && text.length <= 60) return [['found', JSON.stringify(text)]]
  const length: Fact = ['foundLength', Array.from(text).length]
  if (/[\r\n]/.test(text)) return [length, ['detail', 'lines']]
  if (kind === 'proxy-url' && /[?#]/.test(text)) return [length, ['detail', 'unencoded']]
  return isOpaque && kind !== 'secret' ? [length, ['detail', 'opaque']] : [length]
}

/** Detects what an env file, a pasted line or an input method adds to a user or a password. It may be intended. */
export function detectPasteError(name: string, text: string): Problem | undefined {
  const typing = (detail: string) => ({ code: 'typing', facts: [['detail', detail]] }) as const
  if (text.startsWith(`${name}=`)) return { code: 'own-name', facts: [] }
  if (text !== text.trim()) return typing('spaces')
  if (/[\r\n]/.test(text)) return typing('lines')
  if (/^(["'\u2018-\u201f]).*["'\u2018-\u201f]$/su.test(text)) return typing('quotes')
  if (/\s#/.test(text)) return typing('comment')
  // Full-width or invisible characters.
  if (/[\uff01-\uff5e\u3000\p{Cf}]/u.test(text)) return typing('odd-character')
  return /^(?:\/[\w.-]+){2,}$/.test(text) ? { code: 'is-path', facts: [] } : undefined
}
