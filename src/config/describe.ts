import { INSECURE_NODE, RULES, type Rule } from './rules.ts'
import { GROUPS, type Group } from './setting.ts'
import { SETTING_LIST } from './settings.ts'

/** One setting as plain data, for documents and charts. */
export interface SettingDescription {
  /** The environment variable; undefined when the value comes from a file alone. */
  readonly name: string | undefined
  /** The variable that may name a file with the value. */
  readonly fileName: string | undefined
  readonly group: Group
  readonly type: string
  readonly limits: string
  readonly choices: readonly string[] | undefined
  readonly secret: boolean
  readonly required: boolean
  /** The text of the default; in words when it depends on other settings. */
  readonly default: string | undefined
  readonly defaultIsWords: boolean
  readonly doc: string
  readonly example: string
}

/** What each group is called, in order. */
export function describeGroups(): readonly (readonly [Group, string])[] {
  return Object.entries(GROUPS) as [Group, string][]
}

export function describeSettings(): readonly SettingDescription[] {
  return SETTING_LIST.map(([name, setting]) => {
    const { kind, file } = setting
    return {
      name: file === 'only' ? undefined : name,
      fileName: file === undefined ? undefined : `${name}_FILE`,
      group: setting.group,
      type: kind.type,
      limits: kind.limits,
      choices: kind.choices,
      secret: kind.type === 'secret' || kind.type === 'proxy URL',
      required: setting.required === true,
      default: setting.default ?? setting.derived,
      defaultIsWords: setting.derived !== undefined,
      doc: setting.doc,
      example: setting.example,
    }
  })
}

export type RuleDescription = Pick<Rule, 'setting' | 'severity' | 'problem' | 'remedy'>

/** The rules that more than one variable has to keep. */
export function describeRules(): readonly RuleDescription[] {
  const rules = RULES.map(({ setting, severity, problem, remedy }) => {
    return { setting, severity, problem, remedy }
  })
  return [...rules, { severity: 'fault', ...INSECURE_NODE }]
}
