import { judgeCertificates } from './certificates.ts'
import { configKey, type CamelCase, type Config, type ConfigKey } from './config.ts'
import type { Fault } from './faults.ts'
import { readSmallFile, type ReadFile } from './files.ts'
import { readSetting, readValueFile, type Environment, type Source } from './read.ts'
import { defaultObsLogin, INSECURE_NODE, RULES } from './rules.ts'
import type { Secret } from './secret.ts'
import { SETTING_LIST, SETTINGS, type SettingName } from './settings.ts'
import { strangers } from './unknown-variables.ts'

export type { Config } from './config.ts'
export type { Environment, Source } from './read.ts'

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
  const certificates = judgeCertificates(config, readFile, Date.now())
  faults.push(
    ...broken.filter((rule) => rule.severity === 'fault').map(bare),
    ...certificates.faults,
    ...(env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? [INSECURE_NODE] : []),
  )
  const warnings = [
    ...broken.filter((rule) => rule.severity === 'warning').map(bare),
    ...certificates.warnings,
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

function bare({ setting, problem, remedy }: Fault): Fault {
  return { setting, problem, remedy }
}

function pathOf(source: Source): string | undefined {
  return source.from === 'file' ? source.path : undefined
}

function fileKey(name: string): ConfigKey {
  return `${configKey(name)}File` as ConfigKey
}
