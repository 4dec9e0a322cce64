import type { JudgedToken } from './state.ts'

export interface HealthOptions {
  readonly token: () => Pick<
    JudgedToken,
    'usable' | 'idle' | 'rejected' | 'backoff' | 'lastFailure'
  >
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
  /**
   * Ready while there is a usable token that iSales is not known to reject, or an idle one, and not draining. Failing calls do
   * not end it: a pod that leaves its Service heals nothing.
   */
  readonly ready: () => Verdict
}

export function createHealth({ token, running }: HealthOptions): Health {
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
      const { usable, idle, rejected, backoff, lastFailure } = token()
      if (usable) return ok('ready')
      if (rejected) return not('token-rejected', { backoff })
      // The next call logs in first, as the last login did.
      if (idle && backoff === 'none') return ok('ready')
      if (lastFailure === undefined) return not('no-token')
      return not('no-token', { backoff, lastFailure: lastFailure.failure.reason })
    },
  }
}
