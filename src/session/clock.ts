/** The monotonic clock and its timers; a passed-in one makes time a matter of the test. */
export interface Clock {
  /** Milliseconds, never going back, whatever happens to the date. */
  now(): number
  /** Longer than 24 days counts as 24 days. Never keeps the process alive by itself. */
  setTimer(run: () => void, ms: number): Timer
}

export interface Timer {
  cancel(): void
}
