import { isLoopback } from '../config/index.ts'
import { toSeconds } from '../clock.ts'
import { toAuthFailure } from '../causes.ts'
import {
  explained,
  findSection,
  MESSAGES,
  type Fact,
  type FactName,
  type Language,
} from '../messages/index.ts'
import { CALLS, addUp, type CallOutcome } from './accounting.ts'
import type { ActivityRecorder } from './activity.ts'
import { diagnose, isAuthenticated, type DiagnosisInput, type Finding } from './diagnosis.ts'
import type { AdminSources } from './sources.ts'

/** Body of `/status.json`, which page, text and the command `status` show. */
export type Status = ReturnType<typeof readStatus>

export function diagnosisInput(sources: AdminSources, activity: ActivityRecorder): DiagnosisInput {
  return {
    ...activity.view(),
    draining: sources.running.draining,
    diagnostics: sources.diagnostics,
    wallNow: sources.wallClock(),
    token: sources.token(),
    sharing: sources.sharing(),
    certificates: sources.certificates(),
  }
}

/** Facts for readers on this machine only: users, hosts, paths and files. */
// oxfmt-ignore
const PRIVATE: ReadonlySet<FactName> = new Set<FactName>([
  'isales', 'egress', 'store', 'stateDir', 'serverName', 'certificate', 'userFile',
  'passwordFile', 'file', 'path', 'host', 'user', 'userHas', 'passwordHas',
])

/** Returns true for a peer on this machine, also if its IPv4 address is mapped into IPv6. */
export function isLocal(address = ''): boolean {
  return isLoopback(address.replace(/^::ffff:/i, ''))
}

/**
 * Returns the status, with titles and remedies in one language. Durations are in seconds, dates in ISO 8601 and UTC. Null
 * is a value that does not exist or is unknown.
 *
 * @param local true if the reader is on this machine.
 */
export function readStatus(
  sources: AdminSources,
  activity: ActivityRecorder,
  { language, local }: { readonly language: Language; readonly local: boolean },
) {
  const now = diagnosisInput(sources, activity)
  const { token: snapshot, wallNow, sharing, calls, certificates } = now
  const { token, lastFailure, nextRequestAt = Infinity } = snapshot
  const date = (instant: number): string => dateOf(wallNow + instant - snapshot.now)
  const optionalDate = (instant = Infinity): string | null =>
    Number.isFinite(instant) ? date(instant) : null
  const messages = MESSAGES[language]
  const shown = ({ finding, state, code, facts, cause, isOver }: Finding) => {
    const headline = findSection(language, code)
    const explanation = cause && findSection(language, cause.code)
    const isRejected = code === 'IsalesProxyLoginRejected'
    const credentials = isRejected ? now.diagnostics.credentials : []
    const all = [...(cause?.facts ?? []), ...facts, ...credentials]
    const remedy = isOver ? '' : explanation?.remedy || headline.remedy
    return {
      finding,
      state,
      code,
      /** Code of the cause; null if the headline needs none. */
      cause: cause?.code ?? null,
      title: headline.title,
      reason: messages.sentences(
        explanation?.title ?? '',
        explanation?.meaning ?? '',
        headline.meaning,
      ),
      /** The finding has ended, at the time that a fact shows. */
      isOver,
      /** Empty if no action is needed. */
      remedy,
      /** Path of the section on the admin port. */
      runbook: remedy === '' ? null : `/docs/${headline.at}`,
      facts: (local ? all : all.filter(([name]) => !PRIVATE.has(name))) as readonly Fact[],
    }
  }
  const [headline, ...others] = diagnose(now)
  const first = shown(headline)

  return {
    ...first,
    findings: [first, ...others.map(shown)] as const,
    /** Name of the host or pod. */
    instance: sources.instance,
    version: sources.version,
    pid: sources.process?.pid ?? null,
    /** Scope in which `pid` is unique, such as `pid:[4026531836]`. */
    processScope: sources.process?.processScope ?? null,
    /** False if hosts, users, paths and files are left out. */
    local,
    time: dateOf(wallNow),
    /** Minutes by which the machine's local time is ahead of UTC. */
    utcOffset: sources.utcOffset(),
    upSeconds: toSeconds(snapshot.now - activity.startedAt),
    authenticated: isAuthenticated(snapshot),
    /** Time that calls would continue to work if every login failed from now. */
    usableForSeconds: toSeconds(snapshot.usableFor),
    token: orNull(token, (token) => ({
      generation: token.generation,
      obtainedAt: date(token.obtainedAt),
      expiresAt: date(token.expiresAt),
      lifetimeSeconds: toSeconds(token.lifetime),
      ageSeconds: toSeconds(snapshot.now - token.obtainedAt),
      /** Until the proxy stops sending the token, shortly before it expires; negative after that. */
      usableForSeconds: toSeconds(token.usableUntil - snapshot.now),
      refreshTokenExpiresAt: optionalDate(token.refreshExpiresAt),
    })),
    renewal: {
      tokenRequest: snapshot.request ?? null,
      backoff: snapshot.backoff,
      /** iSales has rejected user and password since the last grant. */
      credentialsRejected: snapshot.credentialsRejected,
      nextAt: optionalDate(nextRequestAt),
      nextInSeconds: Number.isFinite(nextRequestAt)
        ? toSeconds(Math.max(0, nextRequestAt - snapshot.now))
        : null,
      lastSuccessAt: optionalDate(snapshot.lastSuccessAt),
      failuresInRow: snapshot.failing?.failures ?? 0,
      lastFailure: orNull(lastFailure, ({ at, operation, failure }) => ({
        at: date(at),
        operation,
        reason: toAuthFailure(failure.cause),
        cause: explained(failure, sources.diagnostics, operation).code,
        httpStatus: failure.status ?? null,
        detail: failure.detail,
      })),
    },
    /** Null if every replica has a token of its own. */
    sharing: orNull(sharing, ({ state, reason, code, since, adoptedAt }) => ({
      /** `local` if the shared store is unavailable. */
      state,
      reason: reason ?? null,
      /** The store's own error code, if it returned one. */
      code: code ?? null,
      since: date(since),
      adoptedAt: optionalDate(adoptedAt),
    })),
    requests: {
      inFlight: sources.running.inFlight,
      waitingForToken: snapshot.waiters,
      /** Requests of the last 60 s by `outcome`, as in the metric; `calls` is the number of calls among them. */
      lastMinute: { calls: addUp(calls.minute), ...calls.minute },
      lastAnsweredAt: optionalDate(calls.answeredAt),
      /** Calls by minute and outcome, the newest minute last. */
      lastHour: activity.hour().map(({ at, counts }) => {
        const byOutcome = CALLS.map((each) => [each, counts[each]])
        const calls = Object.fromEntries(byOutcome) as Record<CallOutcome, number>
        return Object.assign(calls, { at: date(at) })
      }),
      /** The last ten kinds of calls to which iSales did not respond, the newest first. */
      lastFailed: now.failedCalls.map((call) => {
        const { count, method, status, of, requestId } = call
        const { outcome, cause } = of
        const path = local ? call.path : null
        return { count, at: date(call.at), method, path, status, outcome, cause, requestId }
      }),
    },
    /** The last changes of the state, the newest first. */
    changes: activity.changes().map(({ at, state }) => ({ at: date(at), state })),
    /** Null if no certificate is configured, or if it is unreadable. */
    certificates: {
      listener: orNull(certificates.listener, dateOf),
      client: orNull(certificates.client, dateOf),
      ca: orNull(certificates.ca, dateOf),
    },
  }
}

function orNull<Of, Shown>(value: Of | undefined, show: (value: Of) => Shown): Shown | null {
  return value === undefined ? null : show(value)
}

/** @param time milliseconds since 1970. */
function dateOf(time: number): string {
  return new Date(Math.round(time)).toISOString()
}
