import { MINUTE, type Clock, type Timer } from '../clock.ts'
import type { LogEventName, LogFields } from './log-events.ts'
import type { Log } from './logger.ts'

/** What came in a minute that has begun. */
interface Repeated {
  readonly event: LogEventName
  readonly reason: string
  readonly minute: Timer
  fields: LogFields
  count: number
}

/**
 * Writes one line a minute for each event and reason: the first immediately, and at the end of the minute one more
 * with the `count` of those between. `reason`, `operation` and `listener` must be of closed sets.
 */
export function createThrottledLog(clock: Clock, log: Log) {
  const open = new Map<string, Repeated>()

  const write = ({ event, reason, fields, count }: Repeated): void => {
    if (count > 0) log(event, { reason, ...fields, count })
  }
  const begin = (key: string, event: LogEventName, reason: string, fields: LogFields): void => {
    const minute = clock.setTimer(() => {
      open.delete(key)
      write(repeated)
      if (repeated.count > 0) begin(key, event, reason, repeated.fields)
    }, MINUTE)
    const repeated: Repeated = { event, reason, minute, fields, count: 0 }
    open.set(key, repeated)
  }

  return {
    log: (event: LogEventName, reason: string, fields: LogFields = {}): void => {
      const key = `${event} ${reason} ${fields.operation ?? ''} ${fields.listener ?? ''}`
      const repeated = open.get(key)
      if (repeated === undefined) {
        log(event, { reason, ...fields, count: 1 })
        begin(key, event, reason, fields)
      } else {
        repeated.count += 1
        repeated.fields = fields
      }
    },
    /** Writes what the minutes that have begun would have written at their ends. */
    end: (): void => {
      for (const repeated of open.values()) {
        repeated.minute.cancel()
        write(repeated)
      }
      open.clear()
    },
  }
}
