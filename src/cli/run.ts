import { parseArgs } from 'node:util'
import { nearest } from '../config/index.ts'
import { indented, fold, printable } from '../terminal.ts'
import { wordsOf, type Words } from '../words/index.ts'
import { instanceEnvironment } from './instance.ts'
import { EXIT, type Command, type FlagValues, type Io, type Output } from './io.ts'

export type CommandName = keyof Words['commands']

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

interface CommandKind {
  /** What stands after the flag in the help, such as `60s`. Null: the flag takes no value. */
  readonly flags: Readonly<Record<string, string | null>>
  /** Loaded only when it is asked for: what serves carries nothing of the others. */
  readonly load: () => Promise<Command>
}

/** `words` says what each command does, and each of its flags. */
export const COMMANDS: Readonly<Record<CommandName, CommandKind>> = {
  serve: { flags: {}, load: async () => (await import('./serve.ts')).serve },
  check: {
    flags: { live: null, quiet: null },
    load: async () => (await import('./check.ts')).check,
  },
  status: {
    flags: { json: null, wait: '60s' },
    load: async () => (await import('./status.ts')).status,
  },
  renew: { flags: {}, load: async () => (await import('./renew.ts')).renew },
}
const NAMES = [...Object.keys(COMMANDS), 'help', 'version']

/** Reads the command line and runs what it asks for. Returns the exit code. */
export async function runCommand(argv: readonly string[], process: Io): Promise<number> {
  const safe = (to: Output): Output => ({ write: (text) => to.write(printable(text, '\n')) })
  const io = { ...process, stdout: safe(process.stdout), stderr: safe(process.stderr) }
  const { command: words } = wordsOf(io.env)
  const misused = (problem: string): number => {
    io.stderr.write(`${words.misused(problem)}\n`)
    return EXIT.usage
  }
  const print = (text: string): number => {
    io.stdout.write(text)
    return EXIT.ok
  }

  const [, inline] = /^--instance(?:=(.*))?$/.exec(argv[0] ?? '') ?? []
  if (argv[0]?.startsWith('--instance')) {
    const own = instanceEnvironment(inline ?? argv[1] ?? '', io.env)
    if (typeof own === 'string') return misused(own)
    return runCommand(argv.slice(inline === undefined ? 2 : 1), { ...io, env: own, isUnit: true })
  }
  const [first = 'serve', ...rest] = argv
  if (/^(?:--version|-v|version)$/.test(first)) return print(`${BUILD_VERSION}\n`)
  if (/^(?:--help|-h|help)$/.test(first) && rest.length === 0) return print(overview(io))
  // Without a command the arguments are those of serve.
  const name = first === 'help' ? (rest[0] ?? '') : first.startsWith('-') ? 'serve' : first
  if (!isCommand(name)) return misused(unknown(name, NAMES, words))
  const args = first.startsWith('-') ? argv : rest
  if (first === 'help' || args.includes('--help') || args.includes('-h'))
    return print(commandHelp(name, io))
  const { flags, load } = COMMANDS[name]
  const values = parseFlags(flags, args, words)
  if (typeof values === 'string') return misused(values)
  const run = await load()
  return run(values, io)
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

/** Reads `--name`, `--name value` and `--name=value`. A text says what is wrong. */
function parseFlags(
  flags: CommandKind['flags'],
  args: readonly string[],
  words: Words['command'],
): FlagValues | string {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, example]) => {
      return [name, { type: example === null ? 'boolean' : 'string' } as const]
    }),
  )
  // Strict, its errors would repeat arguments, and somebody may have put a password there.
  const { tokens } = parseArgs({ args: [...args], options, tokens: true, strict: false })
  const values: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind !== 'option') return words.noArgument
    const { name, rawName, value, inlineValue } = token
    const example = Object.hasOwn(flags, name) ? flags[name] : undefined
    const known = [...Object.keys(flags), 'help'].map((one) => `--${one}`)
    if (example === undefined) return unknown(rawName, known, words)
    if (example === null && value !== undefined) return words.noValue(rawName)
    const isMissing = !value || (!inlineValue && value.startsWith('-'))
    if (example !== null && isMissing) return words.needsValue(rawName, example)
    values[name] = value ?? name
  }
  return values
}

/** `Unknown command or flag "--lvie". Did you mean --live?` */
function unknown(given: string, known: readonly string[], words: Words['command']): string {
  const shown = JSON.stringify(given.length > 40 ? `${given.slice(0, 40)}…` : given)
  return words.unknown(shown, nearest(given, known, 2))
}

type Row = readonly [name: string, text: string]

function lineOf(name: CommandName): string {
  const flags = Object.entries(COMMANDS[name].flags)
  const texts = flags.map(
    ([flag, example]) => `[--${flag}${example === null ? '' : ` ${example}`}]`,
  )
  return [name, ...texts].join(' ')
}

function overview({ env }: Io): string {
  const { commands, exitCodes, help } = wordsOf(env)
  const names = Object.keys(COMMANDS) as readonly CommandName[]
  const rows = names.map((name): Row => [lineOf(name), commands[name].summary])
  const others: readonly Row[] = [
    ['help [COMMAND]', help.help],
    ['version', help.version],
  ]
  return `${help.intro}

${help.usage(`${PROGRAM} [--instance NAME] [COMMAND] [FLAGS]`)}

${indented([...rows, ...others], WIDTH)}

${fold(help.settings, WIDTH).join('\n')}

${help.exitCodes}
${indented(exitCodes, WIDTH)}

${fold(help.more, WIDTH).join('\n')}
`
}

function commandHelp(name: CommandName, { env }: Io): string {
  const { commands, help, sentences } = wordsOf(env)
  const { summary, text, flags = {} } = commands[name]
  const rows: readonly Row[] = [...Object.entries<string>(flags), ['--help', help.self]]
  return `${sentences(summary)}

${help.usage(`${PROGRAM} ${lineOf(name)}`)}

${text
  .split('\n')
  .flatMap((line) => fold(line, WIDTH))
  .join('\n')}

${indented(rows, WIDTH)}
`
}
