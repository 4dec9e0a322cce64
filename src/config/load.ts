import { configKey, type CamelCase, type Config, type ConfigKey } from './config.ts'
import type { Fault } from './faults.ts'
import { FILE_PROBLEMS, readSmallFile, type ReadFile } from './files.ts'
import { problemOf } from './kinds.ts'
import { defaultObsLogin, RULES } from './rules.ts'
import type { Secret } from './secret.ts'
import type { Setting } from './setting.ts'
import { SETTING_LIST, SETTINGS, type SettingName } from './settings.ts'
import { strangers } from './strangers.ts'

export type { Config } from './config.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a value came from. */
export type Source =
  | { readonly from: 'default' }
  | { readonly from: 'environment'; readonly variable: string }
  | { readonly from: 'file'; readonly path: string }

export type Sources = Readonly<Record<SettingName, Source>>

export type Loaded =
  | {
      readonly ok: true
      readonly config: Config
      readonly sources: Sources
      readonly warnings: readonly Fault[]
    }
  | {
      readonly ok: false
      readonly faults: readonly Fault[]
      readonly warnings: readonly Fault[]
      /** What could be read all the same. */
      readonly config: Partial<Config>
      readonly sources: Partial<Sources>
    }

/** Bytes; no password is longer. */
const LARGEST_SECRET_FILE = 64 * 1024

/** Reads everything that can be set, or says everything that is wrong. Never throws. */
export function loadConfig(env: Environment, readFile: ReadFile = readSmallFile): Loaded {
  const values: Partial<Record<ConfigKey, unknown>> = {}
  const sources: Partial<Record<SettingName, Source>> = {}
  const faults: Fault[] = []
  const faulty = new Set<ConfigKey>()
  for (const [name, setting] of SETTING_LIST) {
    const outcome = readSetting(name, setting, { env, readFile })
    const key: ConfigKey = configKey(name)
    if ('problem' in outcome) {
      faults.push(outcome)
      faulty.add(key)
      continue
    }
    values[key] = outcome.value
    sources[name] = outcome.source
    if (setting.file !== undefined) values[fileKey(name)] = pathOf(outcome.source)
  }
  // Rules skip what is missing here: each names the settings that it reads.
  const config = values as Config
  if (faulty.has('listen') && config.obsLogin === undefined) faulty.add('obsLogin')
  else values.obsLogin ??= defaultObsLogin(config.listen)
  const broken = RULES.filter((rule) => {
    return !rule.reads.some((key) => faulty.has(key)) && rule.broken(config)
  })
  faults.push(...broken.filter((rule) => rule.severity === 'fault').map(bare), ...judge(env))
  const warnings = [
    ...broken.filter((rule) => rule.severity === 'warning').map(bare),
    ...strangers(Object.keys(env)),
  ]
  if (faults.length > 0) return { ok: false, faults, warnings, config, sources }
  return { ok: true, config: Object.freeze(config), sources: sources as Sources, warnings }
}

/** The user and password as they are now, from the files they came from. */
export type CredentialsRead =
  | { readonly ok: true; readonly user: string; readonly password: Secret }
  | { readonly ok: false; readonly fault: Fault }

/**
 * Reads the login's secret files anew; what did not come from a file stays as it is.
 * Call it when `watchFiles` reports a change; on a fault go on with the credentials at hand.
 */
export function readCredentials(
  config: Config,
  readFile: ReadFile = readSmallFile,
): CredentialsRead {
  const user = reread('ISALES_USER', config.isalesUserFile, config.isalesUser, readFile)
  if ('problem' in user) return { ok: false, fault: user }
  const password = reread(
    'ISALES_PASSWORD',
    config.isalesPasswordFile,
    config.isalesPassword,
    readFile,
  )
  if ('problem' in password) return { ok: false, fault: password }
  return { ok: true, user: user.value, password: password.value }
}

function reread<T>(
  name: SettingName,
  path: string | undefined,
  present: T,
  readFile: ReadFile,
): { readonly value: T } | Fault {
  if (path === undefined) return { value: present }
  return readValueFile(name, path, readFile) as { readonly value: T } | Fault
}

/** One setting by itself, for a command that needs no more. */
export function loadSetting<Name extends SettingName>(
  name: Name,
  env: Environment,
):
  | { readonly ok: true; readonly value: Config[CamelCase<Name>] }
  | { readonly ok: false; readonly fault: Fault } {
  const outcome = readSetting(name, SETTINGS[name], { env, readFile: readSmallFile })
  if ('problem' in outcome) return { ok: false, fault: outcome }
  return { ok: true, value: outcome.value as Config[CamelCase<Name>] }
}

interface Read {
  readonly value: unknown
  readonly source: Source
}

interface Surroundings {
  readonly env: Environment
  readonly readFile: ReadFile
}

function readSetting(
  name: SettingName,
  setting: Setting,
  { env, readFile }: Surroundings,
): Read | Fault {
  const variable =
    setting.lowerCaseToo === true && (env[name.toLowerCase()] ?? '') !== ''
      ? name.toLowerCase()
      : name
  const text = given(setting, env[variable])
  const path = setting.file === undefined ? undefined : env[`${name}_FILE`] || undefined
  if (text !== undefined && setting.file === 'only') {
    return fault(name, 'is read from a file only', `Unset it and set ${name}_FILE`)
  }
  if (text !== undefined && path !== undefined) {
    return fault(name, `and ${name}_FILE are both set`, 'Unset one of them')
  }
  if (path !== undefined) return readValueFile(name, path, readFile)
  if (text !== undefined) {
    return parse(name, text, { from: 'environment', variable })
  }
  if (setting.default !== undefined) return parse(name, setting.default, { from: 'default' })
  if (setting.required !== true) return { value: undefined, source: { from: 'default' } }
  const also = setting.file === 'too' ? `, or ${name}_FILE to a file that holds it` : ''
  return fault(name, 'is not set', `Set it${also}, for example ${name}=${setting.example}`)
}

/** The text as it counts; undefined when the variable is not set. */
function given({ kind }: Setting, raw: string | undefined): string | undefined {
  if (raw === undefined) return undefined
  const text = kind.verbatim === true ? withoutLineEnd(raw) : raw.trim()
  return text === '' && kind.emptyIsValue !== true ? undefined : text
}

/** An editor's or `echo`'s line end is no part of a secret. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '')
}

function parse(name: SettingName, text: string, source: Source): Read | Fault {
  const { kind, example }: Setting = SETTINGS[name]
  // Node puts U+FFFD where the environment is not UTF-8; a login with it could only lock the account.
  if (source.from === 'environment' && text.includes('\uFFFD')) {
    return fault(source.variable, 'is not valid UTF-8', 'Write it in UTF-8')
  }
  const outcome = kind.schema.safeParse(text)
  if (outcome.success) return { value: outcome.data, source }
  const quoted = kind.quotable ? ` (it is ${quote(text)})` : ''
  const setting = source.from === 'file' ? `${name}_FILE` : name
  const held = source.from === 'file' ? 'holds a value that ' : ''
  const remedy = source.from === 'file' ? 'Correct the file' : `Write it like ${name}=${example}`
  return fault(setting, `${held}${problemOf(outcome.error)}${quoted}`, remedy)
}

/** The path is never repeated: a password given where its file was asked for would be printed. */
function readValueFile(name: SettingName, path: string, readFile: ReadFile): Read | Fault {
  const file = readFile(path, LARGEST_SECRET_FILE)
  const setting = `${name}_FILE`
  if (!file.ok) {
    const limit = file.problem === 'too-large' ? ' (over 64KiB)' : ''
    return fault(
      setting,
      `${FILE_PROBLEMS[file.problem]}${limit}`,
      `Give the path of a file that this user may read and that holds the value alone`,
    )
  }
  const text = decode(file.bytes)
  if (text === undefined) {
    return fault(setting, 'names a file that is not UTF-8 text', 'Write the value in UTF-8')
  }
  if (text === '') return fault(setting, 'names an empty file', 'Put the value into it')
  return parse(name, text, { from: 'file', path })
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return withoutLineEnd(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** What the environment says to Node rather than to us. */
function judge(env: Environment): readonly Fault[] {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return []
  return [
    fault(
      'NODE_TLS_REJECT_UNAUTHORIZED',
      'is 0, which accepts any certificate',
      'Unset it, and trust your own authority with ISALES_CA_FILE',
    ),
  ]
}

function fault(setting: string, problem: string, remedy: string): Fault {
  return { setting, problem, remedy }
}

function bare({ setting, problem, remedy }: Fault): Fault {
  return { setting, problem, remedy }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function pathOf(source: Source): string | undefined {
  return source.from === 'file' ? source.path : undefined
}

function fileKey(name: string): ConfigKey {
  return `${configKey(name)}File` as ConfigKey
}
