// Faults and findings that wait for a repair of `src/`: a drawn fault is left out, and a finding does not count.
// A given fault (`--faults`) is played, and its findings count.
export const AWAITED = {
  // oxfmt-ignore
  faults: [
    'empty', 'half-json', 'ok', 'drips', 'nodes', 'young-token', 
    'ended-302', 'ended-419', 'few-places', 'probes', 'password-file',
  ] as readonly string[],
  texts: /tls-expected/,
}
