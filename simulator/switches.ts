/** How an attempt that is refused is answered: an HTTP status, or 200 with `rejectionResult`. */
export type Refusal = number | 'result'

/**
 * Everything that the published interface leaves open, and what a test wants to vary. Changed at run time
 * with `set`. Times are seconds, as in the interface, unless the name says otherwise.
 */
export interface Switches {
  readonly user: string
  readonly password: string
  /** Sent as `tokenExpirationTime`, whatever it is: `300`, `"300"`, `"soon"`, `null`, `0`, `-5`, `1e12`. */
  readonly tokenLifetime: unknown
  /** How long a token really lives; null: as long as was said, or 300 s when that cannot be read. */
  readonly tokenLives: number | null
  readonly refreshLifetime: unknown
  readonly refreshLives: number | null
  /** Members left out of every answer, such as `refreshToken` or `resultData`. */
  readonly omit: readonly string[]
  readonly resultAs: 'number' | 'string'
  /** The answer to a business call without a good token. */
  readonly rejection: Refusal
  readonly loginRejection: Refusal
  readonly refreshRejection: Refusal
  /** The `result` of a refusal that is a 200. */
  readonly rejectionResult: unknown
  /** Which header field and which token a business call must carry, unless the next two say otherwise. */
  readonly edition: 'english' | 'chinese'
  /** Header fields, any of which may carry the token; null: as the edition says. */
  readonly acceptHeaders: readonly string[] | null
  readonly businessToken: 'token' | 'refreshToken' | null
  /** Before the token in the field value; may be empty. */
  readonly scheme: string
  /** True: a refresh must carry a good token in `Authentication`, too. */
  readonly refreshHeader: boolean
  /** True: a refresh token can be used once, and the answer holds the next. */
  readonly rotate: boolean
  /** True: a refresh ends the token that it replaces at once. */
  readonly refreshEndsOld: boolean
  /** True: a login ends every earlier session. */
  readonly singleSession: boolean
  /**
   * What a login answers while the user's token is good: a new one (`off`), or the same one with its life begun anew
   * (`extended`), with what is left of it (`remaining`), or with a full life that is not true (`unextended`).
   */
  readonly sameToken: 'off' | 'extended' | 'remaining' | 'unextended'
  /** Wrong passwords in a row that lock the account; 0 = never. */
  readonly lockAfter: number
  /** True: `business/interface` answers URLs where it otherwise answers paths. */
  readonly absoluteUrls: boolean
  /** True: business answers hold the token in a header field and in the body. */
  readonly echoToken: boolean
  /** Milliseconds before each answer. */
  readonly latency: number
  readonly gzip: 'off' | 'accepted' | 'always'
  /** Milliseconds that an idle connection is kept. */
  readonly keepAlive: number
}

export const DEFAULT_SWITCHES: Switches = {
  user: 'obs',
  password: 'simulated-password',
  tokenLifetime: 300,
  tokenLives: null,
  refreshLifetime: 3600,
  refreshLives: null,
  omit: [],
  resultAs: 'number',
  rejection: 401,
  loginRejection: 403,
  refreshRejection: 403,
  rejectionResult: 7,
  edition: 'english',
  acceptHeaders: null,
  businessToken: null,
  scheme: 'Bearer',
  refreshHeader: true,
  rotate: false,
  refreshEndsOld: false,
  singleSession: false,
  sameToken: 'off',
  lockAfter: 5,
  absoluteUrls: false,
  echoToken: false,
  latency: 0,
  gzip: 'off',
  keepAlive: 5000,
}

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isAmount: Check = (value) => typeof value === 'number' && value >= 0
const isAnything: Check = () => true
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText)
const isRefusal: Check = (value) =>
  value === 'result' || (Number.isInteger(value) && Number(value) >= 400 && Number(value) <= 599)
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const oneOf =
  (...choices: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && choices.includes(value)

const CHECKS: Readonly<Record<keyof Switches, Check>> = {
  user: isText,
  password: isText,
  tokenLifetime: isAnything,
  tokenLives: orNull(isAmount),
  refreshLifetime: isAnything,
  refreshLives: orNull(isAmount),
  omit: isTexts,
  resultAs: oneOf('number', 'string'),
  rejection: isRefusal,
  loginRejection: isRefusal,
  refreshRejection: isRefusal,
  rejectionResult: isAnything,
  edition: oneOf('english', 'chinese'),
  acceptHeaders: orNull(isTexts),
  businessToken: orNull(oneOf('token', 'refreshToken')),
  scheme: isText,
  refreshHeader: isFlag,
  rotate: isFlag,
  refreshEndsOld: isFlag,
  singleSession: isFlag,
  sameToken: oneOf('off', 'extended', 'remaining', 'unextended'),
  lockAfter: isAmount,
  absoluteUrls: isFlag,
  echoToken: isFlag,
  latency: isAmount,
  gzip: oneOf('off', 'accepted', 'always'),
  keepAlive: isAmount,
}

/** @throws {TypeError} when a name is not a switch or a value is none of its values. */
export function checkSwitches(changes: Readonly<Record<string, unknown>>): Partial<Switches> {
  for (const [name, value] of Object.entries(changes)) {
    if (!isSwitch(name)) throw new TypeError(`${name} is not a switch`)
    if (!CHECKS[name](value)) throw new TypeError(`${name} cannot be ${JSON.stringify(value)}`)
  }
  return changes
}

function isSwitch(name: string): name is keyof Switches {
  return Object.hasOwn(CHECKS, name)
}

/** Seconds that a lifetime as sent really lasts: what it says when it can be read, else 300. */
export function trueLife(said: unknown, lives: number | null): number {
  if (lives !== null) return lives
  const seconds = typeof said === 'string' && said.trim() !== '' ? Number(said) : said
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : 300
}
