import * as z from 'zod/mini'
import { Secret } from './secret.ts'

/** How a value is written in the environment, what it becomes, and how it is shown again. */
export interface Kind<T> {
  /** One word for tables: `duration`, `size`, `list of header names`. */
  readonly type: string
  /** What is accepted, for tables; empty when the type says it all. */
  readonly limits: string
  /** From the text to the value, or one issue whose message completes `NAME …`. */
  readonly schema: z.ZodMiniType<T, string>
  /** The canonical text, which parses to the same value; `[redacted]` for a secret. */
  format(value: T): string
  /** False: a rejected text is not repeated in the fault, for it may hold something secret. */
  readonly quotable: boolean
  /** The closed set of texts, if there is one. */
  readonly choices?: readonly string[]
  /** True: an empty text is a value of its own, not an unset variable. */
  readonly emptyIsValue?: boolean
  /** True: spaces and line ends around the text belong to it. */
  readonly verbatim?: boolean
}

/** Why a text is not a value of its kind; completes `NAME …` and never repeats the text. */
export class Refusal {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}

/** A schema from a function that gives the value or says why there is none. */
export function schemaOf<T>(parse: (text: string) => T | Refusal): z.ZodMiniType<T, string> {
  return z.pipe(
    z.string(),
    z.transform((text: string, payload): T => {
      const outcome = parse(text)
      if (!(outcome instanceof Refusal)) return outcome
      payload.issues.push({ code: 'custom', message: outcome.problem, input: text })
      return z.NEVER
    }),
  ) as z.ZodMiniType<T, string>
}

export function boolean(): Kind<boolean> {
  return {
    type: 'boolean',
    limits: '',
    quotable: true,
    choices: ['true', 'false'],
    format: String,
    schema: schemaOf((text) => {
      if (text === 'true') return true
      return text === 'false' ? false : new Refusal('is neither true nor false')
    }),
  }
}

/** One of a closed set of words. */
export function choice<const T extends string>(...choices: readonly T[]): Kind<T> {
  return {
    type: 'choice',
    limits: choices.join(', '),
    quotable: true,
    choices,
    format: (value) => value,
    schema: schemaOf((text) => {
      return choices.find((one) => one === text) ?? new Refusal(`is none of ${choices.join(', ')}`)
    }),
  }
}

export interface TextRules {
  /** Bytes of UTF-8. */
  readonly maxBytes: number
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/** Text without control characters, kept as it is. */
export function text({ maxBytes }: TextRules): Kind<string> {
  return {
    type: 'text',
    limits: `1 to ${maxBytes} bytes of UTF-8`,
    quotable: false,
    verbatim: true,
    format: (value) => value,
    schema: schemaOf((value) => {
      if (CONTROL.test(value)) return new Refusal('contains a control character')
      const bytes = Buffer.byteLength(value)
      return bytes > maxBytes ? new Refusal(`has ${bytes} bytes; at most ${maxBytes} fit`) : value
    }),
  }
}

export interface SecretRules {
  /** Bytes of UTF-8. Default 1. */
  readonly minBytes?: number
}

/** Any text but NUL; it never prints. */
export function secret({ minBytes = 1 }: SecretRules = {}): Kind<Secret> {
  return {
    type: 'secret',
    limits: `${minBytes === 1 ? 'not empty' : `at least ${minBytes} bytes`}, at most 64KiB`,
    quotable: false,
    verbatim: true,
    format: String,
    schema: schemaOf((value) => {
      if (value.includes('\0')) return new Refusal('contains a NUL byte')
      if (Buffer.byteLength(value) >= minBytes) return new Secret(value)
      return new Refusal(`is shorter than ${minBytes} bytes`)
    }),
  }
}

/** The path of a file that is read at start. */
export function filePath(): Kind<string> {
  return {
    type: 'file path',
    limits: '',
    quotable: false,
    format: (value) => value,
    schema: schemaOf((value) => {
      return CONTROL.test(value) ? new Refusal('is not a file path') : value
    }),
  }
}

/** Permission bits, written in octal: `0600`. */
export function octalMode(): Kind<number> {
  return {
    type: 'octal mode',
    limits: '0000 to 0777',
    quotable: true,
    format: (mode) => `0${mode.toString(8).padStart(3, '0')}`,
    schema: schemaOf((value) => {
      if (!/^0?[0-7]{3}$/.test(value)) return new Refusal('is not an octal mode such as 0600')
      return Number.parseInt(value, 8)
    }),
  }
}

export interface ListRules {
  /** True: no entry at all is a value too. */
  readonly emptyAllowed: boolean
}

/** Entries parted by commas; spaces around an entry are dropped. An entry twice is refused. */
export function list<T>(of: Kind<T>, { emptyAllowed }: ListRules): Kind<readonly T[]> {
  return {
    type: `list of ${of.type}s`,
    limits: [of.limits, emptyAllowed ? 'may be empty' : 'at least one'].filter(Boolean).join('; '),
    quotable: of.quotable,
    emptyIsValue: emptyAllowed,
    format: (values) => values.map((value) => of.format(value)).join(','),
    schema: schemaOf((whole) => {
      if (whole === '') return emptyAllowed ? [] : new Refusal('lists nothing')
      const values: T[] = []
      const seen = new Set<string>()
      for (const entry of whole.split(',').map((part) => part.trim())) {
        if (entry === '') return new Refusal('has an empty entry')
        const outcome = of.schema.safeParse(entry)
        if (!outcome.success) return new Refusal(`has an entry that ${problemOf(outcome.error)}`)
        const key = of.format(outcome.data).toLowerCase()
        if (seen.has(key)) return new Refusal('has an entry twice')
        seen.add(key)
        values.push(outcome.data)
      }
      return values
    }),
  }
}

/** The one issue of a failed parse, as words that complete `NAME …`. */
export function problemOf(error: { readonly issues: readonly { message: string }[] }): string {
  return error.issues[0]?.message ?? 'cannot be read'
}
