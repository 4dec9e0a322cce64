import { CHECK_FLAGS, WAIT_FLAGS } from './flag-tables.ts'
import type { Flags } from './flags.ts'
import type { Run } from './io.ts'

export interface Command {
  /** One line for the overview. */
  readonly summary: string
  /** What `--help` says besides; paragraphs parted by an empty line. */
  readonly text: string
  readonly flags: Flags
  readonly load: () => Promise<{ readonly run: Run }>
}

/** Each is loaded only when it is asked for: what serves carries nothing of the others. */
export const COMMANDS = {
  serve: {
    summary: 'Run the proxy (the default)',
    text: `Logs in to CC-iSales, keeps the token fresh, and puts it on every request that
comes in at LISTEN. Everything is set by environment variables; see
docs/configuration.md, and "check" for what is in force.

SIGTERM or SIGINT: readiness goes off, requests under way are finished, exit 0.
A second signal ends the process at once.`,
    flags: {},
    load: () => import('./serve.ts'),
  },
  check: {
    summary: 'Judge the configuration, the login, or a running proxy',
    text: `Prints every setting with its value (secrets redacted), where it came from and
its default, and everything that is wrong with what to do about it.

With --live it then logs in once, never twice: a wrong password costs one attempt.
Where iSales allows a user one session only, that login may end the session of a
running proxy, which then logs in again.`,
    flags: CHECK_FLAGS,
    load: () => import('./check.ts'),
  },
  wait: {
    summary: 'Wait until a running proxy is ready',
    text: `Asks the proxy that runs here (ADMIN_LISTEN, /readyz) until it is ready to forward
requests, so that what depends on it can be started after it.`,
    flags: WAIT_FLAGS,
    load: () => import('./wait.ts'),
  },
} as const satisfies Record<string, Command>

export type CommandName = keyof typeof COMMANDS
