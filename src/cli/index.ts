// The command line: one file a command, each loaded only when it is asked for.
export { EXIT } from './exit-codes.ts'
export { runCommand } from './run.ts'
