// Command lines of programs that play seeds.
import { parseArgs, type ParseArgsConfig } from 'node:util'

/** A mistake on the command line; its text says what exists. */
export class UsageError extends Error {}

/** @throws {UsageError} that names the options. */
export function optionsOf<const Config extends ParseArgsConfig>(config: Config) {
  try {
    return parseArgs(config)
  } catch {
    throw new UsageError(`Options: --${Object.keys(config.options ?? {}).join(', --')}`)
  }
}

/** Returns the seeds of a list such as `1-200,350`. @throws {UsageError} if it is not one. */
export const seedsOf = (list: string): readonly number[] =>
  list.split(',').flatMap((range) => {
    const [, from, to = from] = /^([1-9]\d{0,5})(?:-(\d{1,6}))?$/.exec(range) ?? []
    if (from === undefined || Number(to) < Number(from))
      throw new UsageError(`No seeds ${range}. Seeds: numbers from 1, as in 7, 1-200 or 2,9,17`)
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, nth) => Number(from) + nth)
  })

/** Runs a program. Its exit code is 0 if `main` returns true, and 2 after a mistake on the command line. */
export async function runMain(main: () => Promise<boolean>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  try {
    process.exitCode = (await main()) ? 0 : 1
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 2
  }
}
