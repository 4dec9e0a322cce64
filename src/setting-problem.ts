/** What is wrong or doubtful with a setting, as data: `words` makes a sentence of it. Holds no secret. */
export interface SettingProblem {
  /** The environment variable. */
  readonly setting: string
  readonly code: SettingProblemCode
  /** A warning does not keep the program from starting. Default: an error. */
  readonly isWarning?: true | undefined
  /** What was found: the text, where it may be shown, a date or a code. */
  readonly found?: string | undefined
  /** What is accepted: the choices, or another setting. */
  readonly accepted?: string | undefined
  readonly range?: Range | undefined
  /** An assignment to copy. */
  readonly example?: string | undefined
  /** The file that holds the value. */
  readonly file?: string | undefined
}

/** The limits of a number, as texts, and what each unit counts. */
export interface Range {
  readonly min: string
  readonly max: string
  /** From the smallest to the largest. A number without a unit counts in the one named ''. */
  readonly units: Readonly<Record<string, number>>
}

/** Formats of values. A problem with the code of a format: the text is no such value. */
export type Kind = NumberKind | AddressKind | PathKind | TextKind
type NumberKind = 'count' | 'duration' | 'size'
type AddressKind = 'address' | 'origin' | 'proxy-url' | 'store-url' | HostKind
type HostKind = 'client-names' | 'host-names' | 'hosts' | 'server-name'
type PathKind = 'file' | 'path' | 'paths'
type TextKind = 'choice' | 'rejections' | 'secret' | 'token-header' | 'user'

export type SettingProblemCode = Kind | TypingAccident | FileProblem | CertificateProblem | Other

/** What an env file, a copied line or an input method adds to a value. */
export type TypingAccident =
  | 'own-name'
  | 'spaces'
  | 'lines'
  | 'quotes'
  | 'odd-character'
  | 'is-path'

/** Why a file gave nothing. */
export type FileProblem = 'missing' | 'denied' | 'unreadable' | 'no-file' | 'too-large' | NoText
type NoText = 'empty-file' | 'not-text'

export type CertificateProblem = NoPem | 'other-key' | 'weak-certificate' | 'ended' | 'not-begun'
type NoPem = 'no-certificate' | 'no-key' | 'encrypted-key'

type Other = 'not-set' | 'set-twice' | 'not-utf8' | 'unknown' | RuleProblem

/** Rules between settings. */
export type RuleProblem = IsalesRule | StoreRule | ListenRule | 'without' | 'weak'
type IsalesRule = 'plain-http' | 'plain-http-allowed' | 'itself' | 'unused-for-http' | PathRule
type PathRule = 'same-path' | 'no-refresh-path' | 'other-paths' | 'insecure-node'
type StoreRule = 'store-without-tls' | 'plain-store'
type ListenRule = 'same-port' | OpenRule | 'plain-listen' | 'long-deadline'
type OpenRule = 'open' | 'open-allowed' | 'any-client'
