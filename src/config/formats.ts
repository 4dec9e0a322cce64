import * as z from 'zod'
import { REDACTED, Secret } from './secret.ts'

/**
 * How values are written in the environment. Each reads a text; the message of an issue completes `NAME ...` and never
 * repeats the text.
 */

export interface Format {
  /** For tables: `duration`, `size`, `list of header names`. */
  readonly type: string
  /** What is accepted, for tables; empty when the type says it all. */
  readonly limits: string
  /** An error repeats the text. Without it the text may hold a secret. */
  readonly quotable?: true
  /** The value is, or may hold, a secret: what may be shown of its text. */
  readonly redact?: (text: string) => string
  /** The value in the largest unit that fits, where a text may have another one. */
  readonly inUnits?: (value: number) => string
  /** The closed set of texts, if there is one. */
  readonly choices?: readonly string[]
  /** An empty text is a value of its own, not an unset variable. */
  readonly emptyIsValue?: true
  /** Spaces and line ends around the text belong to it. */
  readonly verbatim?: true
  /** Of a number: its limits, and what each unit counts. */
  readonly range?: Limits & { readonly units: Units }
}

/** What documents, the chart and error messages need to know of a format. */
export const FORMATS = z.registry<Format>()

/** Ends a `transform` with an issue. An example that fits the mistake is shown in place of the setting's own. */
export function refuse(ctx: z.core.ParsePayload, message: string, example?: string) {
  ctx.issues.push({ code: 'custom', message, input: undefined, params: { example } })
  return z.NEVER
}

interface Limits {
  readonly min: number
  readonly max: number
  /** 0 is accepted although it is below `min`: what it does. */
  readonly zero?: string
}

/** Units from the smallest to the largest. A number without a unit counts in the one named ''. */
type Units = Readonly<Record<string, number>>

/** Milliseconds, written `250ms`, `2.8s`, `5m` or `1h`; a bare number is seconds. */
export function duration(limits: Limits) {
  return numeric(limits, {
    type: 'duration',
    units: { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 },
    malformed: 'is not a duration such as 250ms, 2.8s, 5m or 1h (a bare number is seconds)',
    tooFine: 'is finer than one millisecond',
    inUnits: formatDuration,
  })
}

/** The shortest text that `duration` reads as the same number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms === 0 || ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`
}

/** Bytes, written `64KiB`, `1.5MiB`, `1GiB`, or a bare number of bytes. */
export function size(limits: Limits) {
  return numeric(limits, {
    type: 'size',
    units: SIZE_UNITS,
    malformed: 'is not a size such as 64KiB, 1MiB or 4096 (bytes)',
    tooFine: 'is not a whole number of bytes',
    inUnits: formatSize,
  })
}

const SIZE_UNITS: Units = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

function formatSize(bytes: number): string {
  const fits = Object.entries(SIZE_UNITS).filter(([, factor]) => bytes > 0 && bytes % factor === 0)
  const [unit, factor] = fits.findLast(([name]) => name !== 'B') ?? ['', 1]
  return `${bytes / factor}${unit}`
}

/** A whole number. */
export function count(limits: Limits) {
  const malformed = 'is not a whole number'
  return numeric(limits, { type: 'count', units: { '': 1 }, malformed, tooFine: malformed })
}

interface Numeric {
  readonly type: string
  readonly units: Units
  readonly malformed: string
  readonly tooFine: string
  readonly inUnits?: (value: number) => string
}

/** Whole numbers of a smallest unit, written with larger ones. */
function numeric(limited: Limits, { type, units, inUnits, ...problems }: Numeric) {
  const { min, max, zero } = limited
  const range = [min, max].map(inUnits ?? String).join(' to ')
  const limits = zero === undefined ? range : `${range}; 0 ${zero}`
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)(${Object.keys(units).join('|')})$`)
  const inRange = (value: number): boolean =>
    (value >= min && value <= max) || (value === 0 && zero !== undefined)
  return z
    .string()
    .regex(pattern, problems.malformed)
    .transform((text, ctx) => {
      const [, digits, unit = ''] = pattern.exec(text) ?? []
      const exact = Number(digits) * (units[unit] ?? 1)
      const value = Math.round(exact)
      // 1.1 s is 1100.0000000000001 ms: binary fractions are not a finer unit.
      const whole = !(Math.abs(exact - value) > 1e-6 * Math.max(1, value))
      return whole ? value : refuse(ctx, problems.tooFine)
    })
    .pipe(z.number(`is outside ${limits}`).refine(inRange, `is outside ${limits}`))
    .register(FORMATS, {
      type,
      limits,
      quotable: true,
      range: { ...limited, units },
      ...(inUnits && { inUnits }),
    })
}

/** A share, written as a decimal fraction. */
export function ratio(min: number, max: number) {
  const limits = `${min} to ${max}`
  return z
    .string()
    .regex(/^\d+(?:\.\d+)?$/, 'is not a share such as 0.8')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `is outside ${limits}`)
    .register(FORMATS, {
      type: 'ratio',
      limits,
      quotable: true,
      range: { min, max, units: { '': 1 } },
    })
}

/** The share of requests that is sampled: `off` is 0, `full` is 1. */
export function sampling() {
  const words: Readonly<Record<string, number>> = { off: 0, full: 1 }
  const problem = 'is neither off, full, nor a share such as 0.01'
  return z
    .string()
    .regex(/^(?:off|full|\d(?:\.\d+)?)$/, problem)
    .transform((text) => words[text] ?? Number(text))
    .refine((share) => share <= 1, problem)
    .register(FORMATS, {
      type: 'off, full or a share',
      limits: 'off, full, or 0 to 1',
      quotable: true,
    })
}

/** A status between 400 and 499. */
export function rejectionStatus() {
  return z
    .string()
    .regex(/^4\d\d$/, 'is not a status from 400 to 499')
    .transform(Number)
    .register(FORMATS, { type: 'status code', limits: '400 to 499', quotable: true })
}

/** Permission bits, written in octal: `0600`. */
export function octalMode() {
  return z
    .string()
    .regex(/^0?[0-7]{3}$/, 'is not an octal mode such as 0600')
    .transform((text) => Number.parseInt(text, 8))
    .register(FORMATS, { type: 'octal mode', limits: '0000 to 0777', quotable: true })
}

export function boolean() {
  const error = 'is neither true nor false'
  return z
    .stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error })
    .register(FORMATS, { type: 'boolean', limits: '', quotable: true, choices: ['true', 'false'] })
}

/** One of a closed set of words. */
export function choice<const Words extends readonly string[]>(...words: Words) {
  return z
    .enum(words, { error: `is none of ${words.join(', ')}` })
    .register(FORMATS, { type: 'choice', limits: words.join(', '), quotable: true, choices: words })
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/** Text without control characters, kept as it is. */
export function text(maxBytes: number) {
  return z
    .string()
    .refine((value) => !CONTROL.test(value), 'contains a control character')
    .refine((value) => Buffer.byteLength(value) <= maxBytes, {
      error: ({ input }) =>
        `has ${Buffer.byteLength(String(input))} bytes; at most ${maxBytes} fit`,
    })
    .register(FORMATS, { type: 'text', limits: `1 to ${maxBytes} bytes of UTF-8`, verbatim: true })
}

/** Any text but NUL; it never prints. */
export function secret(minBytes = 1) {
  const limits = `${minBytes === 1 ? 'not empty' : `at least ${minBytes} bytes`}, at most 64KiB`
  return z
    .string()
    .transform((value, ctx) => {
      if (value.includes('\0')) return refuse(ctx, 'contains a NUL byte')
      if (Buffer.byteLength(value) >= minBytes) return new Secret(value)
      return refuse(ctx, `is shorter than ${minBytes} bytes`)
    })
    .register(FORMATS, { type: 'secret', limits, redact: () => REDACTED, verbatim: true })
}

/** The path of a file that is read at the start. */
export function filePath() {
  return z
    .string()
    .refine((value) => !CONTROL.test(value), 'is not a file path')
    .register(FORMATS, { type: 'file path', limits: '' })
}

/** Entries separated by commas; spaces around an entry are dropped. No entry may occur twice. */
export function list<T extends z.ZodType<string | number, string>>(
  of: T,
  { emptyAllowed = false }: { readonly emptyAllowed?: boolean } = {},
) {
  const { type = 'text', limits = '', quotable } = FORMATS.get(of) ?? {}
  const entries = z
    .array(z.string().min(1, 'is empty').pipe(of))
    .refine((values) => emptyAllowed || values.length > 0, 'lists nothing')
    .refine((values) => {
      return new Set(values.map((value) => String(value).toLowerCase())).size === values.length
    }, 'has an entry twice')
  return z
    .string()
    .transform((whole) => (whole === '' ? [] : whole.split(',').map((entry) => entry.trim())))
    .pipe(entries)
    .register(FORMATS, {
      type: `list of ${type}s`,
      limits: [limits, emptyAllowed ? 'may be empty' : 'at least one'].filter(Boolean).join('; '),
      ...(quotable === true ? { quotable } : {}),
      ...(emptyAllowed ? { emptyIsValue: true } : {}),
    })
}

/** What the format accepts, or `off`: undefined. */
export function orOff<S extends z.ZodType<unknown, string>>(of: S) {
  const { type = 'text', choices, ...format } = FORMATS.get(of) ?? { limits: '' }
  return z
    .string()
    .transform((value) => (value === 'off' ? undefined : value))
    .pipe(of.optional())
    .register(FORMATS, {
      ...format,
      type: `${type} or off`,
      ...(choices && { choices: [...choices, 'off'] }),
    })
}
