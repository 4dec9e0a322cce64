import type { SettingWords } from './config-error.ts'
import { REDACTED, Secret } from './secret.ts'

/** In the language of whoever reads it. */
export type Wording = (words: SettingWords) => string

/** What is wrong with a text: completes `NAME ...`, and never repeats the text. */
export type Problem = (wrong: SettingWords['wrong']) => string

/** How a value is written in the environment. */
export interface Format<T = unknown> {
  /** For tables: `duration`, `size`, `list of header names`. */
  readonly type: Wording
  /** What is accepted, for tables; empty when the type says it all. */
  readonly limits: Wording
  /** An error repeats the text. Otherwise the text may hold a secret. */
  readonly quotable?: boolean | undefined
  /** The value is, or may hold, a secret: what may be shown of its text. */
  readonly redact?: (text: string) => string
  /** The value in the largest unit that fits, where a text may have another one. */
  readonly inUnits?: ((value: number) => string) | undefined
  /** The closed set of texts, if there is one. */
  readonly choices?: readonly string[] | undefined
  /** An empty text is a value of its own, not an unset variable. */
  readonly emptyIsValue?: boolean
  /** Spaces and line ends around the text belong to it. */
  readonly verbatim?: true
  /** Of a number: its limits, whether 0 is accepted below them, and what each unit counts. */
  readonly range?: {
    readonly min: number
    readonly max: number
    readonly zero: boolean
    readonly units: Readonly<Record<string, number>>
  }
  /** @throws FormatError */
  readonly read: (text: string) => T
}

/** Thrown where a text cannot be read. */
export class FormatError extends Error {
  readonly problem: Problem
  /** Fits the mistake, and is shown in place of the setting's own example. */
  readonly example: string | undefined

  constructor(problem: Problem, example?: string) {
    super()
    this.problem = problem
    this.example = example
  }
}

/** The value of a text, or what is wrong with it. */
export function readText<T>(format: Format<T>, text: string): T | FormatError {
  try {
    return format.read(text)
  } catch (error) {
    if (error instanceof FormatError) return error
    throw error
  }
}

/** @throws FormatError */
export function check(sound: boolean, problem: Problem, example?: string): asserts sound {
  if (!sound) throw new FormatError(problem, example)
}

type More = Omit<Partial<Format>, 'read' | 'type'>

/** The types that have a name. */
type Type = {
  [Name in keyof SettingWords['types']]: SettingWords['types'][Name] extends string ? Name : never
}[keyof SettingWords['types']]

/** @param read may throw what `check` throws. */
export function format<T>(type: Type, read: (text: string) => T, more: More = {}): Format<T> {
  const limits: Wording = (words) => {
    const fixed: Partial<Readonly<Record<Type, string>>> = words.limits.of
    return fixed[type] ?? ''
  }
  return { type: ({ types }) => types[type], limits, ...more, read }
}

/** A format of ASCII whose texts may be shown: none of them holds a secret. */
export function quotable<T>(type: Type, read: (text: string) => T, more?: More): Format<T> {
  const readTyped = (text: string): T => {
    checkTyped(text, text.replace(QUOTES, '').normalize('NFKC'))
    return read(text)
  }
  return format(type, readTyped, { quotable: true, ...more })
}

const QUOTES = /["'`\u2018-\u201f]/gu

/** Names a character that an env file or an input method has put where ASCII without quotes belongs. */
export function checkTyped(text: string, example?: string): void {
  for (const odd of text) {
    const number = numberOf(odd)
    check(!odd.match(QUOTES), (is) => is.quotes(odd, number), example)
    const plain = odd.normalize('NFKC')
    const isTyped = plain !== odd && plain.trim() !== ''
    check(!isTyped, (is) => is.otherWidth(JSON.stringify(odd), number, plain), example)
  }
}

/** The problem with a whole text in quotes, as an env file may have it; undefined: it is not. */
export function quotesAround(text: string): Problem | undefined {
  const [quote] = /^["'](?=.*["']$)/s.exec(text) ?? []
  return quote === undefined ? undefined : (is) => is.quotes(quote, numberOf(quote))
}

/** `U+FF1A` */
export function numberOf(character: string): string {
  return `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`
}

/** Texts of the format. */
interface Limits {
  readonly min: string
  readonly max: string
  /** 0 is accepted although it is below `min`: it turns off what is limited. Default: false. */
  readonly zero?: boolean
}

interface Numeric {
  readonly type: Type
  /** From the smallest to the largest. A number without a unit counts in the one named ''. */
  readonly units: Readonly<Record<string, number>>
  readonly malformed: Problem
  /** What to say of a number that is not whole in the smallest unit. Default: it may be any. */
  readonly tooFine?: Problem
  readonly inUnits?: (value: number) => string
}

/** Numbers of a smallest unit, written with larger ones. */
function numeric(given: Limits, { type, units, inUnits, ...problems }: Numeric): Format<number> {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)(${Object.keys(units).join('|')})$`)
  const read = (text: string): number => {
    const [, digits, unit = ''] = pattern.exec(text) ?? []
    check(digits !== undefined, problems.malformed)
    const exact = Number(digits) * (units[unit] ?? 1)
    if (problems.tooFine === undefined) return exact
    const value = Math.round(exact)
    // 1.1 s is 1100.0000000000001 ms: binary fractions are not a finer unit.
    check(!(Math.abs(exact - value) > 1e-6 * Math.max(1, value)), problems.tooFine)
    return value
  }
  const { zero = false } = given
  const [min, max] = [read(given.min), read(given.max)]
  const limits: Wording = (words) => words.limits.range(given.min, given.max, zero)
  const range = { min, max, zero, units }
  const readInRange = (text: string): number => {
    const value = read(text)
    const inRange = (value >= min && value <= max) || (value === 0 && zero)
    check(inRange, (is) => is.outside(given.min, given.max, zero))
    return value
  }
  return quotable(type, readInRange, { limits, inUnits, range })
}

/** Milliseconds, written `250ms`, `2.8s`, `5m` or `1h`; a bare number is seconds. */
export function duration(limits: Limits): Format<number> {
  return numeric(limits, {
    type: 'duration',
    units: { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 },
    malformed: (is) => is.notDuration,
    tooFine: (is) => is.tooFine,
    inUnits: formatDuration,
  })
}

/** The shortest text that `duration` reads as the same number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms === 0 || ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`
}

const SIZE_UNITS = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Bytes, written `64KiB`, `1.5MiB`, `1GiB`, or a bare number of bytes. */
export function size(limits: Limits): Format<number> {
  return numeric(limits, {
    type: 'size',
    units: SIZE_UNITS,
    malformed: (is) => is.notSize,
    tooFine: (is) => is.notBytes,
    inUnits(bytes) {
      const fits = Object.entries(SIZE_UNITS).filter(([, one]) => bytes > 0 && bytes % one === 0)
      const [unit, factor] = fits.findLast(([name]) => name !== 'B') ?? ['', 1]
      return `${bytes / factor}${unit}`
    },
  })
}

/** A whole number. */
export function count(limits: Limits): Format<number> {
  const malformed: Problem = (is) => is.notCount
  return numeric(limits, { type: 'count', units: { '': 1 }, malformed, tooFine: malformed })
}

/** A share, written as a decimal fraction. */
export function ratio(limits: Limits): Format<number> {
  return numeric(limits, { type: 'ratio', units: { '': 1 }, malformed: (is) => is.notRatio })
}

/** The share of requests that is sampled: `off` is 0, `full` is 1. */
export const sampling = quotable('sampling', (text) => {
  const isShare = /^(?:off|full|0(?:\.\d+)?|1(?:\.0+)?)$/.test(text)
  check(isShare, (is) => is.notSampling)
  return text === 'full' ? 1 : Number(text.replace('off', '0'))
})

/** A status between 400 and 499. */
export const rejectionStatus = quotable('status', (text) => {
  check(/^4\d\d$/.test(text), (is) => is.notStatus)
  return Number(text)
})

export const boolean = quotable(
  'boolean',
  (text) => {
    check(text === 'true' || text === 'false', (is) => is.notBoolean)
    return text === 'true'
  },
  { choices: ['true', 'false'] },
)

/** One of a closed set of words. */
export function choice<const Words extends readonly string[]>(...choices: Words) {
  const read = (text: string): Words[number] => {
    const found = choices.find((one) => one === text)
    check(found !== undefined, (is) => is.notChoice(choices))
    return found
  }
  return quotable('choice', read, { limits: ({ limits }) => limits.choices(choices), choices })
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/** Text without control characters, kept as it is. */
export function text(maxBytes: number) {
  const read = (value: string): string => {
    const bytes = Buffer.byteLength(value)
    check(!CONTROL.test(value), (is) => is.control)
    check(bytes <= maxBytes, (is) => is.tooManyBytes(bytes, maxBytes))
    return value
  }
  return format('text', read, { limits: ({ limits }) => limits.text(maxBytes), verbatim: true })
}

/** Any text but NUL; it never prints. */
export function secret(minBytes = 1) {
  const read = (value: string): Secret => {
    check(!value.includes('\0'), (is) => is.nul)
    check(Buffer.byteLength(value) >= minBytes, (is) => is.tooFewBytes(minBytes))
    return new Secret(value)
  }
  return format('secret', read, {
    limits: ({ limits }) => limits.secret(minBytes),
    redact: () => REDACTED,
    verbatim: true,
  })
}

/** The path of a file that is read at the start. */
export const filePath = format('filePath', (value) => {
  const quoted = quotesAround(value)
  if (quoted !== undefined) throw new FormatError(quoted)
  check(!CONTROL.test(value), (is) => is.notFile)
  return value
})

/** Entries separated by commas; spaces around an entry are dropped. No entry may occur twice. */
export function list<T extends string | number>(
  of: Format<T>,
  { emptyAllowed = false }: { readonly emptyAllowed?: boolean } = {},
): Format<readonly T[]> {
  const limits: Wording = (words) => {
    const { both, maybeEmpty, atLeastOne } = words.limits
    const [each, size] = [of.limits(words), emptyAllowed ? maybeEmpty : atLeastOne]
    return each === '' ? size : both(each, size)
  }
  const read = (whole: string): readonly T[] => {
    const texts = whole === '' && emptyAllowed ? [] : whole.split(',').map((one) => one.trim())
    const entries = texts.map((one) => readEntry(of, one))
    const distinct = new Set(entries.map((one) => String(one).toLowerCase()))
    check(distinct.size === entries.length, (is) => is.twice)
    return entries
  }
  return {
    type: (words) => words.types.list(of.type(words)),
    limits,
    quotable: of.quotable,
    emptyIsValue: emptyAllowed,
    read,
  }
}

function readEntry<T>(of: Format<T>, entry: string): T {
  const value = entry === '' ? new FormatError((is) => is.empty) : readText(of, entry)
  if (value instanceof FormatError) throw new FormatError((is) => is.entry(value.problem(is)))
  return value
}

/** What the format accepts, or `off`: undefined. */
export function orOff<T>(of: Format<T>): Format<T | undefined> {
  return {
    ...of,
    type: (words) => words.types.orOff(of.type(words)),
    choices: of.choices && [...of.choices, 'off'],
    read: (value) => (value === 'off' ? undefined : of.read(value)),
  }
}
