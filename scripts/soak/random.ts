/** Numbers that a seed decides. */
export interface Random {
  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number
  pick<Value>(values: readonly [Value, ...Value[]]): Value
}

/** mulberry32: small, and good enough to choose faults with. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function unit(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    between: (least, most) => least + Math.floor(unit() * (most - least + 1)),
    pick: (values) => values[Math.floor(unit() * values.length)] ?? values[0],
  }
}
