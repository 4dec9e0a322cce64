import type { Fault } from './faults.ts'
import { FILE_PROBLEMS, type ReadFile } from './files.ts'
import { problemOf } from './kinds.ts'
import type { Setting } from './setting.ts'
import { SETTINGS, type SettingName } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a value came from. */
export type Source =
  | { readonly from: 'default' }
  | { readonly from: 'environment'; readonly variable: string }
  | { readonly from: 'file'; readonly path: string }

/** Bytes; no password is longer. */
const LARGEST_SECRET_FILE = 64 * 1024

export interface Read {
  readonly value: unknown
  readonly source: Source
}

export interface Surroundings {
  readonly env: Environment
  readonly readFile: ReadFile
}

export function readSetting(
  name: SettingName,
  setting: Setting,
  { env, readFile }: Surroundings,
): Read | Fault {
  const lower = name.toLowerCase()
  const variable = setting.lowerCaseToo === true && (env[lower] ?? '') !== '' ? lower : name
  const text = given(setting, env[variable])
  const path = setting.file === undefined ? undefined : env[`${name}_FILE`] || undefined
  if (text !== undefined && setting.file === 'only') {
    return fault(name, 'is read from a file only', `Unset it and set ${name}_FILE`)
  }
  if (text !== undefined && path !== undefined) {
    return fault(name, `and ${name}_FILE are both set`, 'Unset one of them')
  }
  if (path !== undefined) return readValueFile(name, path, readFile)
  if (text !== undefined) return parse(name, text, { from: 'environment', variable })
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
  const setting =
    source.from === 'file' ? `${name}_FILE` : source.from === 'environment' ? source.variable : name
  const held = source.from === 'file' ? 'holds a value that ' : ''
  const remedy = source.from === 'file' ? 'Correct the file' : `Write it like ${setting}=${example}`
  return fault(setting, `${held}${problemOf(outcome.error)}${quoted}`, remedy)
}

/** The path is never repeated: a password given where its file was asked for would be printed. */
export function readValueFile(name: SettingName, path: string, readFile: ReadFile): Read | Fault {
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

function fault(setting: string, problem: string, remedy: string): Fault {
  return { setting, problem, remedy }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
