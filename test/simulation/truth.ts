// Compares the status page with the calls and the token requests on the wire: properties 1, 3, 4 and 5.
import type { Status } from '../../src/admin/index.ts'
import type { Arrival } from './wire.ts'

/**
 * The end of a call.
 *
 * - `answered`: iSales responded, and did not reject it.
 * - `refused`: the proxy refused a POST before it forwarded it.
 * - `rejected`: with a response that rejects it.
 * - `lost`: otherwise without a response.
 * - `useless`: iSales's response to a POST is none, or an error.
 * - `unknown`: the wire does not show it, because the proxy may have seen another end than the client.
 */
export type Fate = 'answered' | 'refused' | 'rejected' | 'lost' | 'useless' | 'unknown'

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
/** A token that arrives within this time after `renew` is its effect. */
const REMEDY = 60_000
/** The page follows a fault within 5 s. */
const SHOWN_WITHIN = 5000
/** Milliseconds between two reads of a page with no new expectation: each costs as much as a call. */
const READ_EVERY = 5000
/** Maximum ends that are kept: more than a minute has. */
const MOST = 4000
/** The proxy's window has buckets, and sees the end of a call earlier or later than its client. */
const SKEW = 2000

/** A grant soon before or after a rejection may make it one that no login can fix. */
const REPLACED = 4000

/** The finding about a rejected token ends so long after the last rejection, or after a newer token. */
const REJECTED_FOR = 600_000
const REJECTED_AFTER_GRANT = 10_000
/** Milliseconds after a promised login until the next look at the page shows that there was none. */
const LATE = 6000
/** Findings that name the cause of a login pause. */
const LOGIN: ReadonlySet<unknown> = new Set(['login', 'refreshes-only'])

/** By the status with which iSales rejected a login: the causes of the finding about logins. */
const CAUSES: Readonly<Record<number, readonly string[]>> = {
  200: ['result'],
  401: ['account', 'login-page'],
  403: ['password', 'login-page'],
  // Without a `result` in JSON, a 500 does not count as a rejection.
  500: ['business', 'business-later', 'server-error'],
}

const LOST_CALLS: ReadonlySet<string> = new Set(['abandoned', 'refused', 'failed', 'rejected'])
/** States that explain why no call is answered. */
const ALL_LOST: ReadonlySet<string> = new Set([
  'failing',
  'starting',
  'unauthenticated',
  'login-rejected',
  'conflict',
  'draining',
])

const LOST: ReadonlySet<Fate> = new Set<Fate>(['refused', 'rejected', 'lost'])
const isLost = ({ fate }: Ended): boolean => LOST.has(fate)

/** True if at least two calls and 5 % of the window are lost, even if every unknown call was answered. */
function hasLost(ends: readonly Ended[], now: number): boolean {
  const inMinute = ends.filter(({ at }) => at > now - WINDOW + SKEW)
  const recent = inMinute.length < WINDOW_CALLS ? ends.slice(-WINDOW_CALLS) : inMinute
  const total = ends.filter(({ at }) => at > now - WINDOW - SKEW).length
  const lost = recent.filter(isLost).length
  return lost >= LEAST && lost >= SHARE * Math.max(WINDOW_CALLS, total)
}

/** True if all of the latest calls are lost or useless, at least two of them other than by a refusal. */
function hasLostAll(ends: readonly Ended[], now: number): boolean {
  const known = ends.filter(({ at }) => at > now - MAX_AGE)
  const latest = known.filter(({ at }) => at > now - LATEST)
  const filled = latest.length < LATEST_CALLS ? known.slice(-LATEST_CALLS) : latest
  const isGone = (end: Ended): boolean => isLost(end) || end.fate === 'useless'
  return filled.every(isGone) && filled.filter(({ fate }) => fate !== 'refused').length >= LEAST
}

/** True if every call of the window was answered. */
function hasLostNone(ends: readonly Ended[], now: number): boolean {
  const recent = ends.filter(({ at }) => at > now - WINDOW - SKEW)
  const all = recent.length < WINDOW_CALLS ? ends.slice(-WINDOW_CALLS) : recent
  return all.every(({ fate }) => fate === 'answered')
}

/** Compares the page of one process with its calls. Ends of calls are reported in order. */
export function createTruth(onFinding: (property: number, text: string, at: number) => void) {
  let ends: Ended[] = []
  let someSince = Infinity
  let allSince = Infinity
  let page: Status | undefined
  /** The proxy refuses a request that was sent ahead up to 3 s before its client knows. */
  let doubt: { readonly at: number; readonly text: string } | undefined
  let expected = ''
  let readAt = -Infinity
  /** Of calls: the last rejection, and the first response after it that is not one. */
  let rejectedAt = -Infinity
  let otherAt = Infinity
  let grantedAt = -Infinity
  /** The last rejection that is not explained by a token that has ended and that no grant replaced in time. */
  let unexplainedAt = -Infinity
  let lastGrantAt = -Infinity
  /** iSales has responded to this process. */
  let hasResponse = false
  /** When the page says that logins are paused until. */
  let promised: number | undefined
  /** A login was sent after the page was read. */
  let isKept = false
  let askedAt = -Infinity

  /** After `renew`, and after the token that follows it, earlier rejections no longer count. */
  function forgive(): void {
    ends = ends.map((end) => (end.fate === 'rejected' ? { ...end, fate: 'unknown' } : end))
  }

  /** Property 2: no cause that something seen at the same time contradicts. */
  function compareCauses({ findings }: Status, now: number): void {
    const isNamed = (name: string): boolean => findings.some(({ cause }) => cause === name)
    if (hasResponse && isNamed('tls-expected'))
      onFinding(2, 'tls-expected: iSales has responded over this URL', now)
    if (now > unexplainedAt + REJECTED_FOR && isNamed('call-rejected'))
      onFinding(2, 'call-rejected: only tokens were rejected that no login replaced', now)
  }

  /** Property 3: while iSales rejects the login, the page says so, however refreshes end. */
  function compareLogin(
    { findings }: Status,
    status: number,
    isChanged: boolean,
    now: number,
  ): void {
    const said = findings.find(({ finding }) => LOGIN.has(finding))
    const isRight = said !== undefined && CAUSES[status]?.includes(said.cause ?? '') === true
    if (isChanged && said !== undefined && !('changedAt' in Object.fromEntries(said.facts)))
      onFinding(3, 'login pause: the page does not say that the file has changed', now)
    if (!isRight)
      onFinding(
        3,
        `login pause: iSales answered ${status}, and it says ${said?.code} ${said?.cause}`,
        now,
      )
  }

  /** Property 3: a login follows at the promised time. */
  function comparePromise({ time, findings }: Status, now: number): void {
    const said = findings.find(({ finding }) => LOGIN.has(finding))
    if (said === undefined) return void (promised = undefined)
    if (promised !== undefined && now > promised + LATE) {
      onFinding(3, 'paused until: no login followed at the time that was said', now)
      promised = undefined
    }
    const [, value] = said.facts.find(([name]) => name === 'pausedUntil') ?? []
    if (value !== undefined)
      promised ??= now + Date.parse((value as { readonly at: string }).at) - Date.parse(time)
  }

  /** Properties 2 and 4: the finding about a rejected token has rejections, and ends. */
  function compareRejections({ findings }: Status, now: number): void {
    const isShown = (name: string): boolean => findings.some(({ finding }) => finding === name)
    if (!isShown('token-rejected')) return
    if (isShown('waiting')) onFinding(2, 'token-rejected: calls wait for a token', now)
    const late = now - SHOWN_WITHIN - SKEW
    if (late > otherAt) onFinding(2, 'token-rejected: iSales has answered otherwise since', now)
    else if (late > rejectedAt + REJECTED_FOR)
      onFinding(4, 'token-rejected: 10 min after the last rejection', now)
    else if (grantedAt > rejectedAt && late > grantedAt + REJECTED_AFTER_GRANT)
      onFinding(4, 'token-rejected: 10 s after a newer token', now)
  }

  function compare(shown: Status, now: number): void {
    const { state, findings } = shown
    compareRejections(shown, now)
    compareCauses(shown, now)
    if (!isKept) comparePromise(shown, now)
    const named = findings.find((one) => LOST_CALLS.has(one.finding) && one.state !== 'healthy')
    if (readAt - someSince >= SHOWN_WITHIN && state === 'healthy')
      onFinding(1, 'calls were lost for 5 s, and it is healthy', now)
    if (readAt - allSince >= SHOWN_WITHIN && !ALL_LOST.has(state))
      onFinding(1, `no call was answered for 5 s, and it is ${state}`, now)
    if (named !== undefined && hasLostNone(ends, now))
      doubt ??= { at: now, text: `no call was lost, and it is ${named.state} by ${named.finding}` }
  }

  return {
    ended: (at: number, fate: Fate) => void ends.push({ at, fate }),

    /** iSales answered a call of this process. */
    arrived({ rejected, status, cut, from, to }: Arrival): void {
      hasResponse ||= status > 0 && !cut
      if (rejected === 'call' || to < lastGrantAt + REPLACED) unexplainedAt = to
      if (rejected !== undefined) {
        rejectedAt = Math.max(rejectedAt, to)
        otherAt = Infinity
      } else if (status > 0 && from > rejectedAt) otherAt = Math.min(otherAt, to)
    },

    /** iSales granted the account a token. `isHeld`: this process must have it. */
    granted(at: number, isHeld: boolean): void {
      if (at < rejectedAt + REPLACED) unexplainedAt = at
      lastGrantAt = at
      if (isHeld) grantedAt = at
      if (at - askedAt < REMEDY) forgive()
    },

    /** An operator asked this process for a login. */
    asked(at: number): void {
      askedAt = at
      forgive()
    },

    /** A login was sent, or other credentials are in the file. */
    noPromise(): void {
      promised = undefined
      isKept = true
    },

    /** Forgets the page, and if another process has started, also the calls. */
    pause(isOther: boolean): void {
      if (isOther) [ends, rejectedAt, otherAt, hasResponse] = [[], -Infinity, Infinity, false]
      promised = undefined
      someSince = Infinity
      allSince = Infinity
      page = undefined
      doubt = undefined
    },

    /** Takes the current page. The next look compares it, when calls that ended before it are known. */
    shows(shown: Status): void {
      page = shown
      isKept = false
    },

    /**
     * Called every second. `refused`: the status with which iSales rejects logins, if the page must say so. `isChanged`: the file has
     * changed since the process began, and lately.
     *
     * @returns true if the page has to be read now: the expectation is new, or the interval is over.
     */
    look(now: number, refused: number | undefined, isChanged: boolean): boolean {
      if (ends.length > MOST) ends = ends.slice(-MOST / 2)
      const [some, all] = [hasLost(ends, now), hasLostAll(ends, now)]
      someSince = some ? Math.min(someSince, now) : Infinity
      allSince = all ? Math.min(allSince, now) : Infinity
      if (doubt !== undefined && now >= doubt.at + 3000) {
        if (hasLostNone(ends, now)) onFinding(5, doubt.text, now)
        doubt = undefined
      }
      if (page !== undefined) compare(page, now)
      if (page !== undefined && refused !== undefined && page.state !== 'draining')
        compareLogin(page, refused, isChanged, now)
      page = undefined
      const due = [someSince, allSince].map((since) => now - since >= SHOWN_WITHIN)
      const expects = [...due, hasLostNone(ends, now), refused].join(' ')
      if (expects === expected && now < readAt + READ_EVERY) return false
      expected = expects
      readAt = now
      return true
    },
  }
}
