/**
 * What a client heard of one attempt.
 *
 * - `success`: iSales' response with `result` 0.
 * - `relayed`: any other response of iSales, whatever its status.
 * - `no`, `unknown`: a problem of the proxy, by what it says under `sent`; `no` also when the
 *   connection was refused.
 * - `cut`: the connection ended before the response was whole; as `unknown`.
 * - `silence`: nothing within half a minute, although the proxy promises a response within 2.8 s.
 */
export type Heard = 'success' | 'relayed' | 'no' | 'unknown' | 'cut' | 'silence'

/** One attempt of one call; instants in milliseconds. */
export interface Attempt {
  /** Of the call: the same when it is repeated. */
  readonly id: string
  readonly from: number
  readonly to: number
  readonly heard: Heard
  /** True for the path that is forbidden now and then. */
  readonly probes?: boolean
  /** 0 when no response came. */
  readonly status: number
  /** Of the proxy's problem. */
  readonly code?: string
  /** The number to call that came in the response. */
  readonly number?: string
}

export interface Span {
  readonly from: number
  readonly to: number
}

/** A login or refresh that reached iSales. */
export interface TokenRequest extends Span {
  /** False: a fault kept its token from the proxy, or its password had just been changed. */
  readonly granted: boolean
}

/** Of the proxy's process. */
export interface Sample {
  readonly rssMb: number
  readonly handles: number
}

export interface Evidence {
  readonly attempts: readonly Attempt[]
  /** How often iSales executed a call, by id. */
  readonly executions: ReadonlyMap<string, number>
  /** When iSales rejected every token, however new. */
  readonly storms: readonly Span[]
  /** When iSales rejected the forbidden path. */
  readonly forbidden: readonly Span[]
  /** When a token was ended early, whoever did it; ascending. */
  readonly earlyEnds: readonly number[]
  /** When iSales took no connection. */
  readonly outages: readonly Span[]
  /** As iSales saw them, in the order of their ends; refreshes that it refused are left out. */
  readonly tokenRequests: readonly TokenRequest[]
  /** The hold-offs after conflicts. */
  readonly holdOffs: readonly Span[]
  readonly samples: readonly Sample[]
  readonly locks: number
  /** Exit codes of the proxy. */
  readonly exits: readonly (number | null)[]
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
  readonly forbiddenRejections: number
  readonly incurableRejections: number
  /** From here on every figure must be 0. */
  readonly lost: number
  readonly doubled: number
  readonly invented: number
  readonly mixedUp: number
  readonly silent: number
  readonly curable: number
  readonly locks: number
  /** Median of the last fifth over that of the second fifth, which is past the start. */
  readonly rssGrowthMb: number
  readonly handleGrowth: number
  /** The first rejections that a login could have cured, for whoever has to find out why. */
  readonly examples: readonly Attempt[]
  /** What is wrong, one sentence each; none: passed. */
  readonly failures: readonly string[]
}

/** An early end so soon after another may be the third in a minute: a conflict, with a hold-off. */
const SOON = 30_000
/** What was in flight when the proxy found the conflict, and what it sent until it gave the token up. */
const FINDS_CONFLICT = 1000
/** How long a waiting request may still hear of a hold-off that has just ended. */
const SETTLE = 3000
const EXAMPLES = 20
export const MAX_GROWTH = { rssMb: 32, handles: 24 } as const

/** Judges a run from what clients heard and what iSales executed, not from what the proxy says. */
export function judge(evidence: Evidence): Judgement {
  const { attempts, executions, locks } = evidence
  const calls = groupById(attempts)
  const executed = (id: string): number => executions.get(id) ?? 0
  const count = (...heard: readonly Heard[]): number =>
    attempts.filter((attempt) => heard.includes(attempt.heard)).length
  const rejections = attempts.filter(isRejection)
  const forbidden = rejections.filter((attempt) => isForbidden(attempt, evidence))
  const others = rejections.filter((attempt) => !forbidden.includes(attempt))
  const undesigned = others.filter((attempt) => !isDesigned(attempt, evidence))
  const without = [...evidence.outages, ...withoutLogin(evidence.tokenRequests)]
  const curable = undesigned.filter((attempt) => !isWithin(attempt, without))
  const numbers = attempts.flatMap(({ number }) => number ?? [])

  const figures = {
    requests: calls.size,
    attempts: attempts.length,
    succeeded: count('success'),
    relayed: count('relayed') - rejections.filter(({ heard }) => heard === 'relayed').length,
    refused: count('no'),
    unknown: count('unknown', 'cut'),
    heldOff: attempts.filter((attempt) => isHeldOff(attempt, evidence.holdOffs)).length,
    designedRejections: others.length - undesigned.length,
    forbiddenRejections: forbidden.length,
    incurableRejections: undesigned.length - curable.length,
    lost: [...calls].filter(([id, own]) => executed(id) > 0 && own.every(saysNotExecuted)).length,
    doubled: [...executions.values()].filter((times) => times > 1).length,
    invented: [...calls].filter(([id, own]) => executed(id) === 0 && own.some(isSuccess)).length,
    mixedUp: numbers.length - new Set(numbers).size,
    silent: count('silence'),
    curable: curable.length,
    examples: curable.slice(0, EXAMPLES),
    locks,
    ...growth(evidence.samples),
  }
  return { ...figures, failures: failuresOf(figures, evidence) }
}

function failuresOf(figures: Omit<Judgement, 'failures'>, { exits }: Evidence): string[] {
  const zero = ['lost', 'doubled', 'invented', 'mixedUp', 'silent', 'curable', 'locks'] as const
  const failures: string[] = zero
    .filter((name) => figures[name] !== 0)
    .map((name) => `${name}: ${figures[name]}, must be 0`)
  if (figures.succeeded === 0) failures.push('nothing succeeded: this run proves nothing')
  // Whatever is not a number fails, too.
  if (!(figures.rssGrowthMb <= MAX_GROWTH.rssMb)) failures.push('memory grows')
  if (!(figures.handleGrowth <= MAX_GROWTH.handles)) failures.push('open handles grow')
  for (const exit of exits) if (exit !== 0) failures.push(`the proxy ended with ${exit}`)
  return failures
}

const isSuccess = ({ heard }: Attempt): boolean => heard === 'success'
const isRejection = ({ status }: Attempt): boolean => status === 401 || status === 403
/** After this a client may repeat the call. */
const saysNotExecuted = (attempt: Attempt): boolean =>
  attempt.heard === 'no' || isRejection(attempt)

export function isWithin({ from, to }: Span, spans: readonly Span[]): boolean {
  return spans.some((span) => from <= span.to && to >= span.from)
}

/** Only of the forbidden path: a rejection of any other call meanwhile is judged as always. */
function isForbidden(attempt: Attempt, { forbidden }: Evidence): boolean {
  const { probes, heard } = attempt
  return probes === true && heard === 'relayed' && isWithin(attempt, forbidden)
}

/** From a token request that failed to the next one that was granted: no login could cure anything. */
function withoutLogin(requests: readonly TokenRequest[]): readonly Span[] {
  const spans: { from: number; to: number }[] = []
  for (const { granted, from, to } of requests) {
    const open = spans.at(-1)
    const isOpen = open?.to === Infinity
    if (!granted && !isOpen) spans.push({ from, to: Infinity })
    else if (granted && isOpen) open.to = to
  }
  return spans
}

function isDesigned(attempt: Attempt, { storms, earlyEnds }: Evidence): boolean {
  if (isWithin(attempt, storms)) return true
  const { from, to } = attempt
  return earlyEnds.some((end, index) => {
    const before = earlyEnds[index - 1]
    const soon = before !== undefined && end - before < SOON
    return soon && to >= end && from <= end + FINDS_CONFLICT
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
  const sorted = values
    .filter((value) => !Number.isNaN(value))
    .toSorted((one, other) => one - other)
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
