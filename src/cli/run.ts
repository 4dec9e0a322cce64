import { parseArgs } from 'node:util'
import { KNOWN, nearest, SETTING_LIST, type Setting } from '../config/index.ts'
import { EXIT, EXIT_CODES } from './exit-codes.ts'
import { instanceEnvironment } from './instance.ts'
import type { Command, FlagValues, Io, Output } from './io.ts'
import { fold, indented, printable } from '../terminal.ts'

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

/** Each is loaded only when it is asked for: what serves carries nothing of the others. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
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
  const safe = (to: Output): Output => ({ write: (text) => to.write(printable(text)) })
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
  const command = await load(name)
  if (command === undefined) return misused(unknown('command', name, NAMES), io)
  const values = parseFlags(command.flags, args)
  return typeof values === 'string' ? misused(values, io) : command.run(values, io)
}

async function load(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.() : undefined
}

function misused(problem: string, io: Io): number {
  io.stderr.write(`${problem}\n"${PROGRAM} help" lists commands and flags.\n`)
  return EXIT.usage
}

/** Reads `--name`, `--name value` and `--name=value`. A text says what is wrong. */
function parseFlags(flags: Command['flags'], args: readonly string[]): FlagValues | string {
  const options = Object.entries(flags).map(
    ([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const,
  )
  const config = { args: [...args], options: Object.fromEntries(options), tokens: true } as const
  // Strict, its errors would repeat arguments, and somebody may have put a password there.
  const { tokens } = parseArgs({ ...config, strict: false })
  const values: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') return 'Unexpected argument: only flags are accepted here.'
    if (token.kind === 'option-terminator') continue
    const { name, rawName, value, inlineValue } = token
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (flag === undefined) {
      const known = [...Object.keys(flags), 'help'].map((one) => `--${one}`)
      return unknown('flag', rawName, known)
    }
    if (flag.value === undefined && value !== undefined) return `--${name} takes no value.`
    if (flag.value !== undefined) {
      if (!value || (!inlineValue && value.startsWith('-')))
        return `--${name} needs a value, such as --${name} ${flag.value}.`
      if (name in values) return `--${name} is given twice.`
    }
    values[name] = value ?? name
  }
  return values
}

/** `Unknown flag "--helth". Did you mean --health?` */
function unknown(what: string, given: string, known: readonly string[]): string {
  const near = nearest(given, known, 2)
  const shown = JSON.stringify(given.length > 40 ? `${given.slice(0, 40)}…` : given)
  return `Unknown ${what} ${shown}.${near === undefined ? '' : ` Did you mean ${near}?`}`
}

async function help(name: string | undefined, io: Io): Promise<number> {
  if (name === undefined || /^-|^(?:help|version)$/.test(name)) {
    io.stdout.write(await overview())
    return EXIT.ok
  }
  const command = await load(name)
  const setting = SETTING_LIST.find((one) => one.variables.includes(name.toUpperCase()))
  if (command !== undefined) io.stdout.write(commandHelp(name, command))
  else if (setting !== undefined) io.stdout.write(settingHelp(setting))
  else if (name === name.toUpperCase()) return misused(unknown('setting', name, KNOWN), io)
  else return misused(unknown('command', name, NAMES), io)
  return EXIT.ok
}

async function overview(): Promise<string> {
  const commands: (readonly [string, string])[] = []
  const examples: string[] = []
  for (const [name, get] of Object.entries(COMMANDS)) {
    const { summary, example = '' } = await get()
    commands.push([name, summary])
    examples.push(`  ${PROGRAM} ${name} ${example}`.trimEnd())
  }
  commands.push(['help', 'Explain a command or a setting'], ['version', 'Print the version'])
  examples.push(`  ${PROGRAM} help CLIENT_DEADLINE`)
  const required = SETTING_LIST.filter((one) => one.required).map(
    ({ variables, example }): readonly [string, string] => [
      variables.join(' or '),
      `such as ${example}`,
    ],
  )
  return `Logs in to CC-iSales, keeps the token fresh, and puts it on every request.

Usage: ${PROGRAM} [--instance NAME] [COMMAND] [FLAGS]

Commands:
${indented(commands, WIDTH)}

Everything is set by environment variables. Required:
${indented(required, WIDTH)}
docs/configuration.md has all of them (of a package, in
/usr/share/doc/isales-auth-proxy), and example.env is one to fill in.

Examples:
${examples.join('\n')}

Exit codes:
${indented(EXIT_CODES, WIDTH)}

"${PROGRAM} help COMMAND" or "COMMAND --help" says more. --instance
takes the settings of the service isales-auth-proxy@NAME, or without a name
(-) those of isales-auth-proxy.
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
${indented([...shown, ['--help', 'Print this']], WIDTH)}
`
}

function settingHelp({ name, variables, doc, ...setting }: Setting): string {
  const { type, limits, required, derived, example } = setting
  const standard = required
    ? 'required'
    : (derived?.replaceAll('`', '') ?? setting.default ?? 'unset')
  const rows: readonly (readonly [string, string])[] = [
    ['Type', type],
    ['Limits', limits],
    ['Default', standard === '' ? 'empty' : standard],
    ['Example', example],
  ]
  return `${variables.join(' or ') || name}

${fold(doc.replaceAll('`', ''), WIDTH).join('\n')}

${indented(
  rows.filter(([, text]) => text !== ''),
  WIDTH,
)}
`
}
