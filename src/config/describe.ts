import type { ConfigError } from './errors.ts'
import type { Source, Sources } from './load.ts'
import { INSECURE_NODE, RULES } from './rules.ts'
import { Secret } from './secret.ts'
import { SETTING_LIST, SETTINGS, variableOf, type Config, type Setting } from './settings.ts'

/** One setting in force, as it may be shown to anybody who may see the status page. */
export interface ConfigRow {
  /** The environment variable. */
  readonly setting: string
  readonly group: string
  /** `[redacted]` for a secret; undefined when it is not set, or could not be read. */
  readonly value: string | undefined
  readonly source: Source
  readonly default: string | undefined
}

/** The configuration in force, in the order of the documentation. */
export function describeConfig({
  config,
  sources,
}: {
  readonly config: Partial<Config>
  readonly sources: Sources
}): readonly ConfigRow[] {
  return SETTING_LIST.map((setting) => ({
    setting: variableOf(setting.key),
    group: setting.group,
    value: setting.key in sources ? valueText(setting, config) : undefined,
    source: sources[setting.key] ?? { from: 'default' },
    default: setting.default ?? setting.derived?.replaceAll('`', ''),
  }))
}

function valueText({ key }: Setting, config: Partial<Config>): string | undefined {
  const value: unknown = config[key]
  if (value instanceof Secret) return String(value)
  return SETTINGS.shape[key].encode(value as never)
}

/** `default`, `environment` or `file /path`. */
export function sourceText(source: Source): string {
  return source.from === 'file' ? `file ${source.path}` : source.from
}

/** The rules between settings, for documents. */
export function describeRules(): readonly (ConfigError & { severity: 'error' | 'warning' })[] {
  return [...RULES, { severity: 'error', ...INSECURE_NODE }]
}
