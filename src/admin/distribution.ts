/** A histogram as it stands: `counts[i]` values lie above `bounds[i - 1]` and not above `bounds[i]`; the last has no bound. */
export interface Distribution {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

export interface DistributionTally {
  /** A value below 0, or NaN, is left out. */
  readonly observe: (value: number) => void
  readonly read: () => Distribution
}

/** @param bounds ascending. */
export function createDistribution(bounds: readonly number[]): DistributionTally {
  const counts = new Float64Array(bounds.length + 1)
  let sum = 0
  return {
    observe(value) {
      // Also false for NaN, which would spoil the sum for good.
      if (!(value >= 0)) return
      let slot = 0
      while (slot < bounds.length && value > (bounds[slot] ?? 0)) slot += 1
      counts[slot] = (counts[slot] ?? 0) + 1
      sum += value
    },
    read: () => ({ bounds, counts: [...counts], sum }),
  }
}
