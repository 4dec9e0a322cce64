// The structured log: each line is one of a closed set of events with a closed set of fields. What comes often is
// throttled. Nothing that is logged holds a secret.
export type { LogEventName, LogFields } from './log-events.ts'
export { accessFields, createLog, type Log } from './logger.ts'
export { openStdout } from './stdout.ts'
export { createThrottledLog } from './throttle.ts'
