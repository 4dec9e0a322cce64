import { COMMANDS, type Command } from './commands.ts'
import { EXIT_CODES } from './exit-codes.ts'
import type { Flags } from './flags.ts'
import { fold } from './fold.ts'

const PROGRAM = 'isales-auth-proxy'
const WIDTH = 80

/** What `help`, `--help` and a wrong command line print. */
export function overview(): string {
  const commands = [
    ...Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const),
    ['help', 'Explain a command'] as const,
    ['version', 'Print the version'] as const,
  ]
  return `Logs in to CC-iSales, keeps the token fresh, and puts it on every request.

Usage: ${PROGRAM} [${commands.map(([name]) => name).join('|')}]

Commands:
${columns(commands)}

Exit codes:
${columns(EXIT_CODES)}

"${PROGRAM} help COMMAND" or "COMMAND --help" says more.
`
}

export function commandHelp(name: string, { text, flags, summary }: Command): string {
  return `${summary}.

Usage: ${PROGRAM} ${name}${Object.entries(flags).map(usage).join('')}

${paragraphs(text)}

Flags:
${columns([...Object.entries(flags).map(line), ['--help', 'Print this']])}
`
}

function paragraphs(text: string): string {
  const folded = text.split('\n\n').map((one) => fold(one.replaceAll('\n', ' '), WIDTH).join('\n'))
  return folded.join('\n\n')
}

type FlagEntry = readonly [name: string, flag: Flags[string]]

function usage([name, { value }]: FlagEntry): string {
  return value === undefined ? ` [--${name}]` : ` [--${name} ${value}]`
}

function line([name, { value, doc }]: FlagEntry): readonly [string, string] {
  return [value === undefined ? `--${name}` : `--${name} ${value}`, doc]
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
