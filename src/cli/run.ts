import { parseArgs } from 'node:util'
import { ALL_CODES, type Code } from '../causes.ts'
import { nearest } from '../config/index.ts'
import { indented, fold, printable } from '../terminal.ts'
import { sectionOf, wordsOf, type Explained, type Fact } from '../words/index.ts'
import { instanceEnvironment } from './instance.ts'
import { EXIT, explainLine, type Command, type FlagValues, type Io, type Output } from './io.ts'

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

interface CommandKind {
  /** What stands after the flag in the help, such as `60s`. Null: the flag takes no value. */
  readonly flags: Readonly<Record<string, string | null>>
  /** Loaded only when it is asked for: what serves carries nothing of the others. */
  readonly load: () => Promise<Command>
}

/** docs/commands.md has a section for each. */
export const COMMANDS = {
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
} as const satisfies Readonly<Record<string, CommandKind>>
export type CommandName = keyof typeof COMMANDS
const NAMES = [...Object.keys(COMMANDS), 'help', 'version']

/** Reads the command line and runs what it asks for. Returns the exit code. */
export async function runCommand(argv: readonly string[], process: Io): Promise<number> {
  const safe = (to: Output): Output => ({ write: (text) => to.write(printable(text, '\n')) })
  const io = { ...process, stdout: safe(process.stdout), stderr: safe(process.stderr) }
  const misused = (why: Explained): number => {
    io.stderr.write(explainLine(io, 'error', why))
    return EXIT.usage
  }
  const print = (text: string): number => {
    io.stdout.write(text)
    return EXIT.ok
  }

  const [, inline] = /^--instance(?:=(.*))?$/.exec(argv[0] ?? '') ?? []
  if (argv[0]?.startsWith('--instance')) {
    const own = instanceEnvironment(inline ?? argv[1] ?? '', io.env)
    if ('why' in own && typeof own.why === 'object') return misused(own.why)
    const surroundings = { ...io, env: own as Io['env'], isUnit: true } as const
    return runCommand(argv.slice(inline === undefined ? 2 : 1), surroundings)
  }
  const [first = 'serve', ...rest] = argv
  if (/^(?:--version|-v|version)$/.test(first)) return print(`${BUILD_VERSION}\n`)
  if (/^(?:--help|-h|help)$/.test(first) && rest.length === 0) return print(overview(io))
  if (first === 'help') {
    const code = ALL_CODES.find((each) => each.toLowerCase() === rest[0]?.toLowerCase())
    if (code === undefined) return misused(unknown('unknown-code', rest[0] ?? '', ALL_CODES))
    return print(sectionText(code, io))
  }
  // Without a command the arguments are those of serve.
  const name = first.startsWith('-') ? 'serve' : first
  if (!isCommand(name)) return misused(unknown('unknown-command', name, NAMES))
  const args = first.startsWith('-') ? argv : rest
  if (args.includes('--help') || args.includes('-h')) return print(sectionText(name, io))
  const { flags, load }: CommandKind = COMMANDS[name]
  const { why, values } = parseFlags(flags, args)
  if (why !== undefined) return misused(why)
  const run = await load()
  return run(values, io)
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

/** Reads `--name`, `--name value` and `--name=value`. */
function parseFlags(
  flags: CommandKind['flags'],
  args: readonly string[],
): { readonly values: FlagValues; readonly why?: Explained } {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, example]) => {
      return [name, { type: example === null ? 'boolean' : 'string' } as const]
    }),
  )
  // Strict, its errors would repeat arguments, and somebody may have put a password there.
  const { tokens } = parseArgs({ args: [...args], options, tokens: true, strict: false })
  const values: Record<string, string> = {}
  const wrong = (code: Code, ...facts: readonly Fact[]) => ({ values, why: { code, facts } })
  for (const token of tokens) {
    if (token.kind !== 'option') return wrong('no-argument')
    const { name, rawName, value, inlineValue } = token
    const example = Object.hasOwn(flags, name) ? flags[name] : undefined
    const known = [...Object.keys(flags), 'help'].map((one) => `--${one}`)
    if (example === undefined) return { values, why: unknown('unknown-flag', rawName, known) }
    if (example === null && value !== undefined) return wrong('flag-with-value', ['flag', rawName])
    const isMissing = !value || (!inlineValue && value.startsWith('-'))
    if (example !== null && isMissing)
      return wrong('flag-without-value', ['example', `${rawName} ${example}`])
    values[name] = value ?? name
  }
  return { values }
}

/** With what was probably meant. */
function unknown(code: Code, given: string, known: readonly string[]): Explained {
  const found: Fact = [
    'found',
    JSON.stringify(given.length > 40 ? `${given.slice(0, 40)}…` : given),
  ]
  const meant = nearest(given, known, 2)
  return { code, facts: meant === undefined ? [found] : [found, ['meant', meant]] }
}

function usageOf(name: CommandName): string {
  const flags: readonly [string, string | null][] = Object.entries(COMMANDS[name].flags)
  const texts = flags.map(
    ([flag, example]) => `[--${flag}${example === null ? '' : ` ${example}`}]`,
  )
  return [name, ...texts].join(' ')
}

function overview({ env }: Io): string {
  const { cli, labelled, language } = wordsOf(env)
  const names = Object.keys(COMMANDS) as readonly CommandName[]
  const rows = [
    ...names.map((name) => [usageOf(name), sectionOf(language, name).title]),
    ['help CODE', cli.help],
    ['version', cli.version],
  ]
  const exitCodes = sectionOf(language, 'exit-codes')
  return `${labelled(cli.usage, `${PROGRAM} [--instance NAME] [COMMAND] [FLAGS]`)}

${indented(rows, WIDTH)}

${fold(sectionOf(language, 'serve').means, WIDTH).join('\n')}

${exitCodes.title}
${readable(exitCodes.body)}
`
}

/** The section of a code, as `help CODE` and `COMMAND --help` print it. */
function sectionText(code: Code, { env }: Io): string {
  const { cli, labelled, language, sentences } = wordsOf(env)
  const { title, means, todo, body } = sectionOf(language, code)
  const usage = isCommand(code) ? labelled(cli.usage, `${PROGRAM} ${usageOf(code)}`) : code
  const paragraphs = [usage, sentences(title, means), todo].map((text) =>
    fold(text, WIDTH).join('\n'),
  )
  return `${[...paragraphs, readable(body)].filter((text) => text !== '').join('\n\n')}\n`
}

/** Paragraphs and tables of a section, for a terminal. */
function readable(body: string): string {
  const cells = (line: string) => line.slice(2, -2).split(' | ')
  const plain = body.replaceAll('`', '').replaceAll(/\*([^*\n]+)\*/g, '$1')
  const blocks = plain.split('\n\n').map((block) => {
    const lines = block.split('\n')
    return block.startsWith('| ')
      ? indented(lines.slice(2).map(cells), WIDTH)
      : lines.flatMap((line) => fold(line, WIDTH)).join('\n')
  })
  return blocks.join('\n\n')
}
