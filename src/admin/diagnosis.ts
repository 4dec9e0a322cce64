import { toCauseCode, cause as causeOf, type Code, type Headline } from '../codes.ts'
import { MINUTE, SECOND } from '../clock.ts'
import type { RequestClass } from '../request-summary.ts'
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import {
  explained,
  explainedStore,
  type Explained,
  type Fact,
  type DiagnosticContext,
} from '../messages/index.ts'
import { judgeCalls, addUp, type CallFinding } from './accounting.ts'
import type { Activity } from './activity.ts'

/**
 * What CTI-OBS gets, in one word; docs/metrics.md explains each. With the tone of the status page: `bad` means that an
 * operator has to act, `quiet` that there is nothing to judge yet.
 */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  'login-rejected': 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type ProxyState = keyof typeof STATES

/** Label values of `finding`. A finding about calls has the name of their class. */
// oxfmt-ignore
export const FINDING_NAMES = [
  'draining', 'conflict', 'waiting', 'login', 'clock', 'token-rejected', 'abandoned', 'refused',
  'failed', 'rejected', 'declined', 'slow', 'handshake', 'stray', 'refresh', 'lifetime', 'state',
  'files', 'store', 'certificate', 'healthy',
] as const
export type FindingName = (typeof FINDING_NAMES)[number]

/** One thing to be said. */
export interface Finding {
  readonly finding: FindingName
  readonly state: ProxyState
  /** The section that is its headline; a finding with an alert has the alert's name. */
  readonly code: Headline
  readonly facts: readonly Fact[]
  /** Its section has the remedy. Undefined: `code` says it all. */
  readonly cause: Explained | undefined
  /** It is over, and nothing is left to do. */
  readonly isOver: boolean
}

export type Certificates = Readonly<Record<'listener' | 'client' | 'ca', number | undefined>>

/** All that is judged: what is remembered, and what is now. Instants are on the monotonic clock. */
export interface DiagnosisInput extends Activity {
  readonly draining: boolean
  readonly diagnostics: DiagnosticContext
  /** Milliseconds since 1970, of the instant `token.now`. */
  readonly wallNow: number
  readonly token: TokenSnapshot
  /** Undefined: not configured. */
  readonly sharing: SharingSnapshot | undefined
  /** When each ends, milliseconds since 1970. */
  readonly certificates: Certificates
}

/** Findings that end all calls come before findings that end some, and those before what is not a state. */
const RANKS = { bad: 0, quiet: 0, warning: 1, good: 2 } as const

/** Two may fail during an outage of iSales. A path that does not exist is certain at once. */
const MIN_REFRESHES = 3
/** Milliseconds. */
const CERTIFICATE_ENDS_SOON = 14 * 24 * 60 * MINUTE

/** All that is to be said, the most important first: it gives the state. */
export function diagnose(input: DiagnosisInput): readonly [Finding, ...Finding[]] {
  const rankOf = ({ state }: Finding): number => RANKS[STATES[state]]
  const said = [...runChecks(input)].sort((one, other) => rankOf(one) - rankOf(other))
  const isWrong = said[0]?.state !== 'healthy'
  // `runChecks` always yields `draining` or `healthy`.
  return said.filter(({ finding }) => !isWrong || finding !== 'healthy') as [Finding, ...Finding[]]
}

function say(
  finding: FindingName,
  state: ProxyState,
  code: Headline,
  { facts = [], cause, isOver = false }: Partial<Pick<Finding, 'facts' | 'cause' | 'isOver'>> = {},
): Finding {
  return { finding, state, code, facts, cause, isOver }
}

function plainly(code: Code): Explained {
  return { code, facts: [] }
}

/** From top to bottom, in the order among findings of one rank. */
function* runChecks(input: DiagnosisInput): Generator<Finding, void> {
  const { token, calls, diagnostics, sharing, refreshes } = input

  if (input.draining) return yield say('draining', 'draining', 'draining')

  const ofToken = [...tokenFindings(input)]
  yield* ofToken

  // Calls that are lost for the token are said above.
  const isOfToken = ({ outcome, cause }: CallFinding): boolean => {
    if (ofToken.every(({ state }) => state === 'degraded')) return false
    if (outcome === 'declined' || outcome === 'slow' || outcome === 'refused') return false
    return (
      !isAuthenticated(token) || cause?.cause === 'no-token' || cause?.cause === 'call-forbidden'
    )
  }
  for (const finding of judgeCalls(calls, token.now)) {
    if (isOfToken(finding)) continue
    // As long as no call was answered, a rejection is about the token.
    const isToken = finding.state === 'failing' && calls.answeredAt === -Infinity
    const isRejected = isToken && finding.cause?.cause === 'call-forbidden'
    yield isRejected ? tokenRejected(input) : callFinding(finding, input)
  }

  const { failed, last } = refreshes
  const isUnknown = last?.cause.code === 'path-unknown'
  const saysLogin = ofToken.some(({ finding }) => finding === 'login' || finding === 'clock')
  if (last !== undefined && failed >= (isUnknown ? 1 : MIN_REFRESHES) && !saysLogin) {
    const cause = explained(last, diagnostics, 'refresh')
    const facts: readonly Fact[] = [['refreshesFailed', failed]]
    yield say('refresh', 'degraded', 'IsalesProxyRefreshFailing', { facts, cause })
  }

  if (input.lifetimeDoubt !== undefined)
    yield say('lifetime', 'degraded', 'IsalesProxyLifetimeDoubtful', {
      cause: plainly(input.lifetimeDoubt),
    })

  if (input.storageError !== undefined) {
    const cause = explained(input.storageError, diagnostics, 'login')
    yield say('state', 'degraded', 'IsalesProxyStateUnusable', { cause })
  }

  for (const cause of input.fileErrors)
    yield say('files', 'degraded', 'IsalesProxyReloadFailed', {
      facts: [['setting', cause.setting]],
      cause,
    })

  if (sharing?.state === 'alone') {
    const cause = explainedStore(sharing, diagnostics)
    yield say('store', 'degraded', 'IsalesProxySessionAlone', { cause })
  }

  const certificate = endingCertificate(input)
  if (certificate !== undefined) yield certificate

  if (!token.usable) yield say('healthy', 'healthy', 'idle')
  else if (calls.total === 0) yield say('healthy', 'healthy', 'no-calls-yet')
  else {
    const facts: Fact[] = [['callsInMinute', addUp(calls.minute)]]
    if (calls.answeredAt > -Infinity)
      facts.push(['lastAnswered', dateFact(input, calls.answeredAt)])
    yield say('healthy', 'healthy', 'healthy', { facts })
  }
}

/** Why there is no token that works, or soon will be none. */
function* tokenFindings(input: DiagnosisInput): Generator<Finding, void> {
  const { token } = input
  if (token.conflict) {
    const facts = token.usable ? [servesFor(token)] : []
    yield say('conflict', 'conflict', 'IsalesProxySessionConflict', { facts })
  }
  const missing = missingToken(token)
  if (missing === 'first') yield say('waiting', 'starting', 'logging-in')
  // A token that lives for a second is missing in half of them.
  else if (missing === 'next' && input.lifetimeDoubt !== 'short-lifetime')
    yield say('waiting', 'unauthenticated', 'logging-in')

  const login = failedLogin(input)
  if (login !== undefined) yield login
  else if (token.passwordRejected !== undefined) {
    const { code, refreshEndsAt } = token.passwordRejected
    const facts: Fact[] = []
    if (refreshEndsAt !== undefined)
      facts.push(['refreshTokenEnds', dateFact(input, refreshEndsAt)])
    const cause = plainly(toCauseCode(causeOf(code), 'login'))
    yield say('login', 'degraded', 'refreshes-only', { facts, cause })
  }
  // Without a newer token, failed logins say it.
  if (token.rejected && login === undefined) yield tokenRejected(input)
}

/** iSales rejects every call, although logins succeed: with which header, and how. */
function tokenRejected({ calls, diagnostics, factsOf }: DiagnosisInput): Finding {
  const rejected = [...calls.latestCauses.keys()].find((of) => of.cause === 'call-forbidden')
  const facts: Fact[] = [['tokenHeader', diagnostics.tokenHeader]]
  if (rejected !== undefined) facts.push(...factsOf(rejected))
  const cause = { code: 'token-rejected', facts } as const
  return say('token-rejected', 'failing', 'IsalesProxyCallsRefused', { cause })
}

/** The headline of each, if it is not `failing`, and what is counted. */
// oxfmt-ignore
const OF_CALLS = {
  abandoned: ['IsalesProxyErrorRatio', 'lostCalls'],
  failed: ['IsalesProxyErrorRatio', 'lostCalls'],
  refused: ['IsalesProxyCallsRefused', 'lostCalls'],
  rejected: ['IsalesProxyCallsRefused', 'lostCalls'],
  declined: ['IsalesProxyCallsRefused', 'declinedCalls'],
  slow: ['IsalesProxyLatency', 'slowCalls'],
  handshake: ['IsalesProxyClientHandshakesRefused', 'turnedAway'],
  stray: ['IsalesProxyClientHandshakesRefused', 'turnedAway'],
} as const

function callFinding(
  { outcome, state, cause, count, total, span, endedAt }: CallFinding,
  input: DiagnosisInput,
): Finding {
  const [headline, counted] = OF_CALLS[outcome]
  const isCall = counted !== 'turnedAway'
  const facts: Fact[] = [[counted, isCall ? { part: count, of: total } : count]]
  if (isCall) facts.push(['within', roundSeconds(span)])
  if (endedAt !== undefined) facts.push(['endedAt', dateFact(input, endedAt)])
  return say(outcome, state, state === 'failing' ? 'IsalesProxyCallsFailing' : headline, {
    facts,
    // `slow` is its own cause.
    cause:
      cause && isCode(cause.cause) ? { code: cause.cause, facts: input.factsOf(cause) } : undefined,
    isOver: endedAt !== undefined,
  })
}

function isCode(code: RequestClass['cause']): code is Extract<RequestClass['cause'], Code> {
  return code !== 'slow' && code !== 'answered'
}

/** True if the certificate that ends then needs an operator. */
export function endsSoon(end: number | undefined, wallNow: number): end is number {
  return end !== undefined && end - wallNow < CERTIFICATE_ENDS_SOON
}

/** A certificate of this proxy, or the authority of iSales, has expired or ends within 14 days. */
function endingCertificate({ certificates, wallNow }: DiagnosisInput): Finding | undefined {
  const names = ['listener', 'client', 'ca'] as const
  const facts = names.flatMap((name): readonly Fact[] => {
    const end = certificates[name]
    return endsSoon(end, wallNow) ? [[name, { at: new Date(end).toISOString() }]] : []
  })
  if (facts.length === 0) return undefined
  return names.some((name) => (certificates[name] ?? Infinity) <= wallNow)
    ? say('certificate', 'degraded', 'certificate-expired', { facts })
    : say('certificate', 'healthy', 'IsalesProxyCertificateExpiresSoon', { facts })
}

/** There is a usable token that iSales is not known to reject. */
export function isAuthenticated({ usable, rejected }: TokenSnapshot): boolean {
  return usable && !rejected
}

/** Which token is missing; undefined: none is needed now, or another finding says why. */
function missingToken({ usable, conflict, token, lastFailure, idle, backoff }: TokenSnapshot) {
  if (usable || conflict || backoff !== 'none' || idle) return undefined
  return token === undefined && lastFailure === undefined ? 'first' : 'next'
}

function servesFor({ outageBudget }: TokenSnapshot): Fact {
  return ['servesFor', roundSeconds(outageBudget)]
}

function dateFact({ wallNow, token }: DiagnosisInput, instant: number) {
  return { at: new Date(Math.round(wallNow + instant - token.now)).toISOString() }
}

function roundSeconds(ms: number) {
  return { seconds: Math.round(ms / SECOND) }
}

/** Why logins and refreshes fail; undefined: they do not, or others end our sessions. */
function failedLogin(input: DiagnosisInput): Finding | undefined {
  const { token, diagnostics } = input
  const { conflict, backoff, refused, lastFailure, nextRequestAt, failuresInRow, usable } = token
  if (conflict || backoff === 'none') return undefined
  const isPaused = backoff === 'rejected' || backoff === 'guarded'
  // After a restart, and of logins of another replica, the record alone keeps the cause.
  const { lastCode } = token
  const recorded = lastCode && {
    operation: 'login' as const,
    failure: { cause: causeOf(lastCode) },
  }
  const last = lastFailure ?? recorded
  const met = last ? explained(last.failure, diagnostics, last.operation) : plainly('logins-paused')
  // The same 500 is another question to another person.
  const isLater = met.code === 'business' && token.lastSuccessAt !== undefined
  const cause: Explained = isLater ? { ...met, code: 'business-later' } : met
  // Three logins may have ended without a verdict of iSales, too: then it is not known.
  const isRefused = isPaused && (last ? last.failure.cause.stage === 'login' : refused)

  const facts: Fact[] = []
  if (last) facts.push(['operation', last.operation])
  if (failuresInRow > 0) facts.push(['failedInRow', failuresInRow])
  if (nextRequestAt !== undefined) {
    const name = backoff === 'guarded' ? 'pausedUntil' : 'nextAttempt'
    facts.push([name, dateFact(input, nextRequestAt)])
  }
  if (isAuthenticated(token)) facts.push(servesFor(token))
  else if (usable) facts.push(['rejectedToo', true])

  if (cause.code === 'not-yet-valid') {
    const state = isAuthenticated(token) ? 'degraded' : 'unauthenticated'
    return say('clock', state, 'IsalesProxyClockWrong', { facts, cause })
  }
  if (isRefused)
    return say('login', 'login-rejected', 'IsalesProxyAccountRejected', { facts, cause })
  return isAuthenticated(token)
    ? say('login', 'degraded', 'IsalesProxyAuthenticationFailing', { facts, cause })
    : say('login', 'unauthenticated', 'IsalesProxyNotAuthenticated', { facts, cause })
}

/**
 * Why the pod gets no calls, for the body of `/readyz`; undefined: it is ready. Failing calls do not end readiness: a pod
 * that leaves its Service heals nothing.
 */
export function unreadiness(
  { listening, draining }: { readonly listening: boolean; readonly draining: boolean },
  { usable, rejected, idle, backoff, lastFailure }: TokenSnapshot,
): Readonly<Record<string, string>> | undefined {
  if (draining) return { reason: 'draining' }
  if (!listening) return { reason: 'starting' }
  if (usable) return undefined
  if (rejected) return { reason: 'token-rejected', backoff }
  // The next call logs in first, as the last login did.
  if (idle && backoff === 'none') return undefined
  if (lastFailure === undefined) return { reason: 'no-token' }
  return { reason: 'no-token', backoff, lastFailure: lastFailure.failure.reason }
}
