// The program's script; `test/store/rules.test.ts` holds real servers to it.

/** Returns what the script sees of the stored value. */
export const visible = (value: string): string => (value.length > 32 * 1024 ? 'too long' : value)

/** Returns the stored value after the script; `desired` is '' for a read. */
export const compareAndSwap = (value: string, expected: string, desired: string): string =>
  visible(value) === expected && desired !== '' ? desired : value
