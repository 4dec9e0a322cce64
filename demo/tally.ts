import type { Call } from './obs-client.ts'

export interface Tally {
  add(call: Call): void
  readonly requests: number
  readonly failed: number
  /** Requests in the last second. */
  rate(now: number): number
  /** Milliseconds; of the newest 50,000 calls, or of as many as are asked for. */
  percentile(share: number, newest?: number): number
}

const KEPT = 50_000

/** Counts what CTI-OBS saw. */
export function createTally(now: () => number): Tally {
  const durations: number[] = []
  let recent: number[] = []
  let requests = 0
  let failed = 0
  return {
    add({ ok, durationMs }) {
      durations[requests % KEPT] = durationMs
      requests += 1
      if (!ok) failed += 1
      recent.push(now())
    },
    get requests() {
      return requests
    },
    get failed() {
      return failed
    },
    rate(at) {
      recent = recent.filter((then) => at - then < 1000)
      return recent.length
    },
    percentile(share, newest = KEPT) {
      const count = Math.min(requests, newest, KEPT)
      const sorted = Float64Array.from(
        { length: count },
        (_, back) => durations[(requests - 1 - back) % KEPT] ?? 0,
      ).sort()
      return sorted[Math.min(count - 1, Math.floor(count * share))] ?? 0
    },
  }
}
