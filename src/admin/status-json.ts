import { isLoopback } from '../config/index.ts'
import { toSeconds } from '../clock.ts'
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

/** The body of `/status.json`; page, text and the command `status` show it. */
export type Status = ReturnType<typeof readStatus>

/** What is judged when somebody looks. */
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

/** Facts for readers on this machine: they say who logs in where, and which files hold it. */
// oxfmt-ignore
const PRIVATE: ReadonlySet<FactName> = new Set<FactName>([
  'isales', 'egress', 'store', 'stateDir', 'serverName', 'certificate', 'userFile',
  'passwordFile', 'file', 'path', 'host', 'user', 'userHas', 'passwordHas',
])

/** True for a peer on this machine. IPv4 may be mapped into IPv6. */
export function isLocal(address = ''): boolean {
  return isLoopback(address.replace(/^::ffff:/i, ''))
}

/**
 * Durations are seconds, dates in ISO 8601 and UTC. Null: there is none, or it is not known. Titles and cures are those of
 * the sections in one language.
 *
 * @param local the reader is on this machine.
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
    const isRejected = code === 'IsalesProxyAccountRejected'
    const credentials = isRejected ? now.diagnostics.credentials : []
    const all = [...(cause?.facts ?? []), ...facts, ...credentials]
    const remedy = isOver ? '' : explanation?.remedy || headline.remedy
    return {
      finding,
      state,
      code,
      /** The cause, a code of its own; null: `code` says it all. */
      cause: cause?.code ?? null,
      title: headline.title,
      reason: messages.sentences(
        explanation?.title ?? '',
        explanation?.meaning ?? '',
        headline.meaning,
      ),
      /** It is over; a fact says since when. */
      isOver,
      /** What to do; empty: nothing. */
      remedy,
      /** What to do in detail, on the admin port. */
      runbook: remedy === '' ? null : `/docs/${headline.at}`,
      facts: (local ? all : all.filter(([name]) => !PRIVATE.has(name))) as readonly Fact[],
    }
  }
  const [headline, ...others] = diagnose(now)
  const first = shown(headline)
  const { listener, client, ca } = certificates

  return {
    ...first,
    /** The first is the headline above. */
    findings: [first, ...others.map(shown)] as const,
    /** What people call this proxy. */
    instance: sources.instance,
    version: sources.version,
    /** Of the process. */
    pid: sources.process?.pid ?? null,
    /** What the number belongs to, such as `pid:[4026531836]`. */
    processScope: sources.process?.processScope ?? null,
    /** False: hosts, paths and files are left out. */
    local,
    time: dateOf(wallNow),
    /** Minutes by which the local time of the machine is ahead of UTC. */
    utcOffset: sources.utcOffset(),
    upSeconds: toSeconds(snapshot.now - activity.startedAt),
    authenticated: isAuthenticated(snapshot),
    /** How long requests would go on working if every login failed from now. */
    outageBudgetSeconds: toSeconds(snapshot.outageBudget),
    token:
      token === undefined
        ? null
        : {
            generation: token.generation,
            obtainedAt: date(token.obtainedAt),
            expiresAt: date(token.expiresAt),
            lifetimeSeconds: toSeconds(token.lifetime),
            ageSeconds: toSeconds(snapshot.now - token.obtainedAt),
            /** Until it is no longer sent, which is a little before its end; counts down below 0. */
            usableForSeconds: toSeconds(token.usableUntil - snapshot.now),
            refreshTokenExpiresAt: optionalDate(token.refreshExpiresAt),
          },
    renewal: {
      /** The login or refresh in flight now. */
      tokenRequest: snapshot.request ?? null,
      backoff: snapshot.backoff,
      /** iSales has refused user and password since the last grant. */
      refused: snapshot.refused,
      nextAt: optionalDate(nextRequestAt),
      nextInSeconds: Number.isFinite(nextRequestAt)
        ? toSeconds(Math.max(0, nextRequestAt - snapshot.now))
        : null,
      lastSuccessAt: optionalDate(snapshot.lastSuccessAt),
      failuresInRow: snapshot.failuresInRow,
      lastFailure:
        lastFailure === undefined
          ? null
          : {
              at: date(lastFailure.at),
              operation: lastFailure.operation,
              reason: lastFailure.failure.reason,
              cause: explained(lastFailure.failure, sources.diagnostics, lastFailure.operation)
                .code,
              httpStatus: lastFailure.failure.status ?? null,
              detail: lastFailure.failure.detail,
            },
    },
    /** Null: each replica has a token of its own. */
    sharing:
      sharing === undefined
        ? null
        : {
            /** `alone`: the shared store cannot be used. */
            state: sharing.state,
            reason: sharing.reason ?? null,
            /** The store's own code, where it refused. */
            code: sharing.code ?? null,
            since: date(sharing.since),
            /** When the present token came from another replica. */
            adoptedAt: optionalDate(sharing.adoptedAt),
          },
    requests: {
      inFlight: sources.running.inFlight,
      waitingForToken: snapshot.waiters,
      /** Requests of the last 60 s by `outcome`, as in the metric; `calls` are those of CTI-OBS. */
      lastMinute: { calls: addUp(calls.minute), ...calls.minute },
      lastAnsweredAt: optionalDate(calls.answeredAt),
      /** Calls by minute and outcome, the newest last. */
      lastHour: activity.hour().map(({ at, counts }) => {
        const byOutcome = CALLS.map((each) => [each, counts[each]])
        const calls = Object.fromEntries(byOutcome) as Record<CallOutcome, number>
        return Object.assign(calls, { at: date(at) })
      }),
      /** The last ten that iSales did not answer, those that are alike as one, the newest first. */
      lastFailed: now.failedCalls.map((call) => {
        const { count, method, status, of, requestId } = call
        const { outcome, cause } = of
        const path = local ? call.path : null
        return { count, at: date(call.at), method, path, status, outcome, cause, requestId }
      }),
    },
    /** The last changes of the state, the newest first. */
    changes: activity.changes().map(({ at, state }) => ({ at: date(at), state })),
    /** When each certificate ends; null: none is configured, or it cannot be read. */
    certificates: {
      listener: listener === undefined ? null : dateOf(listener),
      client: client === undefined ? null : dateOf(client),
      ca: ca === undefined ? null : dateOf(ca),
    },
  }
}

/** @param time milliseconds since 1970. */
function dateOf(time: number): string {
  return new Date(Math.round(time)).toISOString()
}
