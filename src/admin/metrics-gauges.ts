import { Gauge, type Registry } from 'prom-client'
import { BACKOFF_STATES, type TokenSnapshot } from '../token/events.ts'
import { PREFIX } from './metrics-counts.ts'

export interface GaugeOptions {
  /** Read once at each scrape. */
  readonly snapshot: () => TokenSnapshot
  /** Requests under way now. */
  readonly inFlight: () => number
  readonly version: string
  /** Milliseconds since 1970; session instants are monotonic and become dates with it. */
  readonly wallClock: () => number
}

/** The gauges are set together from one snapshot, so that a page never contradicts itself. */
export function createGauges(registry: Registry, options: GaugeOptions): () => void {
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `${PREFIX}${name}`, help, registers: [registry] })

  const authenticated = gauge('authenticated', '1 while a usable token is at hand, else 0')
  const budget = gauge(
    'outage_budget_seconds',
    'How long requests would go on working if every login failed from now',
  )
  const expiry = gauge('token_expiry_timestamp_seconds', 'When the token ends; 0: there is none')
  const renewal = gauge(
    'token_next_renewal_timestamp_seconds',
    'When the next login or refresh begins; 0: none is planned',
  )
  const success = gauge(
    'token_last_success_timestamp_seconds',
    'When a token was last obtained; 0: never',
  )
  const refreshExpiry = gauge(
    'refresh_token_expiry_timestamp_seconds',
    'When the refresh token ends; 0: there is none, or its end is not known',
  )
  const waiters = gauge('token_waiters', 'Requests that wait for a token')
  const inFlight = gauge('requests_in_flight', 'Requests under way')
  const backoff = new Gauge({
    name: `${PREFIX}auth_backoff_state`,
    help: 'What holds the next login back: 1 for the present state, 0 for the others',
    labelNames: ['state'],
    registers: [registry],
  })
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the version is a label',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: options.version }, 1)

  return () => {
    const now = options.snapshot()
    const { session } = now
    const wall = options.wallClock()
    const date = (instant: number | undefined): number =>
      instant === undefined || !Number.isFinite(instant)
        ? 0
        : Math.round(wall + instant - now.now) / 1000
    authenticated.set(now.usable ? 1 : 0)
    budget.set(now.outageBudget / 1000)
    expiry.set(date(session?.expiresAt))
    renewal.set(date(now.exchange === undefined ? now.nextExchangeAt : now.now))
    success.set(date(now.lastSuccessAt))
    refreshExpiry.set(date(session?.refreshExpiresAt))
    waiters.set(now.waiters)
    inFlight.set(options.inFlight())
    for (const state of BACKOFF_STATES) backoff.set({ state }, state === now.backoff ? 1 : 0)
  }
}
