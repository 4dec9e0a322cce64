import { isLoopback } from '../config/index.ts'
import { secondsOf } from '../clock.ts'
import {
  explained,
  sectionOf,
  WORDS,
  type Fact,
  type FactName,
  type Language,
  type Reading,
  type Value,
  type Words,
} from '../words/index.ts'
import { findingsOf, isAuthenticated, type Finding, type Seen } from './judge.ts'
import type { Recorder } from './record.ts'
import type { AdminSources } from './sources.ts'

/** The body of `/status.json`; page, text and the command `status` show it. */
export type Status = ReturnType<typeof readStatus>

/** A date in ISO 8601, UTC. */
type Instant = string

/** What is read when somebody looks. */
export function seen(sources: AdminSources, record: Recorder): Seen {
  const refused = record.calls.failed().filter(({ code, status }) => !code && status < 500)
  const paths = refused.map(({ method, path, count }) => `${method} ${path} (${count})`)
  return {
    draining: sources.running.draining,
    places: sources.places,
    wallNow: sources.wallClock(),
    token: sources.token(),
    sharing: sources.sharing(),
    calls: record.calls.view(),
    refusedPaths: [...paths.slice(0, 3), ...(paths.length > 3 ? ['…'] : [])].join(', '),
    refreshes: record.refreshes(),
    stateTrouble: record.stateTrouble(),
    fileErrors: record.fileErrors(),
    isLifetimeDoubtful: record.isLifetimeDoubtful(),
  }
}

/** Facts for readers on this machine: they say who logs in where, and which files hold it. */
// oxfmt-ignore
const PRIVATE: ReadonlySet<FactName> = new Set<FactName>([
  'isales', 'egress', 'store', 'stateDir', 'serverName', 'certificate', 'userFile',
  'passwordFile', 'paths',
])

/** True for a peer on this machine. IPv4 may be mapped into IPv6. */
export function isLocal(address = ''): boolean {
  return isLoopback(address.replace(/^::ffff:/i, ''))
}

/**
 * Durations are seconds. Null: there is none, or it is not known. Titles and cures are those of the sections in one
 * language.
 *
 * @param local the reader is on this machine.
 */
export function readStatus(
  sources: AdminSources,
  record: Recorder,
  { language, local }: { readonly language: Language; readonly local: boolean },
) {
  const now = seen(sources, record)
  const { token: snapshot, wallNow, sharing, calls } = now
  const { token, lastFailure, nextRequestAt = Infinity } = snapshot
  const { minute, lastFailedAt } = calls
  const findings = findingsOf(now)
  const date = (instant: number): Instant =>
    new Date(Math.round(wallNow + instant - snapshot.now)).toISOString()
  const optionalDate = (instant = Infinity): Instant | null =>
    Number.isFinite(instant) ? date(instant) : null
  const occurred = (type: Parameters<Recorder['occurred']>[0]) => {
    const { count, at } = record.occurred(type)
    return { count, lastAt: optionalDate(at) }
  }
  const words = WORDS[language]
  const shown = ({ finding, state, code, facts, why }: Finding) => {
    const headline = sectionOf(language, code)
    const cause = why && sectionOf(language, why.code)
    const all = [...(why?.facts ?? []), ...facts]
    const remedy = cause?.todo || headline.todo
    return {
      finding,
      state,
      code,
      /** What is behind it, a code of its own; null: `code` says it all. */
      cause: why?.code ?? null,
      title: headline.title,
      reason: words.sentences(cause?.title ?? '', cause?.means ?? '', headline.means),
      /** What to do; empty: nothing. */
      remedy,
      /** What to do in detail, on the admin port. */
      runbook: remedy === '' ? null : `/docs/${headline.at}`,
      facts: (local ? all : all.filter(([name]) => !PRIVATE.has(name))) as readonly Fact[],
    }
  }
  const certificates = sources.certificates()
  const [headline, ...others] = findings
  const first = shown(headline)

  return {
    ...first,
    /** The first is the headline above. */
    findings: [first, ...others.map(shown)] as const,
    /** What people call this proxy. */
    instance: sources.instance,
    /** Name of the host or pod. */
    host: sources.host,
    version: sources.version,
    /** Of the process. */
    pid: sources.pid ?? null,
    /** False: hosts, paths and files are left out. */
    local,
    time: date(snapshot.now),
    /** Minutes by which the local time of the machine is ahead of UTC. */
    utcOffset: sources.utcOffset(),
    upSeconds: secondsOf(snapshot.now - record.startedAt),
    authenticated: isAuthenticated(snapshot),
    /** How long requests would go on working if every login failed from now. */
    outageBudgetSeconds: secondsOf(snapshot.outageBudget),
    token:
      token === undefined
        ? null
        : {
            generation: token.generation,
            obtainedAt: date(token.obtainedAt),
            expiresAt: date(token.expiresAt),
            lifetimeSeconds: secondsOf(token.lifetime),
            ageSeconds: secondsOf(snapshot.now - token.obtainedAt),
            /** Until it is no longer sent, which is a little before its end; counts down below 0. */
            usableForSeconds: secondsOf(token.usableUntil - snapshot.now),
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
        ? secondsOf(Math.max(0, nextRequestAt - snapshot.now))
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
              cause: explained(lastFailure.failure, sources.places, lastFailure.operation).code,
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
    /** The last 60 logins and refreshes, the newest last. Null as reason: it succeeded. */
    tokenRequests: record.tokenRequests().map(({ at, operation, durationMs, reason = null }) => {
      return { at: date(at), operation, durationSeconds: secondsOf(durationMs), reason }
    }),
    conflicts: occurred('conflict'),
    rejections: occurred('token-rejected'),
    credentialChanges: occurred('credentials-changed'),
    requests: {
      inFlight: sources.running.inFlight,
      waitingForToken: snapshot.waiters,
      /** Calls of the last 60 s; what the client did wrong, or gave up, is not among them. */
      lastMinute: { total: minute.succeeded + minute.refused + minute.failed, ...minute },
      lastFailedAt: optionalDate(lastFailedAt),
      /** By minute, the newest last. */
      lastHour: record.calls.hour().map(({ at, succeeded, refused, failed }) => {
        return { at: date(at), succeeded, refused, failed }
      }),
      /** The last ten that did not succeed, those that are alike as one, the newest first. */
      lastFailed: record.calls.failed().map((call) => {
        const { count, method, path, status, code = null, requestId } = call
        const at = date(call.at)
        return { count, at, method, path: local ? path : null, status, code, requestId }
      }),
    },
    /** When each certificate ends; null: none is configured, or it cannot be read. */
    certificates: {
      listener: calendarDate(certificates.listener),
      client: calendarDate(certificates.client),
      ca: calendarDate(certificates.ca),
    },
  }
}

function calendarDate(ms: number | undefined): Instant | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

/** Codes to look up, with their places on the admin port: the headline, and what is behind it. */
export function linksOf(
  { runbook, code, cause }: Pick<Status, 'runbook' | 'code' | 'cause'>,
  { language }: Words,
): readonly (readonly [code: string, link: string])[] {
  if (runbook === null) return []
  const behind = cause === null ? [] : [[cause, `/docs/${sectionOf(language, cause).at}`] as const]
  return [[code, runbook], ...behind]
}

/** The instant and the zone of all texts that show a status. */
export function readingOf({ time, utcOffset }: Status): Reading {
  return { now: Date.parse(time), offset: utcOffset }
}

export type Group = readonly [title: string, facts: readonly Fact[]]

/** What page and text show below the findings. What is 0 or never was is left out. */
export function groupsOf(status: Status, { page }: Words): readonly Group[] {
  const { renewal, token, sharing, requests, certificates } = status
  const at = (date: string | null | undefined) => (date ? { at: date } : null)
  const next = renewal.tokenRequest === null ? at(renewal.nextAt) : null
  type Rows = Readonly<Partial<Record<FactName, Value | null>>>
  const groups: readonly (readonly [title: string, rows: Rows])[] = [
    [
      page.renewal,
      {
        inProgress: renewal.tokenRequest,
        [renewal.failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal']: next,
        backoff: renewal.backoff === 'none' ? null : renewal.backoff,
        failedInRow: renewal.failuresInRow,
        lastSuccess: at(renewal.lastSuccessAt),
        budget: status.authenticated ? { seconds: status.outageBudgetSeconds } : null,
        sharing: sharing?.state ?? null,
        sharingSince: sharing?.state === 'alone' ? at(sharing.since) : null,
        adoptedAt: at(sharing?.adoptedAt),
      },
    ],
    [
      page.token,
      {
        generation: token?.generation ?? 0,
        refreshTokenEnds: at(token?.refreshTokenExpiresAt),
        rejections: status.rejections.count,
        lastRejection: at(status.rejections.lastAt),
        conflicts: status.conflicts.count,
        lastConflict: at(status.conflicts.lastAt),
        secretChanges: status.credentialChanges.count,
        lastSecretChange: at(status.credentialChanges.lastAt),
      },
    ],
    [
      page.calls,
      {
        callsInMinute: requests.lastMinute.total,
        refusedByIsales: requests.lastMinute.refused,
        failed: requests.lastMinute.failed,
        lastFailed: at(requests.lastFailedAt),
        inFlight: requests.inFlight,
        waitingForToken: requests.waitingForToken,
      },
    ],
    [
      page.certificates,
      {
        listener: at(certificates.listener),
        client: at(certificates.client),
        ca: at(certificates.ca),
      },
    ],
  ]
  return groups.flatMap(([title, rows]) => {
    const facts = (Object.entries(rows) as [FactName, Value | null][]).filter(
      (row): row is [FactName, Value] => row[1] !== null && row[1] !== 0,
    )
    return facts.length === 0 ? [] : [[title, facts] as const]
  })
}

/** The last failed calls, as rows of `page.columns`. */
export function failedRows(status: Status, time: (instant: string) => string) {
  return status.requests.lastFailed.map(({ at, method, path, status: code, ...call }) => [
    time(at),
    path === null ? method : `${method} ${path}`,
    String(code),
    call.code ?? '',
    String(call.count),
    call.requestId,
  ])
}
