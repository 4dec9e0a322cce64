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

/** Each is loaded only when it is asked for: what serves carries nothing of the others. */
export const COMMANDS: {
  readonly [Name in CommandName]: () => Promise<Command<FlagOf<Name>>>
} = {
  serve: async () => (await import('./serve.ts')).command,
  check: async () => (await import('./check.ts')).command,
  status: async () => (await import('./status.ts')).command,
  wait: async () => (await import('./wait.ts')).command,
  discover: async () => (await import('./discover.ts')).command,
  renew: async () => (await import('./renew.ts')).command,
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
  const command = await load(name)
  if (command === undefined) return misused(unknown('command', name, NAMES, words), io)
  const values = parseFlags(command.flags, args, words)
  return typeof values === 'string' ? misused(values, io) : command.run(values, io)
}

async function load(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name as CommandName]() : undefined
}

function misused(problem: string, io: Io): number {
  io.stderr.write(`${wordsOf(io.env).command.misused(problem)}\n`)
  return EXIT.usage
}

/** Reads `--name`, `--name value` and `--name=value`. A text says what is wrong. */
function parseFlags(
  flags: Command['flags'],
  args: readonly string[],
  words: Words,
): FlagValues | string {
  const { command } = words
  const options = Object.entries(flags).map(
    ([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const,
  )
  const config = { args: [...args], options: Object.fromEntries(options), tokens: true } as const
  // Strict, its errors would repeat arguments, and somebody may have put a password there.
  const { tokens } = parseArgs({ ...config, strict: false })
  const values: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') return command.noArgument
    if (token.kind === 'option-terminator') continue
    const { name, rawName, value, inlineValue } = token
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (flag === undefined) {
      const known = [...Object.keys(flags), 'help'].map((one) => `--${one}`)
      return unknown('flag', rawName, known, words)
    }
    if (flag.value === undefined && value !== undefined) return command.noValue(`--${name}`)
    if (flag.value !== undefined) {
      if (!value || (!inlineValue && value.startsWith('-')))
        return command.needsValue(`--${name}`, flag.value)
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

async function help(name: string | undefined, io: Io): Promise<number> {
  const words = wordsOf(io.env)
  if (name === undefined || /^-|^(?:help|version)$/.test(name)) {
    io.stdout.write(await overview(words))
    return EXIT.ok
  }
  const command = await load(name)
  const setting = SETTING_LIST.find((one) => one.variables.includes(name.toUpperCase()))
  if (command !== undefined) io.stdout.write(commandHelp(name as CommandName, command, words))
  else if (setting !== undefined) io.stdout.write(settingHelp(setting, words))
  else if (name === name.toUpperCase()) return misused(unknown('setting', name, KNOWN, words), io)
  else return misused(unknown('command', name, NAMES, words), io)
  return EXIT.ok
}

type Row = readonly [name: string, text: string]

async function overview({ commands, exitCodes, help }: Words): Promise<string> {
  const summaries: Row[] = []
  const examples: string[] = []
  for (const [name, get] of Object.entries(COMMANDS)) {
    const { example = '' } = await get()
    summaries.push([name, commands[name as CommandName].summary])
    examples.push(`  ${PROGRAM} ${name} ${example}`.trimEnd())
  }
  summaries.push(['help', help.help], ['version', help.version])
  examples.push(`  ${PROGRAM} help CLIENT_DEADLINE`)
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

function commandHelp(
  name: CommandName,
  command: Command,
  { commands, help, sentences }: Words,
): string {
  const { summary, text, ...said } = commands[name]
  const docs: Readonly<Record<string, string>> = said.flags
  const flags = Object.entries(command.flags).map(([flag, { value }]): Row => [
    value === undefined ? `--${flag}` : `--${flag} ${value}`,
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
