// The structured log: every line is one of a closed set of events with a closed set of fields. `logThrottle` is the only rule
// for repeated lines. No line contains a secret.
export type { LogEventName, LogFields } from './log-events.ts'
export { accessFields, createLog, type Log } from './logger.ts'
export { openStdout, type Stdout } from './stdout.ts'
export { createLogThrottle, type LogThrottle } from './log-throttle.ts'
