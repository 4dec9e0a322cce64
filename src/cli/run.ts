import { parseArgs } from 'node:util'
import { KNOWN, nearest, SETTING_LIST, type Setting } from '../config/index.ts'
import { EXIT, EXIT_CODES } from './exit-codes.ts'
import { instanceEnvironment } from './instance.ts'
import type { Command, FlagValues, Io, Output } from './io.ts'
import { wordsOf, type Words } from '../words/index.ts'
import { fold, indented, printable } from '../terminal.ts'

type CommandName = keyof Words['commands']
type FlagOf<Name extends CommandName> = Extract<keyof Words['commands'][Name]['flags'], string>

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

interface CommandKind<Flag extends string> {
  /** What stands after the flag in the help, such as `60s`. Null: the flag takes no value. */
  readonly flags: Readonly<Record<Flag, string | null>>
  /** What stands behind the name in the example of the overview. Default: nothing. */
  readonly example?: string
  /** Loaded only when it is asked for: what serves carries nothing of the others. */
  readonly load: () => Promise<Command>
}

/** `words` says what each command does, and each of its flags. */
export const COMMANDS: { readonly [Name in CommandName]: CommandKind<FlagOf<Name>> } = {
  serve: { flags: {}, load: async () => (await import('./serve.ts')).serve },
  check: {
    flags: { live: null, quiet: null, health: null },
    example: '--live',
    load: async () => (await import('./check.ts')).check,
  },
  status: { flags: { output: 'text' }, load: async () => (await import('./status.ts')).status },
  wait: {
    flags: { timeout: '60s' },
    example: '--timeout 60s',
    load: async () => (await import('./wait.ts')).wait,
  },
  discover: {
    flags: { 'second-login': null },
    example: '> isales.env',
    load: async () => (await import('./discover.ts')).discover,
  },
  renew: { flags: { timeout: '60s' }, load: async () => (await import('./renew.ts')).renew },
}
const NAMES = [...Object.keys(COMMANDS), 'help', 'version']

/** Reads the command line and runs what it asks for. Returns the exit code. */
export async function runCommand(argv: readonly string[], process: Io): Promise<number> {
  const safe = (to: Output): Output => ({ write: (text) => to.write(printable(text, '\n')) })
  const io = { ...process, stdout: safe(process.stdout), stderr: safe(process.stderr) }
  const [, inline] = /^--instance(?:=(.*))?$/.exec(argv[0] ?? '') ?? []
  if (argv[0]?.startsWith('--instance')) {
    const own = instanceEnvironment(inline ?? argv[1] ?? '', io.env)
    const command = argv.slice(inline === undefined ? 2 : 1)
    if (typeof own !== 'string') return runCommand(command, { ...io, env: own })
    io.stderr.write(`${own}\n`)
    return EXIT.usage
  }
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
  const words = wordsOf(io.env)
  if (!isCommand(name)) return misused(unknown('command', name, NAMES, words), io)
  const { flags, load } = COMMANDS[name]
  const values = parseFlags(flags, args, words)
  if (typeof values === 'string') return misused(values, io)
  const run = await load()
  return run(values, io)
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

function misused(problem: string, io: Io): number {
  io.stderr.write(`${wordsOf(io.env).command.misused(problem)}\n`)
  return EXIT.usage
}

/** Reads `--name`, `--name value` and `--name=value`. A text says what is wrong. */
function parseFlags(
  flags: Readonly<Record<string, string | null>>,
  args: readonly string[],
  words: Words,
): FlagValues | string {
  const { command } = words
  const options = Object.entries(flags).map(
    ([name, example]) => [name, { type: example === null ? 'boolean' : 'string' }] as const,
  )
  const config = { args: [...args], options: Object.fromEntries(options), tokens: true } as const
  // Strict, its errors would repeat arguments, and somebody may have put a password there.
  const { tokens } = parseArgs({ ...config, strict: false })
  const values: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') return command.noArgument
    if (token.kind === 'option-terminator') continue
    const { name, rawName, value, inlineValue } = token
    const example = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (example === undefined) {
      const known = [...Object.keys(flags), 'help'].map((one) => `--${one}`)
      return unknown('flag', rawName, known, words)
    }
    if (example === null && value !== undefined) return command.noValue(`--${name}`)
    if (example !== null) {
      if (!value || (!inlineValue && value.startsWith('-')))
        return command.needsValue(`--${name}`, example)
      if (name in values) return command.twice(`--${name}`)
    }
    values[name] = value ?? name
  }
  return values
}

/** `Unknown flag "--helth". Did you mean --health?` */
function unknown(
  what: keyof Words['command']['unknown'],
  given: string,
  known: readonly string[],
  { command }: Words,
): string {
  const near = nearest(given, known, 2)
  const shown = JSON.stringify(given.length > 40 ? `${given.slice(0, 40)}…` : given)
  const problem = command.unknown[what](shown)
  return near === undefined ? problem : command.near(problem, near)
}

function help(name: string | undefined, io: Io): number {
  const words = wordsOf(io.env)
  if (name === undefined || /^-|^(?:help|version)$/.test(name)) {
    io.stdout.write(overview(words))
    return EXIT.ok
  }
  const setting = SETTING_LIST.find((one) => one.variables.includes(name.toUpperCase()))
  if (isCommand(name)) io.stdout.write(commandHelp(name, words))
  else if (setting !== undefined) io.stdout.write(settingHelp(setting, words))
  else if (name === name.toUpperCase()) return misused(unknown('setting', name, KNOWN, words), io)
  else return misused(unknown('command', name, NAMES, words), io)
  return EXIT.ok
}

type Row = readonly [name: string, text: string]

function overview({ commands, exitCodes, help }: Words): string {
  const summaries: Row[] = [
    ...Object.entries(commands).map(([name, { summary }]): Row => [name, summary]),
    ['help', help.help],
    ['version', help.version],
  ]
  const examples = [
    ...Object.entries(COMMANDS).map(([name, { example = '' }]) => `${name} ${example}`),
    'help CLIENT_DEADLINE',
  ].map((line) => `  ${PROGRAM} ${line}`.trimEnd())
  const required = SETTING_LIST.filter((one) => one.required).map(({ variables, example }): Row => [
    help.or(variables),
    help.such(example),
  ])
  const codes = EXIT_CODES.map(([code, meaning]): Row => [code, exitCodes[meaning]])
  return `${help.intro}

${help.usage(`${PROGRAM} [--instance NAME] [COMMAND] [FLAGS]`)}

${help.commands}
${indented(summaries, WIDTH)}

${help.required}
${indented(required, WIDTH)}
${folded(help.all)}

${help.examples}
${examples.join('\n')}

${help.exitCodes}
${indented(codes, WIDTH)}

${folded(help.more)}
`
}

function commandHelp(name: CommandName, { commands, help, sentences }: Words): string {
  const { summary, text, ...said } = commands[name]
  const docs: Readonly<Record<string, string>> = said.flags
  const flags = Object.entries(COMMANDS[name].flags).map(([flag, example]): Row => [
    `--${flag} ${example ?? ''}`.trimEnd(),
    docs[flag] ?? '',
  ])
  const line = [PROGRAM, name, ...flags.map(([flag]) => `[${flag}]`)].join(' ')
  return `${sentences(summary)}

${help.usage(line)}

${text.map(folded).join('\n\n')}

${help.flags}
${indented([...flags, ['--help', help.self]], WIDTH)}
`
}

function settingHelp(setting: Setting, { help, settings }: Words): string {
  const { name, variables, example, required, derived } = setting
  const standard = required
    ? help.isRequired
    : (derived?.(settings) ?? setting.default ?? help.unset)
  const rows: readonly Row[] = [
    [help.type, setting.type(settings)],
    [help.limits, setting.limits(settings)],
    [help.default, standard === '' ? help.empty : standard.replaceAll('`', '')],
    [help.example, example],
  ]
  return `${help.or(variables) || name}

${folded(setting.doc(settings).replaceAll('`', ''))}

${indented(
  rows.filter(([, text]) => text !== ''),
  WIDTH,
)}
`
}

function folded(text: string): string {
  return fold(text, WIDTH).join('\n')
}
