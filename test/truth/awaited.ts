// Faults and findings that wait for a repair of `src/`: a drawn fault is left out, and a finding does not count.
// A given fault (`--faults`) is played, and its findings count.
export const AWAITED = {
  faults: ['young-token'] as readonly string[],
}
