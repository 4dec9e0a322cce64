/** Milliseconds for which a call that was not written waits: a restart of iSales, not a shutdown. */
const MAY_RECOVER = 5000
/** Milliseconds between attempts to connect: at most 20 per second. */
const INTERVAL = 50

/**
 * Tracks attempts to connect; times are milliseconds. An outage begins with the first failed attempt after an opened
 * connection, and ends with the next opened connection. Only during an outage, attempts are limited.
 */
export class Outage {
  #since = Infinity
  #attemptAt = -Infinity

  begun(now: number): void {
    this.#attemptAt = now
  }

  ended(opened: boolean, now: number): void {
    this.#since = opened ? Infinity : Math.min(this.#since, now)
  }

  /** Returns the milliseconds until the next attempt may begin, at least 0. */
  pause(now: number): number {
    return this.#since === Infinity ? 0 : Math.max(0, this.#attemptAt + INTERVAL - now)
  }

  /** True if a call that was not written must not wait any longer. */
  lasts(now: number): boolean {
    return now - this.#since >= MAY_RECOVER
  }
}
