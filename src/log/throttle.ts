import type { Clock } from '../clock.ts'
import type { LogEventName, LogFields } from './log-events.ts'
import type { Log } from './logger.ts'

/** Milliseconds. */
const INTERVAL = 60_000

/**
 * Writes one line a minute for each event and reason: the first immediately, and at the end of the minute one more
 * with the `count` of those between. `reason`, `operation` and `listener` must be of closed sets.
 */
export function createThrottledLog(clock: Clock, log: Log) {
  const waiting = new Map<string, { count: number; fields: LogFields }>()

  return (event: LogEventName, reason: string, fields: LogFields = {}): void => {
    const key = `${event} ${reason} ${fields.operation ?? ''} ${fields.listener ?? ''}`
    const repeated = waiting.get(key)
    if (repeated !== undefined) {
      repeated.count += 1
      repeated.fields = fields
      return
    }
    log(event, { reason, ...fields, count: 1 })
    const begin = (): void => {
      const entry = { count: 0, fields }
      waiting.set(key, entry)
      clock.setTimer(() => {
        waiting.delete(key)
        if (entry.count === 0) return
        log(event, { reason, ...entry.fields, count: entry.count })
        begin()
      }, INTERVAL)
    }
    begin()
  }
}
