/** Returns the value after the program's script; `next` is '' for a read. `test/store/rules.test.ts` holds real servers to it. */
export const compareAndSwap = (value: string, seen: string, next: string): string =>
  value === seen && next !== '' ? next : value
