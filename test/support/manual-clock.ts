import type { Timer } from '../../src/clock.ts'

export type ManualClock = ReturnType<typeof manualClock>

interface Pending {
  readonly at: number
  readonly run: () => void
}

const DATE = Date.parse('2026-03-01T12:00:00Z')

/** Creates a clock that only the test moves. */
export function manualClock(start = 1_000_000) {
  const pending = new Set<Pending>()
  let now = start

  /** Returns the earliest timer; among equal times, the one that was set first. */
  const next = (): Pending | undefined => {
    let first: Pending | undefined
    for (const entry of pending) if (first === undefined || entry.at < first.at) first = entry
    return first
  }

  function setTimer(run: () => void, ms: number): Timer {
    const entry = { at: now + Math.max(0, ms), run }
    pending.add(entry)
    return { cancel: () => pending.delete(entry) }
  }

  async function fire(entry: Pending): Promise<void> {
    pending.delete(entry)
    now = Math.max(now, entry.at)
    entry.run()
    await settle()
  }

  return {
    now: () => now,
    date: () => DATE + now - start,
    setTimer,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimer(resolve, ms)),
    /** Moves the clock and runs every due timer at its own time, also timers that a timer sets. Promises settle in between. */
    async advance(ms: number) {
      const end = now + ms
      await settle()
      for (let entry = next(); entry !== undefined && entry.at <= end; entry = next())
        await fire(entry)
      now = end
      await settle()
    },
    /** Milliseconds until every pending timer, the next first. */
    waiting: (): readonly number[] => [...pending].map(({ at }) => at - now).sort((a, b) => a - b),
  }
}

/** Waits two turns of the event loop, after which promises without I/O have settled. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
}
