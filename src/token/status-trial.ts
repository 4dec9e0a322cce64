import { MINUTE, SECOND } from '../clock.ts'

/**
 * Whether iSales ends tokens with a status that is not in `ISALES_REJECTED`, such as 302, 404 or 419: one login shows it. No
 * call is sent again for it, because a redirect may follow an execution. Instants are milliseconds on the monotonic clock.
 *
 * @example iSales redirects calls without a valid token
 *   0.0 s  a call gets 302, and so do all others: at 1.0 s a login is due
 *   1.1 s  a call with the newer token is accepted: 302 is learned
 * 300.0 s  two calls get 302, and no other is accepted between them: a login is due at once
 */
export const NO_TRIAL = {
  /**
   * - `none`: no call with this status since the last accepted one.
   * - `seen`: only calls with this status since then.
   * - `due`: a login is due at `dueAt`.
   * - `open`: the newer token has no result yet.
   * - `over`: it did not help. Nothing more is tried before a call is accepted.
   */
  phase: 'none' as 'none' | 'seen' | 'due' | 'open' | 'over',
  status: 0,
  count: 0,
  since: -Infinity,
  dueAt: Infinity,
  triedAt: -Infinity,
  /** Status after which a newer token helped, and when. */
  learned: undefined as number | undefined,
  helpedAt: -Infinity,
}
export type StatusTrial = Readonly<typeof NO_TRIAL>

const LEAST = 3
const LASTING = SECOND
const TRIALS_APART = 30 * SECOND
/** How soon after an accepted call a status may be a token's end. */
const SOON = MINUTE
/** How long a trial that helped is shown. */
const SHOWN_FOR = 10 * MINUTE
/** Say nothing about the token: a slow or large request, a conflict, or too many requests. */
const OF_REQUEST: ReadonlySet<number> = new Set([304, 408, 409, 413, 414, 415, 429, 431])

/** A response of 200 with a web page, or of 300 or more. `acceptedAt`: the last accepted call was sent. */
export type Declined = Readonly<{ status: number; acceptedAt: number }>

/** Records such a response. */
export function decline(
  trial: StatusTrial,
  { status, acceptedAt }: Declined,
  now: number,
): StatusTrial {
  const { phase, learned } = trial
  if (status >= 500 || OF_REQUEST.has(status) || phase === 'due' || phase === 'over') return trial
  if (phase === 'open')
    return { ...trial, phase: 'over', learned: learned === status ? undefined : learned }
  const isAgain = phase === 'seen' && trial.status === status
  const seen = isAgain ? trial : { ...trial, phase: 'seen' as const, status, count: 0, since: now }
  const count = seen.count + 1
  const isSoon = seen.since - acceptedAt <= SOON
  const isLong = isSoon && count >= LEAST && now - seen.since >= LASTING
  const isEnd = isLong || (learned === status && count > 1)
  if (!isEnd) return { ...seen, count }
  return { ...seen, phase: 'due', dueAt: Math.max(now, trial.triedAt + TRIALS_APART) }
}

/** Records an accepted call. If it was sent after one with the status, and with the same token, the status ended no token. */
export function succeed(trial: StatusTrial, sentAt: number, now: number): StatusTrial {
  const { phase, status, since } = trial
  const next = { ...trial, phase: 'none' as const, dueAt: Infinity }
  if (phase === 'open') return { ...next, learned: status, helpedAt: now }
  return trial.learned === status && sentAt > since ? { ...next, learned: undefined } : next
}

/** Records a newer token; `requestedAt` as for rejections. */
export function renewed(trial: StatusTrial, requestedAt: number | undefined, now: number) {
  if (trial.phase === 'none') return trial
  const isTried = trial.dueAt <= (requestedAt ?? now)
  const phase = isTried ? ('open' as const) : ('none' as const)
  return { ...trial, phase, dueAt: Infinity, triedAt: isTried ? now : trial.triedAt }
}

/** Records a token request that failed. */
export function failedTrial(trial: StatusTrial, now: number): StatusTrial {
  return trial.dueAt > now ? trial : { ...trial, phase: 'over', dueAt: Infinity, triedAt: now }
}

/** Returns the status after which newer tokens help; undefined if none is known, or the last help was too long ago. */
export function endingStatus({ learned, helpedAt }: StatusTrial, now: number): number | undefined {
  return now - helpedAt < SHOWN_FOR ? learned : undefined
}
