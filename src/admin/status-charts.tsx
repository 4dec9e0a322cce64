import type { Status } from './status.ts'
import { AUTH_FAILURES } from '../token/protocol.ts'
import { ago, clockTime, duration } from './format.ts'

/** SVG takes percentages in attributes, where the style policy allows no inline style. */
function percent(share: number): string {
  return `${Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 100}%`
}

/** The token's lifetime: what is over, what is left, when it is renewed, and the unused end. */
export function LifeLine({
  status,
  token,
}: {
  status: Status
  token: NonNullable<Status['token']>
}) {
  const { lifetimeSeconds, ageSeconds, usableForSeconds } = token
  const usable = ageSeconds + usableForSeconds
  const now = ageSeconds / lifetimeSeconds
  const end = usable / lifetimeSeconds
  const { nextInSeconds } = status.renewal
  const renewal =
    nextInSeconds === null ? undefined : (ageSeconds + nextInSeconds) / lifetimeSeconds
  const label = status.authenticated
    ? `The token is usable for ${duration(usableForSeconds)} of ${duration(lifetimeSeconds)}.`
    : 'The token is not usable.'
  return (
    <div class="life">
      <svg role="img" aria-label={label}>
        <clipPath id="rounded">
          <rect y="24" width="100%" height="14" rx="7" />
        </clipPath>
        <g clip-path="url(#rounded)">
          <rect class="track" y="24" width="100%" height="14" />
          {status.authenticated && (
            <rect class="left" x={percent(now)} y="24" width={percent(end - now)} height="14" />
          )}
          <rect class="margin" x={percent(end)} y="24" width={percent(1 - end)} height="14" />
        </g>
        {renewal !== undefined && renewal <= 1 && (
          <>
            <line class="tick" x1={percent(renewal)} x2={percent(renewal)} y1="19" y2="43" />
            <text x={percent(renewal)} y="12" text-anchor={renewal < 0.85 ? 'middle' : 'end'}>
              {status.renewal.failuresInRow > 0 ? 'next attempt' : 'renewal'} in{' '}
              {duration(nextInSeconds ?? 0)}
            </text>
          </>
        )}
        {now <= 1 && <circle class="needle" cx={percent(now)} cy="31" r="8" />}
      </svg>
      <p class="ends">
        <span>Obtained {clockTime(token.obtainedAt)}</span>
        <span>
          {ageSeconds > lifetimeSeconds ? 'Ended' : 'Ends'} {clockTime(token.expiresAt)}; the last{' '}
          {duration(lifetimeSeconds - usable)} are not used
        </span>
      </p>
    </div>
  )
}

const SLOTS = 60
const TOP = 18
const BASE = 112

/** One bar for each login and refresh; its height is the duration. A failed one is crossed. */
export function TokenRequestChart({ status }: { status: Status }) {
  const { exchanges, time } = status
  const longest = Math.max(...exchanges.map((exchange) => exchange.durationSeconds), 0.001)
  const failures = exchanges.filter((exchange) => exchange.reason !== null).length
  const first = exchanges[0]
  // Two labels would cover one another on a phone.
  const crowded = exchanges.length < 30
  const label = `The last ${exchanges.length} logins and refreshes: ${failures} failed, the longest took ${duration(longest)}.`
  return (
    <>
      <svg class="chart" role="img" aria-label={label}>
        <line class="rule" x1="0" x2="100%" y1={TOP} y2={TOP} />
        <line class="rule" x1="0" x2="100%" y1={BASE} y2={BASE} />
        <text x="0" y={TOP - 6}>
          duration, up to {duration(longest)}
        </text>
        {exchanges.map((exchange, index) => (
          <Bar
            exchange={exchange}
            slot={SLOTS - exchanges.length + index}
            height={(exchange.durationSeconds / longest) * (BASE - TOP)}
          />
        ))}
        {first !== undefined && !crowded && (
          <text x={percent((SLOTS - exchanges.length) / SLOTS)} y="129">
            {ago(first.at, time)}
          </text>
        )}
        <text x="100%" y="129" text-anchor="end">
          {first !== undefined && crowded ? `${ago(first.at, time)} to now` : 'now'}
        </text>
      </svg>
      <ul class="legend">
        {(['login', 'refresh', 'failed'] as const).map((kind) => (
          <li>
            <svg aria-hidden="true">
              <rect class={kind} x="1" y="1" width="10" height="10" rx="2" />
              {kind === 'failed' && <path class="cross" d="M4 4l4 4m0-4l-4 4" />}
            </svg>
            {kind}
          </li>
        ))}
      </ul>
    </>
  )
}

function Bar(props: { exchange: Status['exchanges'][number]; slot: number; height: number }) {
  const { exchange, slot } = props
  const height = Math.max(4, Math.round(props.height))
  const { reason, operation, at, durationSeconds } = exchange
  const took = `${operation} ${clockTime(at)}, ${duration(durationSeconds)}`
  const x = percent((slot + 0.15) / SLOTS)
  const width = percent(0.7 / SLOTS)
  return (
    <g>
      <title>{reason === null ? took : `${took}: ${reason}, ${AUTH_FAILURES[reason]}`}</title>
      <rect
        class={reason === null ? operation : 'failed'}
        x={x}
        y={BASE - height}
        width={width}
        height={height}
        rx="1.5"
      />
      {reason !== null && (
        <svg x={percent((slot + 0.5) / SLOTS)} y={BASE - height - 7} overflow="visible">
          <path class="cross" d="M-2.5 -2.5l5 5m0 -5l-5 5" />
        </svg>
      )}
    </g>
  )
}

/** Responses by status class, as shares of one line. */
export function ShareBar({ requests: { byStatusClass, total } }: Pick<Status, 'requests'>) {
  let before = 0
  const parts = Object.entries(byStatusClass)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => {
      const x = percent(before / total)
      before += count
      return <rect class={`c${name}`} x={x} width={percent(count / total)} height="10" />
    })
  return (
    <svg class="share" aria-hidden="true">
      <rect class="track" width="100%" height="10" />
      {parts}
    </svg>
  )
}
