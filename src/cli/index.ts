// The command line. Every command is a file that is loaded only when it is called.
import { parseArgs } from 'node:util'
import { classifyStatus, readErrorCode, toCauseCode } from '../causes.ts'
import { ALL_CODES, PROBLEM_CODES, PROBLEMS, type Code } from '../codes.ts'
import { KNOWN, nearest } from '../config/index.ts'
import { classifyRequest } from '../request-summary.ts'
import { indented, fold, printable } from '../terminal.ts'
import {
  findSection,
  findSetting,
  messagesFor,
  sectionNames,
  withoutMarkup,
  type Explained,
} from '../messages/index.ts'
import { instanceEnvironment } from './instance.ts'
import { EXIT, fail, type Command, type FlagValues, type Io, type Output } from './io.ts'

export { EXIT } from './io.ts'

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

interface CommandKind {
  /** A flag of text takes a value. */
  readonly flags: Readonly<Record<string, { readonly type: 'boolean' | 'string' }>>
  /** Imports the command on demand, so that `serve` does not load the others. */
  readonly load: () => Promise<{ readonly run: Command }>
}

const SWITCH = { type: 'boolean' } as const
const TEXT = { type: 'string' } as const

/** Commands, each with a section in docs/commands.md. */
export const COMMANDS = {
  serve: { flags: {}, load: () => import('./serve.ts') },
  check: {
    flags: { live: SWITCH, trace: SWITCH, quiet: SWITCH },
    load: () => import('./check.ts'),
  },
  status: { flags: { json: SWITCH, wait: TEXT }, load: () => import('./status.ts') },
  renew: { flags: {}, load: () => import('./renew.ts') },
} as const satisfies Readonly<Record<string, CommandKind>>
type CommandName = keyof typeof COMMANDS
const NAMES = [...Object.keys(COMMANDS), 'help', 'version']

/** Parses the command line and runs its command. Returns the exit code. */
export async function runCommand(argv: readonly string[], process: Io): Promise<number> {
  const safe = (to: Output): Output => ({ write: (text) => to.write(printable(text, '\n')) })
  const io = { ...process, stdout: safe(process.stdout), stderr: safe(process.stderr) }
  const misused = (error: Explained) => fail(io, EXIT.usage, error)
  const print = (text: string): number => {
    io.stdout.write(text)
    return EXIT.ok
  }

  const [first = 'serve', ...rest] = argv
  if (/^--instance(?:=|$)/.test(first)) {
    // The name follows `=`, or is the next argument.
    const [instance = '', ...command] = [...first.split('=').slice(1), ...rest]
    const found = instanceEnvironment(instance, io.env)
    if ('error' in found) return misused(found.error)
    return runCommand(command, { ...io, env: found.env, isUnit: true })
  }
  if (/^(?:--version|-v|version)$/.test(first)) return print(`${BUILD_VERSION}\n`)
  if (/^(?:--help|-h|help)$/.test(first) && rest.length === 0) return print(overview(io))
  if (first === 'help') {
    const text = explainWord(rest[0] ?? '', io)
    if (text !== undefined) return print(text)
    return misused(unknown('unknown-code', rest[0], [...ALL_CODES, ...KNOWN]))
  }
  // Without a command, the arguments belong to serve.
  const [name, args] = first.startsWith('-') ? ['serve', argv] : [first, rest]
  if (!isCommand(name)) return misused(unknown('unknown-command', name, NAMES))
  if (args.includes('--help') || args.includes('-h')) return print(sectionText(name, io))
  const { flags: options, load }: CommandKind = COMMANDS[name]
  let values: FlagValues
  try {
    ;({ values } = parseArgs({ args: [...args], options }))
  } catch (error) {
    // Never prints the message, because it repeats arguments, and an operator may have typed a password.
    return misused({ code: MISUSES[readErrorCode(error)] ?? 'flag-value', facts: [] })
  }
  const { run } = await load()
  return run(values, io)
}

const MISUSES: Readonly<Record<string, Code>> = {
  ERR_PARSE_ARGS_UNKNOWN_OPTION: 'unknown-flag',
  ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL: 'no-argument',
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

/** Suggests the nearest known word. Never repeats the unknown one, which may be a password. */
function unknown(code: Code, given: string | undefined, known: readonly string[]): Explained {
  const meant = nearest(given ?? '', known, 2)
  return { code, facts: meant === undefined ? [] : [['meant', meant]] }
}

function usageOf(name: CommandName): string {
  const { flags }: CommandKind = COMMANDS[name]
  const texts = Object.entries(flags).map(([flag, { type }]) =>
    type === 'string' ? `[--${flag} T]` : `[--${flag}]`,
  )
  return [name, ...texts].join(' ')
}

function overview({ env }: Io): string {
  const { cli, labelled, language } = messagesFor(env)
  const rows = [
    ...Object.keys(COMMANDS)
      .filter(isCommand)
      .map((name) => [usageOf(name), findSection(language, name).title]),
    ['help CODE', cli.help],
    ['version', cli.version],
  ]
  const exitCodes = findSection(language, 'exit-codes')
  const usage = labelled(cli.usage, `${PROGRAM} [--instance NAME] [COMMAND] [FLAGS]`)
  const settings = fold(findSection(language, 'serve').meaning, WIDTH).join('\n')
  const exits = `${exitCodes.title}\n${readable(exitCodes.body)}`
  return `${[usage, indented(rows, WIDTH), settings, exits].join('\n\n')}\n`
}

/** Explains a code, an alert, a setting, or the status of a response; undefined if there is no such word. */
function explainWord(word: string, io: Io): string | undefined {
  const { language, cli } = messagesFor(io.env)
  const code = sectionNames(language).find((each) => each.toLowerCase() === word.toLowerCase())
  if (code !== undefined) return sectionText(code, io)
  const codes = codesWith(Number(word)).map((each) => [each, findSection(language, each).title])
  const help = ['help CODE', cli.help]
  const rows = codes.length > 0 ? [...codes, help] : findSetting(language, word.toUpperCase())
  return rows.length === 0 ? undefined : `${indented(rows, WIDTH)}\n`
}

/** Returns the codes with which the proxy itself, and iSales, respond with a status. */
function codesWith(status: number): readonly Code[] {
  if (!(status >= 300 && status < 600)) return []
  const own = PROBLEM_CODES.filter((code) => PROBLEMS[code].status === status)
  const { section } = classifyRequest({ method: 'POST', target: '/', status, requestId: '' })
  const ofLogin = toCauseCode(classifyStatus({ status }), 'login')
  return [...new Set([...own, section ?? ofLogin, ofLogin])]
}

/** Formats the section of a code for `help CODE` and `COMMAND --help`. */
function sectionText(code: Code, { env }: Io): string {
  const { cli, labelled, language, sentences } = messagesFor(env)
  const { title, meaning, remedy, body } = findSection(language, code)
  const head = isCommand(code) ? labelled(cli.usage, `${PROGRAM} ${usageOf(code)}`) : code
  const paragraphs = [head, sentences(title, meaning), remedy].map((text) =>
    fold(text, WIDTH).join('\n'),
  )
  return `${[...paragraphs, readable(body)].filter((text) => text !== '').join('\n\n')}\n`
}

function readable(body: string): string {
  const plain = withoutMarkup(body).replaceAll(/\*+([^*\n]+)\*+/g, '$1')
  const cells = (line: string) => line.slice(2, -2).split(' | ')
  const blocks = plain.split('\n\n').map((block) => {
    const lines = block.split('\n')
    return block.startsWith('| ')
      ? indented(lines.slice(2).map(cells), WIDTH)
      : lines.flatMap((line) => fold(line, WIDTH)).join('\n')
  })
  return blocks.join('\n\n')
}
