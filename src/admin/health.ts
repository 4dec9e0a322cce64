import type { TokenSnapshot } from '../token/events.ts'

export interface HealthOptions {
  readonly snapshot: () => Pick<TokenSnapshot, 'usable' | 'backoff' | 'lastFailure'>
  /** True once every listener accepts connections. */
  readonly listening: () => boolean
  /** True from the first signal on. */
  readonly draining: () => boolean
}

/** An answer to a probe: 200 or 503. */
export interface Verdict {
  readonly status: 200 | 503
  readonly body: Readonly<Record<string, string>>
}

export interface Health {
  /** Depends on nothing but this process: that it answers is the answer. */
  readonly live: () => Verdict
  /** Started once the listeners are up; whether iSales can be logged in to is a matter of readiness. */
  readonly started: () => Verdict
  /** Ready while requests can be forwarded: a usable token, and not on the way out. */
  readonly ready: () => Verdict
}

export function createHealth(options: HealthOptions): Health {
  const ok = (status: string): Verdict => ({ status: 200, body: { status } })
  const not = (reason: string, more: Readonly<Record<string, string>> = {}): Verdict => ({
    status: 503,
    body: { status: 'not ready', reason, ...more },
  })

  return {
    live: () => ok('live'),

    started: () => (options.listening() ? ok('started') : not('starting')),

    ready() {
      if (options.draining()) return not('draining')
      if (!options.listening()) return not('starting')
      const { usable, backoff, lastFailure } = options.snapshot()
      if (usable) return ok('ready')
      if (lastFailure === undefined) return not('no-token')
      return not('no-token', { backoff, lastFailure: lastFailure.failure.reason })
    },
  }
}
