import { COMMANDS, type Command, type CommandName } from './commands.ts'
import { EXIT } from './exit-codes.ts'
import { parseFlags, unknown } from './flags.ts'
import { commandHelp, overview } from './help.ts'
import type { Io } from './io.ts'

/** Reads the command line and runs what it asks for. Answers the exit code. */
export async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--help' || first === '-h' || first === 'help') return help(rest, io)
  if (first === '--version' || first === '-v' || first === 'version') {
    io.stdout.write(`${BUILD_VERSION}\n`)
    return EXIT.ok
  }
  // Without a command the arguments are those of serve.
  const named = first !== undefined && !first.startsWith('-')
  const name = named ? first : 'serve'
  const args = named ? rest : argv
  const command = find(name)
  if (command === undefined) return refuse(unknownCommand(name), io)
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(commandHelp(name, command))
    return EXIT.ok
  }
  const parsed = parseFlags(command.flags, args)
  if (!parsed.ok) return refuse(parsed.problem, io)
  const { run } = await command.load()
  return run(args, io)
}

function help([name]: readonly string[], io: Io): number {
  if (name === undefined || name.startsWith('-')) {
    io.stdout.write(overview())
    return EXIT.ok
  }
  const command = find(name)
  if (command === undefined) return refuse(unknownCommand(name), io)
  io.stdout.write(commandHelp(name, command))
  return EXIT.ok
}

function find(name: string): Command | undefined {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name as CommandName] : undefined
}

function unknownCommand(name: string): string {
  return unknown('command', name, [...Object.keys(COMMANDS), 'help', 'version'])
}

function refuse(problem: string, io: Io): number {
  io.stderr.write(`${problem}\n"isales-auth-proxy help" lists commands and flags.\n`)
  return EXIT.usage
}
