import { SECOND } from '../clock.ts'

/** Milliseconds for which a call that was not written waits for iSales: a restart, not a shutdown. */
const MAY_RECOVER = 5 * SECOND
/** Milliseconds between two attempts to connect, so that all calls together make at most 20 per second. */
const ATTEMPT_INTERVAL = 50

/**
 * Tracks attempts to connect; times are milliseconds of one clock. An outage begins with the first failed attempt after an
 * opened connection, and ends with the next opened connection. Attempts are limited during an outage only.
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
    return this.#since === Infinity ? 0 : Math.max(0, this.#attemptAt + ATTEMPT_INTERVAL - now)
  }

  /** True if a call that was not written must not wait any longer. */
  lasts(now: number): boolean {
    return now - this.#since >= MAY_RECOVER
  }
}
