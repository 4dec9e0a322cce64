export type VirtualClock = ReturnType<typeof virtualClock>

/** Time that jumps to what is due next. What is due at one instant runs in the order in which it was set. */
export function virtualClock() {
  const pending = new Set<{ readonly at: number; readonly run: () => void }>()
  let now = 0
  const setTimer = (run: () => void, ms: number) => {
    const entry = { at: now + Math.max(0, ms), run }
    pending.add(entry)
    return { cancel: () => pending.delete(entry) }
  }
  return {
    now: () => now,
    setTimer,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimer(resolve, ms)),
    async runUntil(end: number) {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        let next: { readonly at: number; readonly run: () => void } | undefined
        for (const entry of pending) if (next === undefined || entry.at < next.at) next = entry
        if (next === undefined || next.at > end) break
        pending.delete(next)
        now = next.at
        next.run()
      }
      now = end
    },
  }
}
