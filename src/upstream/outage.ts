/** Milliseconds for which a call that was not written waits: a restart of iSales, not a shutdown. */
const MAY_RECOVER = 5000
/** Milliseconds without a failed attempt after which the next one begins another outage. */
const MAX_GAP = 5000
/** Milliseconds between attempts to connect: at most 20 per second. */
const INTERVAL = 50

/**
 * Tracks attempts to connect; times are milliseconds. An outage is a run of failed attempts without an opened connection, a
 * response on an open one, or a pause. The pace follows attempts alone: after a failed one, until one opens.
 */
export class Outage {
  #since = Infinity
  #failedAt = -Infinity
  #attemptAt = -Infinity
  #interval = 0

  begun(now: number): void {
    this.#attemptAt = now
  }

  ended(opened: boolean, now: number): void {
    this.#interval = opened ? 0 : INTERVAL
    if (opened) return this.responded()
    this.#since = this.failedLately(now) ? Math.min(this.#since, now) : now
    this.#failedAt = now
  }

  /** iSales responded on an open connection. */
  responded(): void {
    this.#since = Infinity
  }

  /** Returns the milliseconds until the next attempt may begin, at least 0. */
  pause(now: number): number {
    return Math.max(0, this.#attemptAt + this.#interval - now)
  }

  /** True if an attempt failed lately, which explains why a call found no connection. */
  failedLately(now: number): boolean {
    return now - this.#failedAt <= MAX_GAP
  }

  /** True if a call that was not written must not wait any longer. */
  lasts(now: number): boolean {
    return now - this.#since >= MAY_RECOVER
  }
}
