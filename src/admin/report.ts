import { PROBLEMS } from '../http/problem.ts'
import { BACKOFFS } from '../token/ask.ts'
import { AUTH_FAILURES } from '../token/protocol.ts'
import { STORE_FAILURES } from '../sharing/events.ts'
import { clockTime, number, type Speaker } from './format.ts'
import { STATES } from './findings.ts'
import type { Status } from './status.ts'
import {
  AUTH_FAILURE_TEXTS_ZH,
  BACKOFF_TEXTS_ZH,
  PROBLEM_TITLES_ZH,
  STORE_FAILURE_TEXTS_ZH,
  WORDS,
} from './texts.ts'

/** Name and value; the third says that the value needs attention. */
export type Fact = readonly [name: string, value: string, marked?: boolean]

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** What the page and its plain text show below the headline, in one language. What is 0 or never was is left out. */
export function describe(status: Status, speaker: Speaker) {
  const { say } = speaker
  const cards: readonly (readonly [string, readonly Fact[]])[] = [
    [say(WORDS.renewal), renewalFacts(status, speaker)],
    [say(WORDS.token), tokenFacts(status, speaker)],
    [say(WORDS.calls), callFacts(status, speaker)],
    [say(WORDS.certificates), certificateFacts(status, speaker)],
  ]
  return {
    figure: figureOf(status, speaker),
    lastFailure: lastFailureOf(status, speaker),
    cards: cards.filter(([, facts]) => facts.length > 0),
    tables: tablesOf(status, speaker).filter(({ rows }) => rows.length > 0),
    settings: settingTables(status, speaker),
  }
}

/** The number that matters most: how many calls fail, how long the token serves, or when the next login begins. */
function figureOf(status: Status, { say, duration, countdown }: Speaker) {
  const { exchange, nextInSeconds } = status.renewal
  const { worst, lastMinute } = status.requests
  const failing = status.state === 'failing' || status.state === 'degraded'
  if (failing && worst !== null && worst.kind !== 'recovering') {
    const time = duration(Math.round(worst.seconds))
    return {
      above: say(WORDS.failedFor, { time }),
      value: say(WORDS.failedOf, worst),
      marked: true,
    }
  }
  if (status.state === 'degraded' && worst === null && lastMinute.refused > 0) {
    const value = say(WORDS.failedOf, { failed: lastMinute.refused, total: lastMinute.total })
    return { above: say(WORDS.refusedInMinute), value, marked: true }
  }
  const marked = STATES[status.state] === 'bad' || status.renewal.failuresInRow > 0
  if (status.authenticated)
    return { above: say(WORDS.budget), value: countdown(status.outageBudgetSeconds), marked }
  if (exchange !== null) return { above: say(WORDS.nextAttempt), value: say(WORDS.now), marked }
  if (nextInSeconds === null) return undefined
  return { above: say(WORDS.nextAttemptIn), value: countdown(nextInSeconds), marked }
}

function lastFailureOf({ renewal, time }: Status, speaker: Speaker) {
  const { failuresInRow, lastFailure } = renewal
  if (failuresInRow === 0 || lastFailure === null) return undefined
  return {
    words: authFailures(speaker)[lastFailure.reason],
    detail: `${lastFailure.detail}, ${speaker.ago(lastFailure.at, time)}`,
  }
}

/** In English each module has the words of its own sets. */
export function authFailures({ language }: Speaker) {
  return language === 'zh' ? AUTH_FAILURE_TEXTS_ZH : AUTH_FAILURES
}

function renewalFacts(status: Status, speaker: Speaker): readonly Fact[] {
  const { say, duration, ago } = speaker
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned =
    nextInSeconds === null
      ? say(WORDS.notPlanned)
      : say(WORDS.in, { time: duration(nextInSeconds) })
  const backoffs = speaker.language === 'zh' ? BACKOFF_TEXTS_ZH : BACKOFFS
  return [
    [
      say(failuresInRow > 0 ? WORDS.nextAttempt : WORDS.nextRenewal),
      exchange === null ? planned : say(WORDS.inProgress, { operation: say(WORDS[exchange]) }),
    ],
    ...when(backoff !== 'none', say(WORDS.backoff), backoffs[backoff], true),
    ...when(failuresInRow > 0, say(WORDS.failedInRow), number(failuresInRow), true),
    ...sharingFact(status, speaker),
    [
      say(WORDS.lastSuccess),
      lastSuccessAt === null ? say(WORDS.never) : ago(lastSuccessAt, status.time),
    ],
  ]
}

function when(shown: boolean, ...fact: Fact): readonly Fact[] {
  return shown ? [fact] : []
}

/** Nothing unless it is configured. */
function sharingFact({ sharing, time }: Status, { say, ago, language }: Speaker): readonly Fact[] {
  if (sharing === null) return []
  const { state, reason, replicas, since, adoptedAt } = sharing
  const name = say(WORDS.sharedToken)
  if (state === 'alone') {
    const failures = language === 'zh' ? STORE_FAILURE_TEXTS_ZH : STORE_FAILURES
    const why = reason === null ? say(WORDS.storeNotUsed) : failures[reason]
    return [[name, say(WORDS.alone, { why, ago: ago(since, time) }), true]]
  }
  const others = (replicas ?? 1) - 1
  const shared =
    replicas === null
      ? say(WORDS.shared)
      : others > 1
        ? say(WORDS.sharedWith, { count: others })
        : say(others === 1 ? WORDS.sharedWithOne : WORDS.sharedWithNone)
  const origin = adoptedAt === null ? [] : [say(WORDS.adopted, { ago: ago(adoptedAt, time) })]
  return [[name, [shared, ...origin].join('; ')]]
}

function tokenFacts(status: Status, { say, until, ago }: Speaker): readonly Fact[] {
  const { token, time } = status
  const end = token?.refreshTokenExpiresAt
  const occurred = (name: string, { count, lastAt }: Status['conflicts']): readonly Fact[] =>
    lastAt === null ? [] : [[name, say(WORDS.occurred, { count, ago: ago(lastAt, time) })]]
  return [
    [say(WORDS.tokensSoFar), number(token?.generation ?? 0)],
    [
      say(WORDS.refreshToken),
      token === null ? say(WORDS.none) : end ? until(end, time) : say(WORDS.endNotKnown),
    ],
    ...occurred(say(WORDS.rejectedEarly), status.rejections),
    ...occurred(say(WORDS.conflicts), status.conflicts),
    ...occurred(say(WORDS.secretChanged), status.credentialChanges),
  ]
}

function callFacts({ requests, time }: Status, { say, ago }: Speaker): readonly Fact[] {
  const { lastMinute, lastFailedAt, byStatusClass, inFlight, waitingForToken } = requests
  const { healed = 0 } = requests.replays
  const counted = (name: string, count: number, marked = false): readonly Fact[] =>
    when(count > 0, name, number(count), marked)
  return [
    [say(WORDS.lastMinute), number(lastMinute.total)],
    ...counted(say(WORDS.refusedByIsales), lastMinute.refused, true),
    ...counted(say(WORDS.failed), lastMinute.failed, true),
    ...(lastFailedAt === null ? [] : [[say(WORDS.lastFailed), ago(lastFailedAt, time)] as const]),
    ...counted(say(WORDS.inFlight), inFlight),
    ...counted(say(WORDS.waitingForToken), waitingForToken),
    [say(WORDS.sinceStart), number(requests.total)],
    ...Object.entries(byStatusClass).flatMap(([status, count]) =>
      counted(say(WORDS.withStatus, { status }), count),
    ),
    ...counted(say(WORDS.saved), healed),
  ]
}

const CERTIFICATES = {
  listener: WORDS.ofProxy,
  client: WORDS.forIsales,
  ca: WORDS.caOfIsales,
} as const

function certificateFacts({ certificates, time }: Status, { say, until }: Speaker) {
  return (['listener', 'client', 'ca'] as const).flatMap((name): readonly Fact[] => {
    const end = certificates[name]
    if (end === null) return []
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [[say(CERTIFICATES[name]), `${until(end, time)}, ${end.slice(0, 10)}`, soon]]
  })
}

function tablesOf(status: Status, speaker: Speaker): readonly Table[] {
  const { say, ago, language } = speaker
  const { requests, failures, time, utcOffset } = status
  const title = (code: string): string =>
    language === 'zh'
      ? PROBLEM_TITLES_ZH[code as keyof typeof PROBLEM_TITLES_ZH]
      : PROBLEMS[code as keyof typeof PROBLEMS].title
  const reasons: Readonly<Record<string, string>> = authFailures(speaker)
  const counts = (of: Readonly<Record<string, number>>, words: (name: string) => string) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, words(name), number(count)])
  return [
    {
      title: say(WORDS.failedCalls),
      head: [WORDS.time, WORDS.call, WORDS.status, WORDS.code, WORDS.requestId].map((each) =>
        say(each),
      ),
      rows: requests.lastFailed.map(({ at, method, path, status: code, ...call }) => [
        clockTime(at, utcOffset),
        `${method} ${path}`,
        String(code),
        call.code ?? '',
        call.requestId,
      ]),
    },
    {
      title: say(WORDS.failedPaths),
      head: [WORDS.path, WORDS.refused, WORDS.failedCount, WORDS.last].map((each) => say(each)),
      rows: requests.failedPaths.map(({ method, path, refused, failed, lastAt }) => [
        `${method} ${path}`,
        number(refused),
        number(failed),
        ago(lastAt, time),
      ]),
    },
    {
      title: say(WORDS.failedLogins),
      head: [WORDS.reason, WORDS.meaning, WORDS.count].map((each) => say(each)),
      rows: counts(failures, (reason) => reasons[reason] ?? ''),
    },
    {
      title: say(WORDS.errors),
      head: [WORDS.code, WORDS.meaning, WORDS.count].map((each) => say(each)),
      rows: counts(requests.errors, title),
    },
  ]
}

/** Those of this instance, then those that have their default. */
function settingTables({ settings }: Status, { say }: Speaker): readonly [Table, Table] {
  const shown = (value: string | null): string =>
    value === null ? say(WORDS.notSet) : value === '' ? say(WORDS.empty) : value
  const own = settings.filter(({ source }) => source !== 'default')
  const head = [say(WORDS.setting), say(WORDS.value)]
  return [
    {
      title: say(WORDS.setHere),
      head: [...head, say(WORDS.from)],
      rows: own.map(({ name, value, source }) => [name, shown(value), source]),
    },
    {
      title: say(WORDS.defaults),
      head,
      rows: settings
        .filter(({ source }) => source === 'default')
        .map(({ name, value }) => [name, shown(value)]),
    },
  ]
}

/** The status as plain text: `/status.txt`, the command `status`, and what people send to support. */
export function renderText(status: Status, speaker: Speaker): string {
  const { say, duration } = speaker
  const { figure, lastFailure, cards, tables } = describe(status, speaker)
  const head = [
    `isales-auth-proxy · ${status.instance} · ${say(WORDS.version, { version: status.version })} · ${say(WORDS.up, { time: duration(Math.round(status.upSeconds)) })}`,
    `${status.time.slice(0, 10)} ${clockTime(status.time, status.utcOffset)}`,
  ]
  const findings = status.findings.map(({ title, reason, remedy, runbook }) =>
    [`[${title}] ${reason}`, remedy, runbook ?? ''].filter((line) => line !== '').join('\n  '),
  )
  const facts = [
    ...(figure === undefined ? [] : [[figure.above, figure.value]]),
    ...(lastFailure === undefined
      ? []
      : [[say(WORDS.lastTokenRequest), `${lastFailure.words} (${lastFailure.detail})`]]),
  ]
  const parts = [
    head.join('\n'),
    findings.join('\n'),
    columns(facts),
    ...cards.map(
      ([title, rows]) => `${title}\n${columns(rows.map(([name, value]) => [name, value]))}`,
    ),
    ...tables.map(({ title, head: names, rows }) => `${title}\n${columns([names, ...rows])}`),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

/** Aligned columns; Chinese characters are two wide on a terminal. */
function columns(rows: readonly (readonly string[])[]): string {
  const wide = (text: string): number => text.length + (text.match(/[⺀-￯]/g)?.length ?? 0)
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, wide(cell))),
    [],
  )
  const pad = (cell: string, i: number): string =>
    cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - wide(cell)))
  return rows.map((row) => `  ${row.map(pad).join('  ').trimEnd()}`).join('\n')
}
