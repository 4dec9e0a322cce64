import { stageOf, toAuthFailure } from '../causes.ts'
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
import type { SharingSnapshot } from '../sharing/index.ts'
import type { TokenSnapshot } from '../token/index.ts'
import {
  explained,
  explainedStore,
  settingFacts,
  type Explained,
  type Fact,
  type DiagnosticContext,
} from '../messages/index.ts'
import { addUp, checkCalls, mostFrequent, RULES, type CallFinding } from './accounting.ts'
import type { Activity } from './activity.ts'

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

/** Expiry of certificates in use, in milliseconds since 1970; undefined if none is configured. */
export interface Certificates {
  /** Of this proxy. */
  readonly listener: number | undefined
  /** For mutual TLS with iSales. */
  readonly client: number | undefined
  /** Of the authorities that issued iSales's certificate; until a connection opens, of the bundle's last authority. */
  readonly ca: number | undefined
}

/** Input of the diagnosis: past activity and the current state. Instants are on the monotonic clock. */
export interface DiagnosisInput extends Activity {
  readonly draining: boolean
  readonly diagnostics: DiagnosticContext
  /** `token.now` in milliseconds since 1970. */
  readonly wallNow: number
  readonly token: TokenSnapshot
  /** Undefined if no store is configured. */
  readonly sharing: SharingSnapshot | undefined
  /** Error code of the last write of the log; undefined if it succeeded. */
  readonly logFailure: string | undefined
  readonly certificates: Certificates
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
  const { token, calls, diagnostics, sharing } = input
  const { lifetimeDoubt, storageError, fileErrors } = input

  if (input.draining) return yield toFinding('draining')

  const ofToken = [...tokenFindings(input)]
  yield* ofToken

  yield* processFindings(input)

  // The token explains why these calls are lost, so they are not the headline.
  const isOfToken = ({ outcome, cause }: CallFinding): boolean => {
    if (ofToken.every(({ state }) => state === 'degraded')) return false
    if (outcome === 'declined' || outcome === 'slow' || outcome === 'refused') return false
    if (cause?.section === 'no-token') return true
    if (cause === undefined || outcome === 'abandoned') return !isAuthenticated(token)
    return cause.cause === 'call-rejected' && (token.conflict || !isAuthenticated(token))
  }
  const named = new Set<unknown>()
  for (const finding of checkCalls(calls, token.now)) {
    // Two classes may be lost for want of a token.
    const { section } = finding.cause ?? {}
    if (section === 'no-token' && named.has(section)) continue
    named.add(section)
    if (isOfToken(finding)) {
      yield { ...callFinding({ ...finding, state: 'degraded' }, input), follows: true }
      continue
    }
    // Until the first call is answered, a rejection concerns the token.
    const isToken = finding.state === 'failing' && calls.answeredAt === -Infinity
    const shown = callFinding(finding, input)
    const isRejected = isToken && shown.isEvery === true && shown.cause?.code === 'call-rejected'
    yield isRejected ? tokenRejected(input) : shown
  }

  const { failures, last } = token.refresh
  const isUnknown = last?.failure.cause.code === 'path-unknown'
  if (last !== undefined && failures >= (isUnknown ? 1 : MIN_REFRESHES)) {
    const cause = explained(last.failure, diagnostics, 'refresh')
    const facts: Fact[] = [['refreshesFailed', failures]]
    yield toFinding('IsalesProxyRefreshFailing', { cause, facts })
  }
  if (lifetimeDoubt !== undefined) {
    const facts: Fact[] =
      input.statedLifetime === undefined ? [] : [['statedLifetime', input.statedLifetime]]
    yield toFinding('IsalesProxyLifetimeDoubtful', { cause: { code: lifetimeDoubt, facts } })
  }
  if (token.endingStatus !== undefined) yield endedByStatus(token.endingStatus, diagnostics)
  if (storageError !== undefined) {
    const cause = explained(storageError, diagnostics, 'login')
    yield toFinding('IsalesProxyStateUnusable', { cause })
  }
  for (const cause of fileErrors) {
    const details = { cause, facts: [['setting', cause.setting]], hasWorked: true } as const
    yield toFinding('IsalesProxyReloadFailed', details)
  }
  if (sharing?.state === 'local') {
    const cause = explainedStore(sharing, diagnostics)
    yield toFinding('IsalesProxySessionAlone', { cause })
  }
  yield* certificateFindings(input)

  if (calls.total === 0) {
    const facts = settingFacts(headlineRow('no-calls-yet'), diagnostics)
    yield toFinding('no-calls-yet', { facts })
  } else {
    const facts: Fact[] = [['callsInMinute', addUp(calls.minute)]]
    if (calls.answeredAt > -Infinity)
      facts.push(['lastAnswered', dateFact(input, calls.answeredAt)])
    yield toFinding('healthy', { facts })
  }
}

/** Yields reasons in this process or its machine. */
function* processFindings(input: DiagnosisInput): Generator<Finding, void> {
  const { stall, logFailure, calls } = input
  const impaired = (cause: Explained, ...facts: readonly Fact[]): Finding =>
    toFinding('impaired', { cause, facts })
  if (stall !== undefined)
    yield impaired(stoodStill(stall), ['endedAt', dateFact(input, stall.endedAt)])
  if (logFailure !== undefined)
    yield impaired({ code: 'log-unwritable', facts: [['detail', logFailure]] })
  if (calls.withoutDescriptors > 0)
    yield impaired({ code: 'no-descriptors', facts: [['turnedAway', calls.withoutDescriptors]] })
}

function stoodStill({ ms }: NonNullable<Activity['stall']>): Explained {
  return { code: 'stood-still', facts: [['stoodStill', roundSeconds(ms)]] }
}

/** Milliseconds after which calls that a stall delayed have ended. */
const STALL_SHOWS_FOR = 3 * SECOND

/** Explains calls by a stall if the last of them ended during it, or soon after it. */
function explainByStall({ outcome, cause }: CallFinding, { stall, calls }: DiagnosisInput) {
  const { [outcome]: last = -Infinity } = calls.lastAt
  if (stall === undefined || cause === undefined || cause.traits.stalls !== true) return undefined
  const isNear = last >= stall.endedAt - stall.ms && last <= stall.endedAt + STALL_SHOWS_FOR
  return isNear ? stoodStill(stall) : undefined
}

/** Yields reasons why there is no working token, or will soon be none. */
function* tokenFindings(input: DiagnosisInput): Generator<Finding, void> {
  const { token } = input
  const login = loginFinding(input)
  if (login?.state === 'login-rejected') yield login
  if (token.conflict) {
    const facts = token.usable ? [servesFor(token)] : []
    // Replicas with another key have another entry in the store, and cannot see this one.
    const cause = input.sharing && ({ code: 'other-key-or-program', facts: [] } as const)
    yield toFinding('IsalesProxySessionConflict', { facts, cause })
  }
  const missing = missingToken(token)
  if (missing === 'first') yield toFinding('logging-in')
  // A token with a lifetime of 1 s is missing half of the time.
  else if (missing === 'next' && input.lifetimeDoubt !== 'short-lifetime')
    yield toFinding('logging-in', { state: 'unauthenticated' })

  // While another program ends our sessions, only a rejected login adds something.
  const isShown = !token.conflict || login?.code === 'refreshes-only'
  if (login !== undefined && login.state !== 'login-rejected' && isShown) yield login
  // Failed logins explain why no newer token replaces a rejected one.
  if (token.rejected && login === undefined && missing === undefined) yield tokenRejected(input)
}

/** iSales rejects every call, although logins succeed. */
function tokenRejected({ calls, diagnostics, factsOf }: DiagnosisInput): Finding {
  const rejected = mostFrequent(calls.latest, 'rejected')
  const facts: Fact[] = [['tokenHeader', diagnostics.tokenHeader]]
  if (rejected?.cause === 'call-rejected') facts.push(...factsOf(rejected))
  const cause = { code: 'token-rejected', facts } as const
  return toFinding('IsalesProxyCallsRejected', { cause })
}

/** iSales ends tokens with a status that `ISALES_REJECTED` does not have. */
function endedByStatus(status: number, { withRejected }: DiagnosticContext): Finding {
  const line = withRejected(status)
  const facts: Fact[] = [['status', status]]
  if (line !== undefined) facts.push(['example', `ISALES_REJECTED=${line}`])
  return toFinding('IsalesProxyLifetimeDoubtful', { cause: { code: 'other-status', facts } })
}

function callFinding(found: CallFinding, input: DiagnosisInput): Finding {
  const { outcome, state, cause, own, count, total, span, endedAt } = found
  const { alert, fact } = CLASSES[outcome]
  const isCall = fact !== 'turnedAway'
  const { latest } = input.calls
  const facts: Fact[] = [[fact, isCall ? { part: count, of: total } : count]]
  if (isCall) facts.push(['within', roundSeconds(span)])
  if (endedAt !== undefined) facts.push(['endedAt', dateFact(input, endedAt)])
  if ((input.calls.lastAt[outcome] ?? 0) < input.renewAskedAt) facts.push(['beforeRenew', true])
  if (own < count) facts.push([outcome, { part: own, of: total }])
  const code = state === 'failing' ? 'IsalesProxyCallsFailing' : alert
  facts.push(...settingFacts(headlineRow(code), input.diagnostics))
  const isUnsteady = cause?.section === 'call-rejected' && input.token.unsteady
  const section = isUnsteady ? 'token-unsteady' : cause?.section
  const explanation = cause && section && { code: section, facts: input.factsOf(cause) }
  const shown = toFinding(code, {
    finding: outcome,
    state,
    facts,
    cause: explainByStall(found, input) ?? explanation,
    isOver: endedAt !== undefined,
    hasWorked: input.calls.answeredAt > -Infinity,
    isEvery: isCall && latest.counts[outcome] >= RULES.every * latest.total,
  })
  return withChange(shown, input, shown.cause?.code ?? '', outcome)
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
  if (ends.length === 0) return
  const facts = ends.map(([name, end]): Fact => [name, { at: new Date(end).toISOString() }])
  const left = Math.min(...ends.map(([, end]) => end)) - wallNow
  yield left <= 0
    ? toFinding('certificate-expired', { facts })
    : toFinding('IsalesProxyCertificateExpiresSoon', {
        facts: [...facts, ['endsIn', roundSeconds(left)]],
      })
}

/** Returns true for a usable token that iSales is not known to reject. */
export function isAuthenticated({ usable, rejected }: TokenSnapshot): boolean {
  return usable && !rejected
}

/** Milliseconds. */
const CHANGE_SHOWS_FOR = 5 * MINUTE

/** Returns the files on which a cause depends. */
function groupOf(code: string, outcome?: string): ReloadGroup | undefined {
  if (outcome === 'handshake') return 'listenTls'
  if (code === 'obs-login' || code === 'not-logged-in') return 'obsLogin'
  const stage = stageOf(code)
  // A page with 401 or 403 may be a rejection.
  return stage === 'login' || code === 'login-page'
    ? 'credentials'
    : stage === 'tls'
      ? 'isalesTls'
      : undefined
}

/** Puts a change of the last minutes first on which the finding depends: of files that worked before, or a start. */
function withChange(
  found: Finding,
  input: DiagnosisInput,
  code: string,
  outcome?: string,
): Finding {
  const { token, startedAt, loginAt = 0 } = input
  const group = groupOf(code, outcome)
  const file = group && found.hasWorked === true && input.fileChanges.get(group)
  // Later logins show that the new contents work.
  const changed = file && (group !== 'credentials' || loginAt <= file.at) ? file : undefined
  const at = changed?.at ?? (found.hasWorked === true ? -Infinity : startedAt)
  const isRecent = token.now - at < CHANGE_SHOWS_FOR
  if (group === undefined || found.cause === undefined || !isRecent) return found
  const facts: readonly Fact[] = changed
    ? [
        ['changed', changed.settings],
        ['changedAt', dateFact(input, at)],
      ]
    : [['startedAt', dateFact(input, at)]]
  const first = changed ? 'changed-here' : found.first
  return { ...found, first, cause: { ...found.cause, facts: [...facts, ...found.cause.facts] } }
}

/** Returns which token is missing; undefined if none is, or another finding explains it. */
function missingToken(snapshot: TokenSnapshot) {
  const { usable, rejected, replacing, conflict, token, lastFailure, login } = snapshot
  const isMissing = !usable || (rejected && replacing)
  if (!isMissing || conflict || login.kind !== 'none') return undefined
  return token === undefined && lastFailure === undefined ? 'first' : 'next'
}

function servesFor({ usableFor }: TokenSnapshot): Fact {
  return ['servesFor', roundSeconds(usableFor)]
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
  const known = failure
    ? explained(failure, diagnostics, 'login')
    : ({ code: 'logins-paused', facts: [] } as const)
  // After a success, the same 500 needs another remedy.
  const isLater = known.code === 'business' && token.token !== undefined
  const cause: Explained = isLater ? { ...known, code: 'business-later' } : known
  const hasWorked = token.token !== undefined
  const facts: Fact[] = []
  const found = (code: Headline, state = headlineRow(code).state) => {
    // `renew` is a remedy only if a login would follow.
    const first =
      kind === 'login-pause' && until > token.now && !renewable ? 'renew-waits' : undefined
    const finding = toFinding(code, { state, facts, cause, hasWorked, first })
    return withChange(finding, input, failure?.cause.code ?? '')
  }

  if (failure) facts.push(['operation', 'login'])
  if (failures > 0) facts.push(['failedInRow', failures])
  if (until > token.now)
    facts.push([kind === 'login-pause' ? 'pausedUntil' : 'nextAttempt', dateFact(input, until)])
  const works = token.refreshable && token.refresh.failures < MIN_REFRESHES
  const isServing = isAuthenticated(token)
  if (rejected && works && isServing) {
    const { refreshExpiresAt: end } = token.token ?? {}
    if (end !== undefined) facts.push(['refreshTokenEnds', dateFact(input, end)])
    return found('refreshes-only')
  }
  if (isServing) facts.push(servesFor(token))
  else if (token.usable) facts.push(['rejectedToo', true])

  if (cause.code === 'not-yet-valid')
    return found('IsalesProxyClockWrong', isServing ? 'degraded' : 'unauthenticated')
  // A login without a response also causes a pause, but no rejection is known then.
  if (rejected && kind !== 'transient') return found('IsalesProxyLoginRejected')
  return found(isServing ? 'IsalesProxyAuthenticationFailing' : 'IsalesProxyNotAuthenticated')
}

/**
 * Returns why the proxy is not ready, for the body of `/readyz`; undefined if it is ready. Failing calls do not end
 * readiness, because a pod that leaves its Service fixes nothing.
 */
export function unreadiness(
  { listening, draining }: { readonly listening: boolean; readonly draining: boolean },
  { usable, login: { kind: backoff, failure } }: TokenSnapshot,
): Readonly<Record<string, string>> | undefined {
  if (draining) return { reason: 'draining' }
  if (!listening) return { reason: 'starting' }
  if (usable) return undefined
  if (failure === undefined) return { reason: 'no-token' }
  return { reason: 'no-token', backoff, lastFailure: toAuthFailure(failure.cause) }
}
