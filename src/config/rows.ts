import { configKey, type Config } from './config.ts'
import type { Source, Sources } from './load.ts'
import { SETTING_LIST, type SettingName } from './settings.ts'
import type { Group } from './setting.ts'

/** One setting in force, as it may be shown to anybody who may see the status page. */
export interface ConfigRow {
  readonly setting: SettingName
  readonly group: Group
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
  readonly sources: Partial<Sources>
}): readonly ConfigRow[] {
  return SETTING_LIST.map(([setting, { group, kind, default: standard, derived }]) => {
    const value: unknown = config[configKey(setting)]
    const source = sources[setting] ?? { from: 'default' }
    // `off` is undefined too, but then there is a default or a variable.
    const shown = value !== undefined || standard !== undefined || source.from !== 'default'
    const readable = setting in sources
    return {
      setting,
      group,
      value: shown && readable ? kind.format(value) : undefined,
      source,
      default: standard ?? derived?.replaceAll('`', ''),
    }
  })
}

/** `default`, `environment` or `file /path`. */
export function sourceText(source: Source): string {
  return source.from === 'file' ? `file ${source.path}` : source.from
}
