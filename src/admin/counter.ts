/** A count for each value of a closed set. */
export interface Counter<Value extends string> {
  readonly add: (value: Value) => void
  /** Every value, those that never came too: `rate()` would miss the first of a series that begins with it. */
  readonly read: () => ReadonlyMap<Value, number>
}

/** A value that is not among `values` is not counted: what a client makes up never becomes a label. */
export function createCounter<Value extends string>(values: readonly Value[]): Counter<Value> {
  const counts = new Map(values.map((value) => [value, 0]))
  return {
    add(value) {
      const count = counts.get(value)
      if (count !== undefined) counts.set(value, count + 1)
    },
    read: () => counts,
  }
}
