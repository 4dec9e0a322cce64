import type { TokenSnapshot } from '../token/events.ts'

export interface HealthOptions {
  readonly snapshot: () => Pick<TokenSnapshot, 'usable' | 'backoff' | 'lastFailure'>
  readonly running: {
    /** Every listener accepts connections. */
    readonly listening: boolean
    /** A signal has come. */
    readonly draining: boolean
  }
}

/** The response to a probe: 200 or 503. */
export interface Verdict {
  readonly status: 200 | 503
  readonly body: Readonly<Record<string, string>>
}

export interface Health {
  /** Depends on nothing but this process, so that an outage of iSales restarts no container. */
  readonly live: () => Verdict
  /** Started once the listeners are up; whether a login succeeds is a matter of readiness. */
  readonly started: () => Verdict
  /** Ready while requests can be forwarded: a usable token, and not draining. */
  readonly ready: () => Verdict
}

export function createHealth({ snapshot, running }: HealthOptions): Health {
  const ok = (status: string): Verdict => ({ status: 200, body: { status } })
  const not = (reason: string, more: Readonly<Record<string, string>> = {}): Verdict => ({
    status: 503,
    body: { status: 'not ready', reason, ...more },
  })

  return {
    live: () => ok('live'),
    started: () => (running.listening ? ok('started') : not('starting')),
    ready() {
      if (running.draining) return not('draining')
      if (!running.listening) return not('starting')
      const { usable, backoff, lastFailure } = snapshot()
      if (usable) return ok('ready')
      if (lastFailure === undefined) return not('no-token')
      return not('no-token', { backoff, lastFailure: lastFailure.failure.reason })
    },
  }
}
