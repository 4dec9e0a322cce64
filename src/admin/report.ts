import { indented } from '../text.ts'
import { clockTime, number, type Speaker } from './format.ts'
import { STATES } from './findings.ts'
import type { Status } from './status.ts'
import {
  AUTH_FAILURE_TEXTS,
  BACKOFF_TEXTS,
  PROBLEM_TITLES,
  STORE_FAILURE_TEXTS,
  type Words,
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
  const cards: readonly (readonly [string, readonly (Fact | false)[]])[] = [
    [say('renewal'), renewalFacts(status, speaker)],
    [say('token'), tokenFacts(status, speaker)],
    [say('calls'), callFacts(status, speaker)],
    [say('certificates'), certificateFacts(status, speaker)],
  ]
  return {
    figure: figureOf(status, speaker),
    lastFailure: lastFailureOf(status, speaker),
    cards: cards
      .map(([title, facts]) => [title, facts.filter((fact) => fact !== false)] as const)
      .filter(([, facts]) => facts.length > 0),
    tables: tablesOf(status, speaker).filter(({ rows }) => rows.length > 0),
    settings: settingTables(status, speaker),
  }
}

/** The number that matters most: how many calls fail, how long the token serves, or when the next login begins. */
function figureOf(status: Status, { say, duration, countdown }: Speaker) {
  const { exchange, nextInSeconds, failuresInRow } = status.renewal
  const { worst, lastMinute } = status.requests
  const failing = status.state === 'failing' || status.state === 'degraded'
  if (failing && worst !== null && worst.kind !== 'recovering') {
    const above = say('failedFor', { time: duration(Math.round(worst.seconds)) })
    return { above, value: say('failedOf', worst), marked: true }
  }
  if (status.state === 'degraded' && worst === null && lastMinute.refused > 0) {
    const value = say('failedOf', { failed: lastMinute.refused, total: lastMinute.total })
    return { above: say('refusedInMinute'), value, marked: true }
  }
  const marked = STATES[status.state] === 'bad' || failuresInRow > 0
  if (status.authenticated)
    return { above: say('budget'), value: countdown(status.outageBudgetSeconds), marked }
  if (exchange !== null) return { above: say('nextAttempt'), value: say('now'), marked }
  if (nextInSeconds === null) return undefined
  return { above: say('nextAttemptIn'), value: countdown(nextInSeconds), marked }
}

function lastFailureOf({ renewal, time }: Status, { pick, ago }: Speaker) {
  const { failuresInRow, lastFailure } = renewal
  if (failuresInRow === 0 || lastFailure === null) return undefined
  const { reason, detail, at } = lastFailure
  return { words: pick(AUTH_FAILURE_TEXTS)[reason], detail: `${detail}, ${ago(at, time)}` }
}

function renewalFacts(status: Status, speaker: Speaker): readonly (Fact | false)[] {
  const { say, pick, duration, ago } = speaker
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned =
    nextInSeconds === null ? say('notPlanned') : say('in', { time: duration(nextInSeconds) })
  return [
    [
      say(failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal'),
      exchange === null ? planned : say('inProgress', { operation: say(exchange) }),
    ],
    backoff !== 'none' && [say('backoff'), pick(BACKOFF_TEXTS)[backoff], true],
    failuresInRow > 0 && [say('failedInRow'), number(failuresInRow), true],
    sharingFact(status, speaker),
    [say('lastSuccess'), lastSuccessAt === null ? say('never') : ago(lastSuccessAt, status.time)],
  ]
}

/** Nothing unless it is configured. */
function sharingFact({ sharing, time }: Status, { say, pick, ago }: Speaker): Fact | false {
  if (sharing === null) return false
  const { state, reason, replicas, since, adoptedAt } = sharing
  const name = say('sharedToken')
  if (state === 'alone') {
    const why = reason === null ? say('storeNotUsed') : pick(STORE_FAILURE_TEXTS)[reason]
    return [name, say('alone', { why, ago: ago(since, time) }), true]
  }
  const others = (replicas ?? 1) - 1
  const shared =
    replicas === null
      ? say('shared')
      : others > 1
        ? say('sharedWith', { count: others })
        : say(others === 1 ? 'sharedWithOne' : 'sharedWithNone')
  if (adoptedAt === null) return [name, shared]
  return [name, `${shared}; ${say('adopted', { ago: ago(adoptedAt, time) })}`]
}

function tokenFacts(status: Status, { say, until, ago }: Speaker): readonly (Fact | false)[] {
  const { token, time } = status
  const end = token?.refreshTokenExpiresAt
  const occurred = (name: string, { count, lastAt }: Status['conflicts']): Fact | false =>
    lastAt !== null && [name, say('occurred', { count, ago: ago(lastAt, time) })]
  return [
    [say('tokensSoFar'), number(token?.generation ?? 0)],
    [
      say('refreshToken'),
      token === null ? say('none') : end ? until(end, time) : say('endNotKnown'),
    ],
    occurred(say('rejectedEarly'), status.rejections),
    occurred(say('conflicts'), status.conflicts),
    occurred(say('secretChanged'), status.credentialChanges),
  ]
}

function callFacts({ requests, time }: Status, { say, ago }: Speaker): readonly (Fact | false)[] {
  const { lastMinute, lastFailedAt, byStatusClass, inFlight, waitingForToken } = requests
  const counted = (name: string, count = 0, marked = false): Fact | false =>
    count > 0 && [name, number(count), marked]
  return [
    [say('lastMinute'), number(lastMinute.total)],
    counted(say('refusedByIsales'), lastMinute.refused, true),
    counted(say('failed'), lastMinute.failed, true),
    lastFailedAt !== null && [say('lastFailed'), ago(lastFailedAt, time)],
    counted(say('inFlight'), inFlight),
    counted(say('waitingForToken'), waitingForToken),
    [say('sinceStart'), number(requests.total)],
    ...Object.entries(byStatusClass).map(([status, count]) =>
      counted(say('withStatus', { status }), count),
    ),
    counted(say('saved'), requests.replays['healed']),
  ]
}

function certificateFacts({ certificates, time }: Status, { say, until }: Speaker) {
  return (['listener', 'client', 'ca'] as const).map((name): Fact | false => {
    const end = certificates[name]
    if (end === null) return false
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [say(`${name}Certificate`), `${until(end, time)}, ${end.slice(0, 10)}`, soon]
  })
}

function tablesOf(status: Status, { say, pick, ago }: Speaker): readonly Table[] {
  const { requests, failures, time, utcOffset } = status
  const counts = (of: Readonly<Record<string, number>>, words: Words<string>) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, pick(words)[name] ?? '', number(count)])
  return [
    {
      title: say('failedCalls'),
      head: [say('time'), say('call'), say('status'), say('code'), say('requestId')],
      rows: requests.lastFailed.map(({ at, method, path, status: code, ...call }) => [
        clockTime(at, utcOffset),
        `${method} ${path}`,
        String(code),
        call.code ?? '',
        call.requestId,
      ]),
    },
    {
      title: say('failedPaths'),
      head: [say('path'), say('refused'), say('failedCount'), say('last')],
      rows: requests.failedPaths.map(({ method, path, refused, failed, lastAt }) => [
        `${method} ${path}`,
        number(refused),
        number(failed),
        ago(lastAt, time),
      ]),
    },
    {
      title: say('failedLogins'),
      head: [say('reason'), say('meaning'), say('count')],
      rows: counts(failures, AUTH_FAILURE_TEXTS),
    },
    {
      title: say('errors'),
      head: [say('code'), say('meaning'), say('count')],
      rows: counts(requests.errors, PROBLEM_TITLES),
    },
  ]
}

/** Those of this instance, then those that have their default. */
function settingTables({ settings }: Status, { say }: Speaker): readonly [Table, Table] {
  const rows = (own: boolean) =>
    settings
      .filter(({ source }) => own === (source !== 'default'))
      .map(({ name, value, source }) => {
        const shown = value === null ? say('notSet') : value === '' ? say('empty') : value
        return own ? [name, shown, source] : [name, shown]
      })
  const head = [say('setting'), say('value')]
  return [
    { title: say('setHere'), head: [...head, say('from')], rows: rows(true) },
    { title: say('defaults'), head, rows: rows(false) },
  ]
}

/** The status as plain text: `/status.txt`, the command `status`, and what people send to support. */
export function renderText(status: Status, speaker: Speaker): string {
  const { say, duration } = speaker
  const { figure, lastFailure, cards, tables } = describe(status, speaker)
  const head = [
    'isales-auth-proxy',
    status.instance,
    say('version', { version: status.version }),
    say('up', { time: duration(Math.round(status.upSeconds)) }),
  ]
  const findings = status.findings.map(({ title, reason, remedy, runbook }) =>
    [`[${title}] ${reason}`, remedy, runbook ?? ''].filter((line) => line !== '').join('\n  '),
  )
  const facts: string[][] = []
  if (figure !== undefined) facts.push([figure.above, figure.value])
  if (lastFailure !== undefined)
    facts.push([say('lastTokenRequest'), `${lastFailure.words} (${lastFailure.detail})`])
  const parts = [
    `${head.join(' · ')}\n${status.time.slice(0, 10)} ${clockTime(status.time, status.utcOffset)}`,
    findings.join('\n'),
    indented(facts),
    ...cards.map(
      ([title, rows]) => `${title}\n${indented(rows.map(([name, value]) => [name, value]))}`,
    ),
    ...tables.map(({ title, head: names, rows }) => `${title}\n${indented([names, ...rows])}`),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
