// The command line: one file a command, each loaded only when it is asked for.
export { EXIT } from './io.ts'
export { runCommand } from './run.ts'
