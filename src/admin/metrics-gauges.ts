import { Counter, Gauge, type Registry } from 'prom-client'
import { BACKOFF_STATES, type TokenSnapshot } from '../token/events.ts'
import type { SharingSnapshot } from '../token/sharing.ts'
import { CERTIFICATES, type CertificateEnds } from './certificates.ts'
import { STATES, type State } from './state.ts'

export const PREFIX = 'isales_proxy_'

const SHARING_STATES = ['off', 'shared', 'alone'] as const

export interface GaugeOptions {
  readonly token: () => TokenSnapshot
  readonly state: () => State
  readonly certificates: () => CertificateEnds
  readonly running: { readonly inFlight: number }
  /** Connections to iSales that are open now. */
  readonly upstreamConnections: () => number
  /** Undefined: not configured. */
  readonly sharing?: (() => SharingSnapshot | undefined) | undefined
  /** Lines of the log that could not be written, since the start. Default: none. */
  readonly logLinesDropped?: (() => number) | undefined
  readonly version: string
  /** Milliseconds since 1970; token instants are monotonic and become dates with it. */
  readonly wallClock: () => number
}

/** Everything that is read when the page is. */
export function createGauges(registry: Registry, options: GaugeOptions): void {
  const { token } = options
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name: `${PREFIX}${name}`,
        help,
        registers: [],
        collect() {
          this.set(read())
        },
      }),
    )
  }
  /** Seconds since 1970; 0 for what is not there or not known. */
  const date = (read: (now: TokenSnapshot) => number | undefined) => (): number => {
    const now = token()
    const instant = read(now) ?? Infinity
    return Number.isFinite(instant) ? Math.round(options.wallClock() + instant - now.now) / 1000 : 0
  }

  gauge(
    'authenticated',
    '1 while a usable token is there that iSales is not known to reject, else 0',
    () => Number(token().usable),
  )
  gauge(
    'outage_budget_seconds',
    'How long requests would go on working if every login failed from now',
    () => token().outageBudget / 1000,
  )
  gauge(
    'token_expiry_timestamp_seconds',
    'When the token ends; 0: there is none',
    date(({ session }) => session?.expiresAt),
  )
  gauge(
    'token_next_renewal_timestamp_seconds',
    'When the next login or refresh begins; 0: none is planned',
    date(({ exchange, nextExchangeAt, now }) => (exchange === undefined ? nextExchangeAt : now)),
  )
  gauge(
    'token_last_success_timestamp_seconds',
    'When a token was last obtained; 0: never',
    date(({ lastSuccessAt }) => lastSuccessAt),
  )
  gauge(
    'refresh_token_expiry_timestamp_seconds',
    'When the refresh token ends; 0: there is none, or its end is not known',
    date(({ session }) => session?.refreshExpiresAt),
  )
  gauge('token_waiters', 'Requests that wait for a token', () => token().waiters)
  gauge('requests_in_flight', 'Requests in flight', () => options.running.inFlight)
  gauge('upstream_connections', 'Connections to iSales that are open', options.upstreamConnections)
  const stateGauge = <Each extends string>(
    name: string,
    help: string,
    states: readonly Each[],
    read: () => Each,
  ): void => {
    registry.registerMetric(
      new Gauge({
        name: `${PREFIX}${name}`,
        help: `${help}: 1 for the present state, 0 for the others`,
        labelNames: ['state'],
        registers: [],
        collect() {
          const present = read()
          for (const state of states) this.set({ state }, Number(state === present))
        },
      }),
    )
  }
  stateGauge('state', 'What CTI-OBS gets', STATES, options.state)
  stateGauge(
    'auth_backoff_state',
    'What delays the next login',
    BACKOFF_STATES,
    () => token().backoff,
  )
  registry.registerMetric(
    new Counter({
      name: `${PREFIX}log_lines_dropped_total`,
      help: 'Lines of the log that could not be written',
      registers: [],
      collect() {
        this.reset()
        this.inc(options.logLinesDropped?.() ?? 0)
      },
    }),
  )
  gauge(
    'session_replicas',
    'Replicas that share the token through the store, this one included; 0: not known, or not shared',
    () => options.sharing?.()?.replicas ?? 0,
  )
  stateGauge(
    'session_sharing_state',
    'Whether replicas share one token',
    SHARING_STATES,
    () => options.sharing?.()?.state ?? 'off',
  )
  registry.registerMetric(
    new Gauge({
      name: `${PREFIX}certificate_expiry_timestamp_seconds`,
      help: 'When a certificate ends; 0: none is configured, or it cannot be read',
      labelNames: ['certificate'],
      registers: [],
      collect() {
        const ends = options.certificates()
        for (const certificate of CERTIFICATES) {
          this.set({ certificate }, (ends[certificate] ?? 0) / 1000)
        }
      },
    }),
  )
  const build = new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the version is a label',
    labelNames: ['version'],
    registers: [registry],
  })
  build.set({ version: options.version }, 1)
}
