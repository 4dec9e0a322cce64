import { isLoopback } from '../config/index.ts'
import { toSeconds } from '../clock.ts'
import { dateOf, isFact, type FactName, type Language, type Value } from '../messages/index.ts'
import { addUp } from './accounting.ts'
import type { ActivityRecorder } from './activity.ts'
import { diagnose, isAuthenticated, type Finding } from './diagnosis.ts'
import { explainFinding } from './explain-finding.ts'
import { diagnosisInput, type AdminSources } from './sources.ts'

/** Body of `/status.json`, which page, text and the command `status` show. */
export type Status = ReturnType<typeof readStatus>

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
  const { token, nextRequestAt } = snapshot
  const at = (instant = Number.NaN) => dateOf(wallNow + instant - snapshot.now)
  const date = (instant: number): string => at(instant)?.at ?? ''
  const reading = { now: wallNow, offset: sources.utcOffset() }
  const shown = (finding: Finding) => {
    const { facts, ...explanation } = explainFinding(finding, language, reading)
    const isRejected = finding.code === 'IsalesProxyLoginRejected'
    const all = [...facts, ...(isRejected ? now.diagnostics.credentials : [])]
    return {
      ...explanation,
      facts: local ? all : all.filter(([name]) => !isFact('private', name)),
    }
  }
  const { kind: backoff, failures } = snapshot.login
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
    time: date(snapshot.now),
    /** Minutes by which the machine's local time is ahead of UTC. */
    utcOffset: reading.offset,
    upSeconds: toSeconds(snapshot.now - now.startedAt),
    authenticated: isAuthenticated(snapshot),
    /** Instants of the bar; null without a token. */
    token:
      token === undefined
        ? null
        : {
            obtainedAt: date(token.sentAt),
            expiresAt: date(token.expiresAt),
            lifetimeSeconds: toSeconds(token.lifetime.ms),
            ageSeconds: toSeconds(snapshot.now - token.sentAt),
            /** Until the proxy stops sending the token, shortly before it expires; negative after that. */
            usableForSeconds: toSeconds(token.usableUntil - snapshot.now),
          },
    /** Facts that are always shown. A fact that does not apply, or a count of 0, is missing. */
    groups: {
      renewal: present({
        inProgress: snapshot.request,
        [failures > 0 ? 'nextAttempt' : 'nextRenewal']:
          snapshot.request === undefined ? at(nextRequestAt) : undefined,
        backoff: backoff === 'none' ? undefined : backoff,
        failedInRow: failures,
        lastSuccess: at(token?.sentAt),
        lastLogin: at(now.loginAt),
        budget: isAuthenticated(snapshot) ? { seconds: toSeconds(snapshot.usableFor) } : undefined,
        sharing: sharing?.state,
        sharingSince: sharing?.state === 'local' ? at(sharing.since) : undefined,
        adoptedAt: at(snapshot.adoptedAt),
        generation: token?.generation,
        refreshTokenEnds: at(token?.refreshExpiresAt),
      }),
      calls: present({
        callsInMinute: addUp(calls.minute),
        lastAnswered: at(calls.answeredAt),
        ...Object.fromEntries(Object.entries(calls.minute).toReversed()),
        inFlight: sources.running.inFlight,
        waitingForToken: snapshot.waiters,
      }),
      certificates: present({
        listener: dateOf(certificates.listener),
        client: dateOf(certificates.client),
        ca: dateOf(certificates.ca),
      }),
    },
    /** Requests by minute and outcome, the newest minute last. */
    hour: activity.hour().map(({ at, counts }) => Object.assign(counts, { at: date(at) })),
    /** The last ten kinds of calls to which iSales did not respond, the newest first. */
    failedCalls: now.failedCalls.map((call) => {
      const { count, method, status, of, requestId } = call
      const { outcome, cause } = of
      const path = local ? call.path : null
      return { count, at: date(call.at), method, path, status, outcome, cause, requestId }
    }),
    /** The last changes of the state, the newest first. */
    changes: activity.changes().map(({ at, state }) => ({ at: date(at), state })),
  }
}

type Group = Readonly<Partial<Record<FactName, Value>>>

function present(facts: Readonly<Record<string, Value | undefined>>): Group {
  const all = Object.entries(facts).filter(([, value]) => value !== undefined && value !== 0)
  return Object.fromEntries(all) as Group
}
