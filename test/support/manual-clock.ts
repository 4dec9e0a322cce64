import type { Timer } from '../../src/clock.ts'

export type ManualClock = ReturnType<typeof manualClock>

interface Pending {
  readonly at: number
  readonly run: () => void
}

/** Time that stands still until the test moves it. */
export function manualClock(start = 1_000_000) {
  const pending = new Set<Pending>()
  let now = start

  /** Of those for the same time the one that was set first: a set keeps that order. */
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
    setTimer,
    setTimeout: setTimer,
    clearTimeout: (timer: Timer) => timer.cancel(),
    sleep: (ms: number) => new Promise<void>((resolve) => setTimer(resolve, ms)),
    /**
     * Goes forward, running each timer at its own time and in order; those that a timer sets run too. Between
     * timers, promises that are ready run.
     */
    async advance(ms: number) {
      const end = now + ms
      await settle()
      for (let entry = next(); entry !== undefined && entry.at <= end; entry = next())
        await fire(entry)
      now = end
      await settle()
    },
    /** Milliseconds until each timer that waits, the next first. */
    waiting: (): readonly number[] => [...pending].map(({ at }) => at - now).sort((a, b) => a - b),
  }
}

/** After two turns of the event loop every chain of promises that needs no I/O has run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
}
