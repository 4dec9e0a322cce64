import type { SettingCode } from '../causes.ts'
import type { Explained } from '../words/index.ts'

/** What is wrong or doubtful with a setting. Its facts hold no secret. */
export interface SettingProblem extends Explained {
  /** The environment variable. */
  readonly setting: string
  readonly code: SettingCode
  /** A warning does not keep the program from starting. Default: an error. */
  readonly isWarning?: true | undefined
}
