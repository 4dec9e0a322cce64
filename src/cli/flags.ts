import { parseArgs } from 'node:util'
import { nearest } from '../config/unknown-variables.ts'

export interface Flag {
  readonly type: 'boolean' | 'string'
  /** What stands after a flag of type `string` in the help: `60s`. */
  readonly value?: string
  readonly doc: string
}
export type Flags = Readonly<Record<string, Flag>>

/** The values of the flags that were given. */
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: (F[Name]['type'] extends 'boolean' ? true : string) | undefined
}

export type ParsedFlags<F extends Flags> =
  | { readonly ok: true; readonly values: FlagValues<F> }
  /** A sentence. It repeats no value of a flag: somebody may have put a password there. */
  | { readonly ok: false; readonly problem: string }

/** Reads `--name`, `--name value` and `--name=value`; anything else is refused. */
export function parseFlags<const F extends Flags>(
  flags: F,
  args: readonly string[],
): ParsedFlags<F> {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(Object.entries(flags).map(([name, { type }]) => [name, { type }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values: Record<string, string | true> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') {
      return refuse(`Unexpected argument ${quote(token.value)}.`)
    }
    if (token.kind === 'option-terminator') continue
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined
    if (flag === undefined) return refuse(unknown('flag', token.rawName, dashed(flags)))
    if (flag.type === 'boolean') {
      if (token.value !== undefined) return refuse(`${token.rawName} takes no value.`)
      values[token.name] = true
      continue
    }
    if (token.value === undefined || token.value === '') {
      return refuse(`${token.rawName} needs a value, such as ${token.rawName} ${flag.value ?? ''}.`)
    }
    values[token.name] = token.value
  }
  return { ok: true, values: values as FlagValues<F> }
}

/** `Unknown flag "--helth". Did you mean --health?` */
export function unknown(what: string, given: string, known: readonly string[]): string {
  const near = nearest(given, known, 2)
  return `Unknown ${what} ${quote(given)}.${near === undefined ? '' : ` Did you mean ${near}?`}`
}

function dashed(flags: Flags): readonly string[] {
  return [...Object.keys(flags), 'help'].map((name) => `--${name}`)
}

function refuse(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
