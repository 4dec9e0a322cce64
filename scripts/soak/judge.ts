/**
 * What a client heard of one attempt.
 *
 * - `success`: iSales' answer, `result` 0.
 * - `relayed`: any other answer of iSales, whatever its status.
 * - `no`, `unknown`: a problem of the proxy, by what it says under `sent`.
 * - `cut`: the connection ended before the answer was whole; nothing can be concluded, as from `unknown`.
 * - `silence`: nothing within half a minute, although the proxy promises an answer within 2.8 s.
 */
export type Heard = 'success' | 'relayed' | 'no' | 'unknown' | 'cut' | 'silence'

/** One attempt of one call; instants in milliseconds. */
export interface Attempt {
  /** Of the call: the same when it is repeated. */
  readonly id: string
  readonly from: number
  readonly to: number
  readonly heard: Heard
  /** 0 when no head came. */
  readonly status: number
  /** Of the proxy's problem. */
  readonly code?: string
  /** The number to call that came in the answer. */
  readonly number?: string
}

export interface Span {
  readonly from: number
  readonly to: number
}

/** Of the proxy's process. */
export interface Sample {
  readonly rssMb: number
  readonly handles: number
}

export interface Evidence {
  readonly attempts: readonly Attempt[]
  /** How often iSales carried a call out, by id. */
  readonly executions: ReadonlyMap<string, number>
  /** When iSales rejected every token, however new. */
  readonly storms: readonly Span[]
  /** When a token was ended early, whoever did it; ascending. */
  readonly earlyEnds: readonly number[]
  /** The hold-offs after conflicts. */
  readonly holdOffs: readonly Span[]
  readonly samples: readonly Sample[]
  readonly locks: number
  readonly proxyExit: number | null
}

export interface Judgement {
  readonly requests: number
  readonly attempts: number
  readonly succeeded: number
  readonly relayed: number
  readonly refused: number
  readonly unknown: number
  readonly heldOff: number
  readonly designedRejections: number
  /** From here on every figure must be 0. */
  readonly lost: number
  readonly doubled: number
  readonly invented: number
  readonly mixedUp: number
  readonly unanswered: number
  readonly curable: number
  readonly locks: number
  /** Median of the last fifth over that of the second fifth, which is past the start. */
  readonly rssGrowthMb: number
  readonly handleGrowth: number
  /** What is wrong, one sentence each; none: passed. */
  readonly faults: readonly string[]
}

/** An early end so soon after another can meet a brand-new token: its rejection is relayed, by design. */
const REPLACE_PAUSE = 30_000
/** How long a waiting request may still be told of a hold-off that has just ended. */
const SETTLE = 3000
export const MOST_GROWTH = { rssMb: 32, handles: 24 } as const

/** Judges a run from what clients heard and what iSales carried out; believes nothing that the proxy says of itself. */
export function judge(evidence: Evidence): Judgement {
  const { attempts, executions, locks } = evidence
  const calls = groupById(attempts)
  const executed = (id: string): number => executions.get(id) ?? 0
  const count = (...heard: readonly Heard[]): number =>
    attempts.filter((attempt) => heard.includes(attempt.heard)).length
  const rejections = attempts.filter(isRejection)
  const designed = rejections.filter((attempt) => isDesigned(attempt, evidence))
  const numbers = attempts.flatMap(({ number }) => number ?? [])

  const figures = {
    requests: calls.size,
    attempts: attempts.length,
    succeeded: count('success'),
    relayed: count('relayed') - rejections.filter(({ heard }) => heard === 'relayed').length,
    refused: count('no'),
    unknown: count('unknown', 'cut'),
    heldOff: attempts.filter((attempt) => isHeldOff(attempt, evidence.holdOffs)).length,
    designedRejections: designed.length,
    lost: [...calls].filter(([id, own]) => executed(id) > 0 && own.every(saysNotExecuted)).length,
    doubled: [...executions.values()].filter((times) => times > 1).length,
    invented: [...calls].filter(([id, own]) => executed(id) === 0 && own.some(isSuccess)).length,
    mixedUp: numbers.length - new Set(numbers).size,
    unanswered: count('silence'),
    curable: rejections.length - designed.length,
    locks,
    ...growth(evidence.samples),
  }
  return { ...figures, faults: faultsOf(figures, evidence) }
}

function faultsOf(figures: Omit<Judgement, 'faults'>, { proxyExit }: Evidence): string[] {
  const zero = ['lost', 'doubled', 'invented', 'mixedUp', 'unanswered', 'curable', 'locks'] as const
  const faults: string[] = zero
    .filter((name) => figures[name] !== 0)
    .map((name) => `${name}: ${figures[name]}, must be 0`)
  if (figures.succeeded === 0) faults.push('nothing succeeded: this run proves nothing')
  // Whatever is not a number fails, too.
  if (!(figures.rssGrowthMb <= MOST_GROWTH.rssMb)) faults.push('memory grows')
  if (!(figures.handleGrowth <= MOST_GROWTH.handles)) faults.push('open handles grow')
  if (proxyExit !== 0) faults.push(`the proxy ended with ${proxyExit}`)
  return faults
}

const isSuccess = ({ heard }: Attempt): boolean => heard === 'success'
const isRejection = ({ status }: Attempt): boolean => status === 401 || status === 403
/** After this a client may repeat the call. */
const saysNotExecuted = (attempt: Attempt): boolean =>
  attempt.heard === 'no' || isRejection(attempt)

function isDesigned({ from, to }: Attempt, { storms, earlyEnds }: Evidence): boolean {
  if (storms.some((storm) => from <= storm.to && to >= storm.from)) return true
  return earlyEnds.some((end, index) => {
    const before = earlyEnds[index - 1]
    const soon = before !== undefined && end - before < REPLACE_PAUSE
    return soon && to >= end && from <= end + REPLACE_PAUSE
  })
}

function isHeldOff({ code, to }: Attempt, holdOffs: readonly Span[]): boolean {
  return code === 'no-token' && holdOffs.some((span) => to >= span.from && to <= span.to + SETTLE)
}

function growth(samples: readonly Sample[]): Pick<Judgement, 'rssGrowthMb' | 'handleGrowth'> {
  const fifth = Math.floor(samples.length / 5)
  const early = samples.slice(fifth, 2 * fifth)
  const late = samples.slice(samples.length - fifth)
  const grown = (of: keyof Sample): number =>
    median(late.map((sample) => sample[of])) - median(early.map((sample) => sample[of]))
  return { rssGrowthMb: grown('rssMb'), handleGrowth: grown('handles') }
}

/** NaN of nothing. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

function groupById(attempts: readonly Attempt[]): ReadonlyMap<string, readonly Attempt[]> {
  const groups = new Map<string, Attempt[]>()
  for (const attempt of attempts) {
    const group = groups.get(attempt.id)
    if (group === undefined) groups.set(attempt.id, [attempt])
    else group.push(attempt)
  }
  return groups
}
