// Compares the status page with a count of the calls on the wire.

/**
 * The end of a call.
 *
 * - `answered`: iSales responded, and did not reject it.
 * - `refused`: the proxy refused a POST before it forwarded it.
 * - `lost`: otherwise without a response, or rejected.
 * - `unknown`: the wire does not tell, as the proxy may have seen another end than the client.
 */
export type Fate = 'answered' | 'refused' | 'lost' | 'unknown'

/** The part of `/status.json` that is compared. */
export interface StatusPage {
  readonly state?: string
  readonly reason?: string
  readonly findings?: readonly { readonly finding: string; readonly state: string }[]
}

interface Ended {
  readonly at: number
  readonly fate: Fate
}

/** Milliseconds, and numbers of calls: the rules of the program's accounting. */
const WINDOW = 60_000
const WINDOW_CALLS = 20
const LATEST = 5000
const LATEST_CALLS = 3
const MAX_AGE = 600_000
const LEAST = 2
const SHARE = 0.05
/** The page follows a fault within 5 s. */
const SHOWN_WITHIN = 5000
/** Milliseconds between two looks at a page of which nothing else is expected: each costs as much as a call. */
const READ_EVERY = 5000
/** Ends that are kept, at most: more than a minute has. */
const MOST = 4000
/** The proxy's window has buckets, and sees the end of a call earlier or later than its client. */
const SKEW = 2000

const LOST_CALLS: ReadonlySet<string> = new Set(['abandoned', 'refused', 'failed', 'rejected'])
/** States that say why no call is answered. */
const ALL_LOST: ReadonlySet<string> = new Set([
  'failing',
  'starting',
  'unauthenticated',
  'login-rejected',
  'conflict',
  'draining',
])

const isLost = ({ fate }: Ended): boolean => fate === 'lost' || fate === 'refused'

/** At least two calls and 5 % of the window are lost, in spite of the calls of which the wire does not tell. */
function hasLost(ends: readonly Ended[], now: number): boolean {
  const inMinute = ends.filter(({ at }) => at > now - WINDOW + SKEW)
  const recent = inMinute.length < WINDOW_CALLS ? ends.slice(-WINDOW_CALLS) : inMinute
  const total = ends.filter(({ at }) => at > now - WINDOW - SKEW).length
  const lost = recent.filter(isLost).length
  return lost >= LEAST && lost >= SHARE * Math.max(WINDOW_CALLS, total)
}

/** At least two of the latest calls are lost, and none is anything else. Refused calls alone may come from a stranger. */
function hasLostAll(ends: readonly Ended[], now: number): boolean {
  const known = ends.filter(({ at }) => at > now - MAX_AGE)
  const latest = known.filter(({ at }) => at > now - LATEST)
  const filled = latest.length < LATEST_CALLS ? known.slice(-LATEST_CALLS) : latest
  return filled.every(isLost) && filled.filter(({ fate }) => fate === 'lost').length >= LEAST
}

/** No call of the window is lost, as far as the wire tells. */
function hasLostNone(ends: readonly Ended[], now: number): boolean {
  const recent = ends.filter(({ at }) => at > now - WINDOW - SKEW)
  const all = recent.length < WINDOW_CALLS ? ends.slice(-WINDOW_CALLS) : recent
  return all.every(({ fate }) => fate === 'answered')
}

/** The truth about the calls of one process. Ends of calls are reported in order. */
export function createTruth(onFinding: (text: string, at: number) => void) {
  let ends: Ended[] = []
  let someSince = Infinity
  let allSince = Infinity
  let page: StatusPage | undefined
  let expected = ''
  let readAt = -Infinity

  function compare({ state = '', findings = [] }: StatusPage, now: number): void {
    const named = findings.find((one) => LOST_CALLS.has(one.finding) && one.state !== 'healthy')
    if (readAt - someSince >= SHOWN_WITHIN && state === 'healthy')
      onFinding('calls were lost for 5 s, and it is healthy', now)
    if (readAt - allSince >= SHOWN_WITHIN && !ALL_LOST.has(state))
      onFinding(`no call was answered for 5 s, and it is ${state}`, now)
    if (named !== undefined && hasLostNone(ends, now))
      onFinding(`no call was lost, and it is ${named.state} by ${named.finding}`, now)
  }

  return {
    ended: (at: number, fate: Fate) => void ends.push({ at, fate }),

    /** Nothing that was seen before counts: another process has begun, or the page cannot be read. */
    pause(isOther: boolean): void {
      if (isOther) ends = []
      someSince = Infinity
      allSince = Infinity
      page = undefined
    },

    /** The page as it is now. The next look compares it: by then calls that ended before it are known. */
    shows: (shown: StatusPage) => void (page = shown),

    /** Called every second. @returns whether the page is to be read now: something else is expected of it, or it is time. */
    look(now: number): boolean {
      if (ends.length > MOST) ends = ends.slice(-MOST / 2)
      const [some, all] = [hasLost(ends, now), hasLostAll(ends, now)]
      someSince = some ? Math.min(someSince, now) : Infinity
      allSince = all ? Math.min(allSince, now) : Infinity
      if (page !== undefined) compare(page, now)
      page = undefined
      const due = [someSince, allSince].map((since) => now - since >= SHOWN_WITHIN)
      const expects = [...due, hasLostNone(ends, now)].join(' ')
      if (expects === expected && now < readAt + READ_EVERY) return false
      expected = expects
      readAt = now
      return true
    },
  }
}
