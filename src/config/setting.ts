import type { Kind } from './kinds.ts'

/** One setting. Its environment name is its key in `SETTINGS`. */
export interface Setting<T = unknown> {
  readonly group: Group
  readonly kind: Kind<T>
  /** What it does and when to change it; for an operator. */
  readonly doc: string
  /** A text that the kind accepts. */
  readonly example: string
  /** The text that stands in for an unset variable. */
  readonly default?: string
  /** The default depends on other settings: in words. */
  readonly derived?: string
  readonly required?: true
  /** `too`: `NAME_FILE` may name a file that holds the value. `only`: the value comes from a file alone. */
  readonly file?: 'too' | 'only'
  /** The lower-case name is read too, and wins, as with curl. */
  readonly lowerCaseToo?: true
}

/** The tables of docs/configuration.md, in order. */
export const GROUPS = {
  isales: 'CC-iSales',
  token: 'Token life',
  listener: 'Listener',
  obs: 'CTI-OBS',
  admin: 'Metrics, health and log',
} as const
export type Group = keyof typeof GROUPS
