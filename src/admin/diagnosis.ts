import { stageOf } from '../causes.ts'
import {
  CLASSES,
  headlineRow,
  STATES,
  type Code,
  type FindingName,
  type Headline,
  type ProxyState,
} from '../codes.ts'
import { MINUTE, SECOND } from '../clock.ts'
import type { ReloadGroup } from '../config/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import {
  explained,
  explainedEnd,
  explainedStore,
  settingFacts,
  type Explained,
  type Fact,
} from '../messages/index.ts'
import { addUp, checkCalls, mostFrequent, RULES, type CallFinding } from './accounting.ts'
import type { DiagnosisInput } from './sources.ts'

/** A statement about the proxy, with its effect on the state. */
export interface Finding {
  readonly finding: FindingName
  readonly state: ProxyState
  /** Section with the headline: the name of the alert, if there is one. */
  readonly code: Headline
  readonly facts: readonly Fact[]
  /** Its section has the remedy. Undefined if the headline needs no cause. */
  readonly cause: Explained | undefined
  /** Section whose remedy comes before its own. */
  readonly first?: Code | undefined
  /** The problem has ended, and no action is left. */
  readonly isOver: boolean
  /** The same settings worked before, so that contact comes first and settings second. */
  readonly hasWorked?: boolean
  /** At most one call in five is not affected. */
  readonly isEvery?: boolean
  /** The headline explains it, so the log has no line of its own. */
  readonly follows?: true
}

/** Order of findings: first those that end all calls, then those that end some, then those without an effect. */
const RANKS = { bad: 0, quiet: 0, warning: 1, good: 2 } as const

/** Failed refreshes that make a finding: one or two may fail during an outage of iSales. */
const MIN_REFRESHES = 3
/** Milliseconds. */
const CERTIFICATE_ENDS_SOON = 14 * 24 * 60 * MINUTE

/** Returns all findings, the most important first; the first one determines the state. */
export function diagnose(input: DiagnosisInput): readonly [Finding, ...Finding[]] {
  const rankOf = ({ state }: Finding): number => RANKS[STATES[state]]
  const found = [...runChecks(input)].sort((one, other) => rankOf(one) - rankOf(other))
  const isWrong = found[0]?.state !== 'healthy'
  // `runChecks` always yields `draining` or `healthy`.
  return found.filter((one) => !isWrong || one.finding !== 'healthy') as [Finding, ...Finding[]]
}

function toFinding(code: Headline, details: Partial<Finding> = {}): Finding {
  const { finding, state } = headlineRow(code)
  return { finding, state, code, facts: [], cause: undefined, isOver: false, ...details }
}

/** Yields the findings; within a rank, this is their order. */
function* runChecks(input: DiagnosisInput): Generator<Finding, void> {
  const { token, calls, diagnostics, sharing, lifetimeDoubt, storageError } = input
  if (input.draining) return yield toFinding('draining')

  const ofToken = [...tokenFindings(input)]
  const isOfToken = ofToken.some(({ state }) => state !== 'degraded')
  yield* ofToken
  yield* processFindings(input)
  yield* callFindings(input, isOfToken)

  const { failures, last } = token.refresh
  const isUnknown = last?.failure.cause.code === 'path-unknown'
  if (last !== undefined && failures >= (isUnknown ? 1 : MIN_REFRESHES)) {
    yield toFinding('IsalesProxyRefreshFailing', {
      cause: explained(last.failure, diagnostics, 'refresh'),
      facts: [['refreshesFailed', failures]],
    })
  }
  const cause = lifetimeDoubt ?? explainedEnd(token.endingStatus, diagnostics)
  if (cause) yield toFinding('IsalesProxyLifetimeDoubtful', { cause })
  if (storageError) yield toFinding('IsalesProxyStateUnusable', { cause: storageError })
  for (const error of input.fileErrors) {
    const facts: Fact[] = [['setting', error.setting]]
    const details = { cause: error, facts, hasWorked: true }
    yield toFinding('IsalesProxyReloadFailed', details)
  }
  if (sharing?.state === 'local')
    yield toFinding('IsalesProxySessionAlone', { cause: explainedStore(sharing, diagnostics) })
  yield* certificateFindings(input)

  const code = calls.total === 0 ? 'no-calls-yet' : 'healthy'
  const facts = [...settingFacts(headlineRow(code), diagnostics)]
  if (calls.total > 0) facts.push(['callsInMinute', addUp(calls.minute)])
  if (calls.answeredAt > -Infinity) facts.push(['lastAnswered', dateFact(input, calls.answeredAt)])
  yield toFinding(code, { facts })
}

/** Yields reasons in this process or its machine. */
function* processFindings(input: DiagnosisInput): Generator<Finding, void> {
  const { stall, logFailure, calls } = input
  const impaired = (code: Code, ...facts: readonly Fact[]): Finding =>
    toFinding('impaired', { cause: { code, facts } })
  if (stall !== undefined)
    yield impaired('stood-still', stoodStill(stall), ['endedAt', dateFact(input, stall.endedAt)])
  if (logFailure !== undefined) yield impaired('log-unwritable', ['detail', logFailure])
  if (calls.withoutDescriptors > 0)
    yield impaired('no-descriptors', ['turnedAway', calls.withoutDescriptors])
}

function stoodStill({ ms }: NonNullable<DiagnosisInput['stall']>): Fact {
  return ['stoodStill', roundSeconds(ms)]
}

/** Yields reasons why there is no working token, or will soon be none. */
function* tokenFindings(input: DiagnosisInput): Generator<Finding, void> {
  const { usable, usableFor, rejected, replacing, conflict, token, lastFailure } = input.token
  const login = loginFinding(input)
  if (login?.state === 'login-rejected') yield login
  if (conflict) {
    const facts: Fact[] = usable ? [['servesFor', roundSeconds(usableFor)]] : []
    // Replicas with another key have another entry in the store, and cannot see this one.
    const cause = input.sharing && ({ code: 'other-key-or-program', facts: [] } as const)
    yield toFinding('IsalesProxySessionConflict', { facts, cause })
  }
  const isMissing = !usable || (rejected && replacing)
  const isWaiting = isMissing && !conflict && login === undefined
  const isFirst = token === undefined && lastFailure === undefined
  // A token with a lifetime of 1 s is missing half of the time.
  if (isWaiting && (isFirst || input.lifetimeDoubt?.code !== 'short-lifetime'))
    yield toFinding('logging-in', { state: isFirst ? 'starting' : 'unauthenticated' })

  // While another program ends our sessions, only a rejected login adds something.
  const isShown = !conflict || login?.code === 'refreshes-only'
  if (login !== undefined && login.state !== 'login-rejected' && isShown) yield login
  // Failed logins explain why no newer token replaces a rejected one.
  if (rejected && login === undefined && !isWaiting) yield tokenRejected(input)
}

/** iSales rejects every call, although logins succeed. */
function tokenRejected({ calls, diagnostics, factsOf }: DiagnosisInput): Finding {
  const rejected = mostFrequent(calls.latest, 'rejected')
  const facts: Fact[] = [['tokenHeader', diagnostics.tokenHeader]]
  if (rejected?.cause === 'call-rejected') facts.push(...factsOf(rejected))
  return toFinding('IsalesProxyCallsRejected', { cause: { code: 'token-rejected', facts } })
}

/** @param isOfToken the token may explain why calls are lost, so that they are not the headline. */
function* callFindings(input: DiagnosisInput, isOfToken: boolean): Generator<Finding, void> {
  const { token, calls } = input
  const isBad = !isAuthenticated(token)
  let hasMissing = false
  for (const found of checkCalls(calls, token.now)) {
    const { section, cause } = found.cause
    const isMissing = section === 'no-token'
    // Two classes may be lost for want of a token.
    if (isMissing && hasMissing) continue
    hasMissing ||= isMissing
    const isRejection = cause === 'call-rejected' && (isBad || token.conflict)
    if (isOfToken && (isMissing || isRejection || (found.outcome === 'abandoned' && isBad))) {
      yield { ...callFinding({ ...found, state: 'degraded' }, input), follows: true }
      continue
    }
    const shown = callFinding(found, input)
    // Until the first call is answered, a rejection concerns the token.
    const isFirst = found.state === 'failing' && shown.hasWorked === false
    const isRejected = shown.isEvery === true && shown.cause?.code === 'call-rejected'
    yield isFirst && isRejected ? tokenRejected(input) : shown
  }
}

/** Milliseconds after which calls that a stall delayed have ended. */
const STALL_SHOWS_FOR = 3 * SECOND

function callFinding(found: CallFinding, input: DiagnosisInput): Finding {
  const { outcome, state, cause, own, count, total, span, endedAt } = found
  const { stall, diagnostics, token } = input
  const { latest, answeredAt, lastAt } = input.calls
  const { [outcome]: last = -Infinity } = lastAt
  const { alert, fact } = CLASSES[outcome]
  const isCall = fact !== 'turnedAway'
  const code = state === 'failing' ? 'IsalesProxyCallsFailing' : alert
  const facts: Fact[] = [[fact, isCall ? { part: count, of: total } : count]]
  if (isCall) facts.push(['within', roundSeconds(span)])
  if (endedAt !== undefined) facts.push(['endedAt', dateFact(input, endedAt)])
  if (last < input.renewAskedAt) facts.push(['beforeRenew', true])
  const { loginMs = 0 } = token
  if (cause.section === 'no-token' && loginMs >= SECOND)
    facts.push(['loginTook', roundSeconds(loginMs)])
  if (own < count) facts.push([outcome, { part: own, of: total }])
  facts.push(...settingFacts(headlineRow(code), diagnostics))
  // The last of them ended while the process stood still, or soon after it.
  const isStalled =
    stall !== undefined &&
    cause.traits.stalls === true &&
    last >= stall.endedAt - stall.ms &&
    last <= stall.endedAt + STALL_SHOWS_FOR
  const isUnsteady = cause.section === 'call-rejected' && token.unsteady
  const section = isUnsteady ? 'token-unsteady' : cause.section
  const explanation = section && { code: section, facts: input.factsOf(cause) }
  const shown = toFinding(code, {
    finding: outcome,
    state,
    facts,
    cause: isStalled ? { code: 'stood-still', facts: [stoodStill(stall)] } : explanation,
    isOver: endedAt !== undefined,
    hasWorked: answeredAt > -Infinity,
    isEvery: isCall && latest.counts[outcome] >= RULES.every * latest.total,
  })
  return withChange(shown, input)
}

/** Returns true for an expiry (milliseconds since 1970) that needs an operator. */
export function endsSoon(end: number | undefined, wallNow: number): end is number {
  return end !== undefined && end - wallNow < CERTIFICATE_ENDS_SOON
}

/** Yields a finding if a certificate has expired or expires within 14 days. */
function* certificateFindings({ certificates, wallNow }: DiagnosisInput): Generator<Finding, void> {
  const ends = (['listener', 'client', 'ca'] as const).flatMap((name) => {
    const end = certificates[name]
    return endsSoon(end, wallNow) ? [[name, end] as const] : []
  })
  const left = Math.min(...ends.map(([, end]) => end)) - wallNow
  const facts = ends.map(([name, end]): Fact => [name, { at: new Date(end).toISOString() }])
  if (left <= 0) yield toFinding('certificate-expired', { facts })
  else if (facts.length > 0) {
    facts.push(['endsIn', roundSeconds(left)])
    yield toFinding('IsalesProxyCertificateExpiresSoon', { facts })
  }
}

/** Returns true for a usable token that iSales is not known to reject. */
export function isAuthenticated({ usable, rejected }: TokenSnapshot): boolean {
  return usable && !rejected
}

/** Milliseconds. */
const CHANGE_SHOWS_FOR = 5 * MINUTE

/** Returns the files on which a finding depends. */
function groupOf({ finding, cause }: Finding): ReloadGroup | undefined {
  const { code = '' } = cause ?? {}
  if (finding === 'handshake') return 'listenTls'
  if (code === 'obs-login' || code === 'not-logged-in') return 'obsLogin'
  const stage = stageOf(code)
  // A page with 401 or 403 may be a rejection.
  const isRejection = stage === 'login' || code === 'business-later' || code === 'login-page'
  return isRejection ? 'credentials' : stage === 'tls' ? 'isalesTls' : undefined
}

/** Puts a change of the last minutes first on which the finding depends: of files that worked before, or a start. */
function withChange(found: Finding, input: DiagnosisInput): Finding {
  const { token, startedAt, loginAt = 0, fileChanges } = input
  const { cause, hasWorked, first } = found
  const group = groupOf(found)
  if (group === undefined || cause === undefined) return found
  const file = hasWorked === true ? fileChanges.get(group) : undefined
  // Later logins show that the new contents work.
  const changed = file && (group !== 'credentials' || loginAt <= file.at) ? file : undefined
  const at = hasWorked === true ? changed?.at : startedAt
  if (at === undefined || token.now - at >= CHANGE_SHOWS_FOR) return found
  const event = changed ? 'changedAt' : 'startedAt'
  const facts: Fact[] = [[event, dateFact(input, at)], ...cause.facts]
  if (changed) facts.unshift(['changed', changed.settings])
  return { ...found, first: changed ? 'changed-here' : first, cause: { ...cause, facts } }
}

function dateFact({ wallNow, token }: DiagnosisInput, instant: number) {
  return { at: new Date(Math.round(wallNow + instant - token.now)).toISOString() }
}

function roundSeconds(ms: number) {
  return { seconds: Math.round(ms / SECOND) }
}

/** Returns why logins fail or are paused; undefined if they are not. */
function loginFinding(input: DiagnosisInput): Finding | undefined {
  const { token, diagnostics } = input
  const { kind, failure, failures, until, rejected, renewable } = token.login
  if (kind === 'none') return undefined
  const known = failure && explained(failure, diagnostics, 'login')
  const hasWorked = token.token !== undefined
  // After a success, the same 500 needs another remedy.
  const isLater = hasWorked && known?.code === 'business'
  const code = isLater ? 'business-later' : (known?.code ?? 'logins-paused')
  const isPause = kind === 'login-pause' && until > token.now
  const facts: Fact[] = []
  const found = (headline: Headline, state = headlineRow(headline).state) => {
    const cause = { code, facts: known?.facts ?? [] }
    // `renew` is a remedy only if a login would follow.
    const first = isPause && !renewable ? 'renew-waits' : undefined
    return withChange(toFinding(headline, { state, facts, cause, hasWorked, first }), input)
  }

  if (failure) facts.push(['operation', 'login'])
  if (failures > 0) facts.push(['failedInRow', failures])
  if (until > token.now)
    facts.push([isPause ? 'pausedUntil' : 'nextAttempt', dateFact(input, until)])
  const works = token.refreshable && token.refresh.failures < MIN_REFRESHES
  const isServing = isAuthenticated(token)
  if (rejected && works && isServing) {
    const { refreshExpiresAt: end } = token.token ?? {}
    if (end !== undefined) facts.push(['refreshTokenEnds', dateFact(input, end)])
    return found('refreshes-only')
  }
  if (isServing) facts.push(['servesFor', roundSeconds(token.usableFor)])
  else if (token.usable) facts.push(['rejectedToo', true])

  if (code === 'not-yet-valid')
    return found('IsalesProxyClockWrong', isServing ? 'degraded' : 'unauthenticated')
  // A login without a response also causes a pause, but no rejection is known then.
  if (rejected && kind !== 'transient') return found('IsalesProxyLoginRejected')
  return found(isServing ? 'IsalesProxyAuthenticationFailing' : 'IsalesProxyNotAuthenticated')
}
