import { LOST } from './accounting.ts'
import type { Status } from './status-json.ts'
import type { View } from './status-view.ts'

interface Props {
  readonly status: Status
  readonly view: View
}

/** Formats a share of 0 to 1 for an SVG attribute, because the style policy forbids inline styles. */
function percent(share: number): string {
  return `${Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 100}%`
}

/** Bar of the token's lifetime: elapsed and remaining time, next renewal, and the unused end. */
export function LifeLine({ status, view: { words, time, duration } }: Props) {
  const { page, facts, labelled } = words
  const { token, authenticated, groups } = status
  if (token === null) return null
  const { lifetimeSeconds, ageSeconds, usableForSeconds } = token
  const usable = ageSeconds + usableForSeconds
  const now = ageSeconds / lifetimeSeconds
  const end = usable / lifetimeSeconds
  const name = groups.renewal.nextAttempt === undefined ? 'nextRenewal' : 'nextAttempt'
  const instant = groups.renewal[name]
  const isPlanned = typeof instant === 'object' && 'at' in instant
  const wait = isPlanned ? Date.parse(instant.at) - Date.parse(status.time) : Infinity
  const nextIn = Math.max(0, wait) / 1000
  const next = (ageSeconds + nextIn) / lifetimeSeconds
  const label = authenticated
    ? labelled(page.usable, words.of(duration(usableForSeconds), duration(lifetimeSeconds)))
    : page.notUsable
  const ends = time(token.expiresAt)
  return (
    <div class="life">
      <svg role="img" aria-label={label}>
        <clipPath id="rounded">
          <rect y="24" width="100%" height="14" rx="7" />
        </clipPath>
        <g clip-path="url(#rounded)">
          <rect class="track" y="24" width="100%" height="14" />
          {authenticated && (
            <rect class="left" x={percent(now)} y="24" width={percent(end - now)} height="14" />
          )}
          <rect class="margin" x={percent(end)} y="24" width={percent(1 - end)} height="14" />
        </g>
        {next <= 1 && (
          <>
            <line class="tick" x1={percent(next)} x2={percent(next)} y1="19" y2="43" />
            <text x={percent(next)} y="12" text-anchor={next < 0.85 ? 'middle' : 'end'}>
              {labelled(facts[name], words.in(duration(nextIn)))}
            </text>
          </>
        )}
        {now <= 1 && <circle class="needle" cx={percent(now)} cy="31" r="8" />}
      </svg>
      <p class="ends">
        <span>{`${page.obtained} ${time(token.obtainedAt)}`}</span>
        <span>
          {now > 1
            ? `${page.ended} ${ends}`
            : `${page.ends} ${ends} · ${labelled(page.unused, duration(lifetimeSeconds - usable))}`}
        </span>
      </p>
    </div>
  )
}

const TOP = 2
const BASE = 90
const PARTS = ['answered', ...LOST] as const

/** Returns the calls of a part; declined and slow calls are answered ones. */
function countOf(minute: Status['hour'][number], part: (typeof PARTS)[number]): number {
  return minute[part] + (part === 'answered' ? minute.declined + minute.slow : 0)
}

export function CallStrip({ status, view: { words } }: Props) {
  const { page, facts, labelled } = words
  const { hour } = status
  const number = (count: number): string => count.toLocaleString('en-US')
  const counted = (count: (part: (typeof PARTS)[number]) => number): string =>
    PARTS.map((each) => labelled(facts[each], number(count(each)))).join(words.between)
  const label = counted((part) => hour.reduce((sum, one) => sum + countOf(one, part), 0))
  const totals = hour.map((one) => PARTS.reduce((sum, part) => sum + countOf(one, part), 0))
  const most = Math.max(...totals)
  const bars = hour.map((minute, index) => {
    let base = BASE
    return (
      <g>
        <title>{counted((part) => countOf(minute, part))}</title>
        {PARTS.filter((part) => countOf(minute, part) > 0).map((part) => {
          // A single failed call among thousands must be visible.
          const height = Math.max(3, Math.round((countOf(minute, part) * (BASE - TOP)) / most))
          base -= height
          const x = percent((index + 0.1) / 60)
          return <rect class={part} x={x} y={base} width={percent(0.8 / 60)} height={height} />
        })}
      </g>
    )
  })
  return (
    <>
      <svg class="chart" role="img" aria-label={labelled(page.hour, label)}>
        <line class="rule" x1="0" x2="100%" y1={BASE} y2={BASE} />
        {bars}
        <text x="0" y={BASE + 17}>
          {page.hourAgo}
        </text>
        {most > 0 && (
          <text x="50%" y={BASE + 17} text-anchor="middle">
            {labelled(page.most, number(most))}
          </text>
        )}
        <text x="100%" y={BASE + 17} text-anchor="end">
          {page.now}
        </text>
      </svg>
      <ul class="legend">
        {PARTS.map((part) => (
          <li>
            <svg aria-hidden="true">
              <rect class={part} x="1" y="1" width="10" height="10" rx="2" />
            </svg>
            {facts[part]}
          </li>
        ))}
      </ul>
    </>
  )
}
