/**
 * What the one script of the program makes of a value. `test/store/rules.test.ts` holds real servers to it.
 *
 * @param next '' for a read.
 */
export const compareAndSwap = (value: string, seen: string, next: string): string =>
  value === seen && next !== '' ? next : value
