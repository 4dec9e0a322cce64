import { MINUTE } from '../clock.ts'

/** `count`: events since the line was written. */
type Repeated = { writtenAt: number; count: number }

export type LogThrottle = ReturnType<typeof createLogThrottle>

/**
 * The only rule for repeated lines: a line is a repetition if it was written within the last minute. Keys and contents
 * are from closed sets.
 *
 * @param now monotonic milliseconds.
 */
export function createLogThrottle(now: () => number) {
  const known = new Map<string, Map<string, Repeated>>()

  /**
   * Returns how often the event has happened since its line was last written, or 0 if the line is a repetition.
   *
   * @param content content of the line; another content is another line.
   */
  const logThrottle = (key: string, content = ''): number => {
    const contents = known.get(key) ?? new Map<string, Repeated>()
    known.set(key, contents)
    const before = contents.get(content)
    const count = (before?.count ?? 0) + 1
    if (before !== undefined && now() - before.writtenAt < MINUTE) {
      before.count = count
      return 0
    }
    contents.set(content, { writtenAt: now(), count: 0 })
    return count
  }

  /** Forgets the key, so that its next line is written. */
  logThrottle.over = (key: string): void => void known.delete(key)

  return logThrottle
}
