import { durationText, timeText, type Words } from '../words/index.ts'
import { readingOf, type Status } from './status.ts'

interface Props {
  readonly status: Status
  readonly words: Words
}

/** SVG takes percentages in attributes, where the style policy allows no inline style. */
function percent(share: number): string {
  return `${Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 100}%`
}

/** The token's lifetime: what is over, what is left, when it is renewed, and the unused end. */
export function LifeLine({ status, words }: Props) {
  const { page } = words
  const { token, renewal: next, authenticated } = status
  if (token === null) return null
  const { lifetimeSeconds, ageSeconds, usableForSeconds } = token
  const usable = ageSeconds + usableForSeconds
  const now = ageSeconds / lifetimeSeconds
  const end = usable / lifetimeSeconds
  const nextIn = next.nextInSeconds
  const renewal = nextIn === null ? Infinity : (ageSeconds + nextIn) / lifetimeSeconds
  const duration = (seconds: number): string => durationText(words, seconds)
  const label = authenticated
    ? words.labelled(page.usable, words.of(duration(usableForSeconds), duration(lifetimeSeconds)))
    : page.notUsable
  const time = (instant: string): string => timeText(Date.parse(instant), readingOf(status))
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
        {nextIn !== null && renewal <= 1 && (
          <>
            <line class="tick" x1={percent(renewal)} x2={percent(renewal)} y1="19" y2="43" />
            <text x={percent(renewal)} y="12" text-anchor={renewal < 0.85 ? 'middle' : 'end'}>
              {words.labelled(
                words.facts[next.failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal'],
                words.in(duration(nextIn)),
              )}
            </text>
          </>
        )}
        {now <= 1 && <circle class="needle" cx={percent(now)} cy="31" r="8" />}
      </svg>
      <p class="ends">
        <span>{`${page.obtained} ${time(token.obtainedAt)}`}</span>
        <span>
          {ageSeconds > lifetimeSeconds
            ? `${page.ended} ${time(token.expiresAt)}`
            : `${page.ends} ${time(token.expiresAt)} · ${words.labelled(page.unused, duration(lifetimeSeconds - usable))}`}
        </span>
      </p>
    </div>
  )
}

const HOUR = 3_600_000
const TOP = 30
const BASE = 118
const OUTCOMES = ['succeeded', 'refused', 'failed'] as const

/** A bar for each minute of the last hour, and a mark for each login and refresh. */
export function CallStrip({ status, words }: Props) {
  const { page } = words
  const { tokenRequests, requests, time } = status
  const { lastHour } = requests
  const reading = readingOf(status)
  const sum = (of: (typeof OUTCOMES)[number]): number =>
    lastHour.reduce((total, minute) => total + minute[of], 0)
  const totals = lastHour.map(({ succeeded, refused, failed }) => succeeded + refused + failed)
  const most = Math.max(...totals, 1)
  const begin = Date.parse(lastHour[0]?.at ?? time)
  const marks = tokenRequests.filter(({ at }) => Date.parse(at) >= begin)
  const counted = (name: (typeof OUTCOMES)[number] | Kind, count: number) =>
    words.labelled(page[name], count.toLocaleString('en-US'))
  const label = words.labelled(
    page.hour,
    [
      ...OUTCOMES.map((outcome) => counted(outcome, sum(outcome))),
      ...KINDS.map((kind) => counted(kind, marks.filter((mark) => kindOf(mark) === kind).length)),
    ].join(words.between),
  )
  const bars = lastHour.map((counts, index) => {
    let base = BASE
    return (
      <g>
        <title>
          {OUTCOMES.map((outcome) => words.labelled(page[outcome], `${counts[outcome]}`)).join(
            words.between,
          )}
        </title>
        {OUTCOMES.filter((outcome) => counts[outcome] > 0).map((outcome) => {
          // One failed call of thousands is seen.
          const height = Math.max(3, Math.round((counts[outcome] * (BASE - TOP)) / most))
          base -= height
          const x = percent((index + 0.1) / 60)
          return <rect class={outcome} x={x} y={base} width={percent(0.8 / 60)} height={height} />
        })}
      </g>
    )
  })
  const signs = marks.map((mark) => {
    const { reason, operation, at, durationSeconds } = mark
    const when = `${page[operation]} ${timeText(Date.parse(at), reading)}`
    const took = words.labelled(when, durationText(words, durationSeconds))
    const x = percent((Date.parse(at) - begin) / HOUR)
    return (
      <svg class="mark" x={x} y="4" overflow="visible">
        <title>{reason === null ? took : words.aside(took, reason)}</title>
        <g transform="translate(-6)">
          <Sign kind={kindOf(mark)} />
        </g>
      </svg>
    )
  })
  return (
    <>
      <svg class="chart" role="img" aria-label={label}>
        <line class="rule" x1="0" x2="100%" y1={BASE} y2={BASE} />
        {bars}
        {signs}
        <text x="0" y={BASE + 17}>
          {page.hourAgo}
        </text>
        <text x="50%" y={BASE + 17} text-anchor="middle">
          {words.labelled(page.most, most.toLocaleString('en-US'))}
        </text>
        <text x="100%" y={BASE + 17} text-anchor="end">
          {page.now}
        </text>
      </svg>
      <ul class="legend">
        {OUTCOMES.map((outcome) => (
          <li>
            <svg aria-hidden="true">
              <rect class={outcome} x="1" y="1" width="10" height="10" rx="2" />
            </svg>
            {page[outcome]}
          </li>
        ))}
        {KINDS.map((kind) => (
          <li>
            <svg aria-hidden="true">
              <Sign kind={kind} />
            </svg>
            {page[kind]}
          </li>
        ))}
      </ul>
    </>
  )
}

const KINDS = ['login', 'refresh', 'failedLogin'] as const
type Kind = (typeof KINDS)[number]

function kindOf({ reason, operation }: Status['tokenRequests'][number]): Kind {
  return reason === null ? operation : 'failedLogin'
}

function Sign({ kind }: { kind: Kind }) {
  if (kind === 'failedLogin') return <path class="cross" d="M3 3l6 6m0 -6l-6 6" />
  return <circle class={kind} cx="6" cy="6" r={kind === 'login' ? 4.5 : 3} />
}
