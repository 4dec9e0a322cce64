/** Exit codes; part of the interface, for scripts and probes. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  notReady: 5,
} as const

/** What each means, for help and docs/configuration.md. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  [
    '0',
    'Done. For serve: stopped by SIGTERM, SIGINT, SIGQUIT or SIGUSR2, and every request in flight was finished or cut after DRAIN_TIMEOUT.',
  ],
  [
    '1',
    'It failed while running: an address is taken, or an unexpected error. check --live, discover: iSales names another host than ISALES_URL.',
  ],
  ['2', 'The configuration or the command line is wrong; nothing was started.'],
  ['3', 'check --live, discover, renew: iSales refused the user or password.'],
  [
    '4',
    'check --live, discover, renew: login was not possible (unreachable, TLS, timeout, throttled, or a response of another kind). check --live, discover: or iSales rejects calls with the token.',
  ],
  [
    '5',
    'wait: not ready in time. check --health, status: the running process does not respond. renew: no proxy runs here, or it may not be signalled.',
  ],
  [
    '130, 131, 140, 143',
    'A second SIGINT, SIGQUIT, SIGUSR2 or SIGTERM ended the process immediately; wait, check, discover and renew end so at the first.',
  ],
]
