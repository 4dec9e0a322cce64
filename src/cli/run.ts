import { parseArgs } from 'node:util'
import { nearest } from '../config/unknown-variables.ts'
import type { Command, FlagValues, Flags } from './command.ts'
import { EXIT, EXIT_CODES } from './exit-codes.ts'
import type { Io } from './io.ts'
import { fold } from './text.ts'

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

/** Each is loaded only when it is asked for: what serves carries nothing of the others. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).command,
  check: async () => (await import('./check.ts')).command,
  wait: async () => (await import('./wait.ts')).command,
  discover: async () => (await import('./discover.ts')).command,
  renew: async () => (await import('./renew.ts')).command,
}
const NAMES = [...Object.keys(COMMANDS), 'help', 'version']

/** Reads the command line and runs what it asks for. Returns the exit code. */
export async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--help' || first === '-h' || first === 'help') return help(rest[0], io)
  if (first === '--version' || first === '-v' || first === 'version') {
    io.stdout.write(`${BUILD_VERSION}\n`)
    return EXIT.ok
  }
  // Without a command the arguments are those of serve.
  const named = first !== undefined && !first.startsWith('-')
  const name = named ? first : 'serve'
  const args = named ? rest : argv
  if (args.includes('--help') || args.includes('-h')) return help(name, io)
  const command = await load(name)
  if (command === undefined) return refuse(unknown('command', name, NAMES), io)
  const parsed = parseFlags(command.flags, args)
  return parsed.ok ? command.run(parsed.values, io) : refuse(parsed.problem, io)
}

async function load(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.() : undefined
}

function refuse(problem: string, io: Io): number {
  io.stderr.write(`${problem}\n"${PROGRAM} help" lists commands and flags.\n`)
  return EXIT.usage
}

export type ParsedFlags<F extends Flags> =
  | { readonly ok: true; readonly values: FlagValues<F> }
  /** A sentence. It repeats no value and no argument: somebody may have put a password there. */
  | { readonly ok: false; readonly problem: string }

/** Reads `--name`, `--name value` and `--name=value`; anything else is refused. */
export function parseFlags<F extends Flags>(flags: F, args: readonly string[]): ParsedFlags<F> {
  try {
    const options: Flags = flags
    const { values, tokens } = parseArgs({ args: [...args], options, strict: true, tokens: true })
    const named = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
    const twice = named.find(
      (name, index) => flags[name]?.type === 'string' && named.indexOf(name) !== index,
    )
    if (twice !== undefined) return { ok: false, problem: `--${twice} is given twice.` }
    const empty = Object.keys(values).find((name) => values[name] === '')
    if (empty !== undefined) return { ok: false, problem: needsValue(flags, empty) }
    return { ok: true, values: values as FlagValues<F> }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return { ok: false, problem: problemOf(code, flags, args) }
  }
}

function problemOf(code: unknown, flags: Flags, args: readonly string[]): string {
  const known = [...Object.keys(flags), 'help'].map((name) => `--${name}`)
  // A letter may be followed by its value: `-pSECRET`.
  const given = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => (arg.startsWith('--') ? (arg.split('=')[0] ?? '') : arg.slice(0, 2)))
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    return unknown('flag', given.find((flag) => !known.includes(flag)) ?? '', known)
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
    return 'Unexpected argument: only flags are accepted here.'
  }
  const wordy = given.find((flag) => flags[flag.slice(2)]?.type === 'boolean')
  const bare = given.find((flag) => flags[flag.slice(2)]?.type === 'string')
  return bare === undefined ? `${wordy} takes no value.` : needsValue(flags, bare.slice(2))
}

function needsValue(flags: Flags, name: string): string {
  return `--${name} needs a value, such as --${name} ${flags[name]?.value ?? ''}.`
}

/** `Unknown flag "--helth". Did you mean --health?` */
function unknown(what: string, given: string, known: readonly string[]): string {
  const near = nearest(given, known, 2)
  const shown = JSON.stringify(given.length > 40 ? `${given.slice(0, 40)}…` : given)
  return `Unknown ${what} ${shown}.${near === undefined ? '' : ` Did you mean ${near}?`}`
}

async function help(name: string | undefined, io: Io): Promise<number> {
  if (name === undefined || name.startsWith('-')) {
    io.stdout.write(await overview())
    return EXIT.ok
  }
  const command = await load(name)
  if (command === undefined) return refuse(unknown('command', name, NAMES), io)
  io.stdout.write(commandHelp(name, command))
  return EXIT.ok
}

async function overview(): Promise<string> {
  const commands: (readonly [string, string])[] = []
  for (const [name, get] of Object.entries(COMMANDS)) commands.push([name, (await get()).summary])
  commands.push(['help', 'Explain a command'], ['version', 'Print the version'])
  return `Logs in to CC-iSales, keeps the token fresh, and puts it on every request.

Usage: ${PROGRAM} [${NAMES.join('|')}]

Commands:
${columns(commands)}

Exit codes:
${columns(EXIT_CODES)}

"${PROGRAM} help COMMAND" or "COMMAND --help" says more.
`
}

function commandHelp(name: string, { text, flags, summary }: Command): string {
  const shown = Object.entries(flags).map(([flag, { value, doc }]): readonly [string, string] => [
    value === undefined ? `--${flag}` : `--${flag} ${value}`,
    doc,
  ])
  const paragraphs = text.split('\n\n').map((one) => fold(one.replaceAll('\n', ' '), WIDTH))
  return `${summary}.

Usage: ${PROGRAM} ${name}${shown.map(([flag]) => ` [${flag}]`).join('')}

${paragraphs.map((lines) => lines.join('\n')).join('\n\n')}

Flags:
${columns([...shown, ['--help', 'Print this']])}
`
}

/** Two columns, the second folded to the width of a terminal. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const indent = Math.max(...rows.map(([left]) => left.length)) + 4
  return rows
    .map(([left, right]) => {
      const folded = fold(right, WIDTH - indent).join(`\n${' '.repeat(indent)}`)
      return `  ${left.padEnd(indent - 2)}${folded}`
    })
    .join('\n')
}
