import { MINUTE } from '../clock.ts'

export type LogThrottle = ReturnType<typeof createLogThrottle>

/**
 * The only rule for repeated lines: a line is a repetition if it was written within the last minute. Keys and contents are from
 * closed sets; another content is another line.
 *
 * @param now monotonic milliseconds.
 */
export function createLogThrottle(now: () => number) {
  /** When each line was written, and how often its event has happened since, by key and content. */
  const known = new Map<string, Record<string, { at: number; count: number }>>()

  /** Returns how often the event has happened since its line was last written, or 0 if the line is a repetition. */
  const logThrottle = (key: string, content = ''): number => {
    const lines = known.get(key) ?? {}
    const { at, count } = lines[content] ?? { at: -Infinity, count: 0 }
    const isRepeated = now() - at < MINUTE
    lines[content] = isRepeated ? { at, count: count + 1 } : { at: now(), count: 0 }
    known.set(key, lines)
    return isRepeated ? 0 : count + 1
  }

  /** Forgets the key, so that its next line is written. */
  logThrottle.over = (key: string): void => void known.delete(key)

  return logThrottle
}
