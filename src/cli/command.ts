import type { Io } from './io.ts'

export interface Flag {
  readonly type: 'boolean' | 'string'
  /** For type `string`: what stands after the flag in the help, such as `60s`. */
  readonly value?: string
  readonly doc: string
}
export type Flags = Readonly<Record<string, Flag>>

/** The values of the flags that were given. */
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]?: F[Name]['type'] extends 'boolean' ? boolean : string
}

/** What each file of a command exports as `command`. */
export interface Command<F extends Flags = Flags> {
  /** One line for the overview. */
  readonly summary: string
  /** What `--help` says besides; paragraphs with an empty line between. */
  readonly text: string
  readonly flags: F
  /** Returns the exit code. */
  run(flags: FlagValues<F>, io: Io): Promise<number>
}

/** Lets the compiler find the type of the flags. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command<F> {
  return command
}
