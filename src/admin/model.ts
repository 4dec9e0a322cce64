import { STATES } from './findings.ts'
import { readKnown, type Known, type StatusOptions } from './known.ts'
import { number, type Speaker } from './speaker.ts'

/** The body of `/status.json`: page, text, charts and the command `status` render it, and arrange nothing. */
export type Status = Awaited<ReturnType<typeof readStatus>>

/** What is known, and how it is shown in one language. */
export async function readStatus(options: StatusOptions, speaker: Speaker) {
  const known = await readKnown(options, speaker)
  return { ...known, ...arrange(known, speaker) }
}

/** What page and text show below the findings, in one language. What is 0 or never was is left out. */
function arrange(status: Known, speaker: Speaker) {
  const { say } = speaker
  const cards: readonly (readonly [string, readonly (Fact | false)[]])[] = [
    [say('renewal'), renewalFacts(status, speaker)],
    [say('token'), tokenFacts(status, speaker)],
    [say('calls'), callFacts(status, speaker)],
    [say('certificates'), certificateFacts(status, speaker)],
  ]
  return {
    /** The number that matters most; null: there is none. */
    figure: figureOf(status, speaker) ?? null,
    cards: cards
      .map(([title, facts]) => ({ title, facts: facts.filter((fact) => fact !== false) }))
      .filter(({ facts }) => facts.length > 0),
    tables: tablesOf(status, speaker).filter(({ rows }) => rows.length > 0),
    settingTables: settingTables(status, speaker),
  }
}

/** Name and value; the third says that the value needs attention. */
export type Fact = readonly [name: string, value: string, marked?: boolean]

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The number of the headline: how many calls fail; else how long the token serves, or when the next login begins. */
function figureOf(status: Known, { say, duration, countdown }: Speaker) {
  const { finding, requests, renewal } = status
  const { worst, lastMinute } = requests
  if (finding === 'calls' && worst !== null) {
    const above = say('failedFor', { time: duration(Math.round(worst.seconds)) })
    return { above, value: say('failedOf', worst), marked: true }
  }
  if (finding === 'refusals') {
    const failed = lastMinute.refused || lastMinute.declined
    const value = say('failedOf', { failed, total: lastMinute.total })
    return { above: say('refusedInMinute'), value, marked: true }
  }
  const marked = STATES[status.state] === 'bad' || renewal.failuresInRow > 0
  if (status.authenticated)
    return { above: say('budget'), value: countdown(status.outageBudgetSeconds), marked }
  if (renewal.exchange !== null) return { above: say('nextAttempt'), value: say('now'), marked }
  if (renewal.nextInSeconds === null) return undefined
  return { above: say('nextAttemptIn'), value: countdown(renewal.nextInSeconds), marked }
}

function renewalFacts(status: Known, speaker: Speaker): readonly (Fact | false)[] {
  const { say, words, duration, ago } = speaker
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned =
    nextInSeconds === null ? say('notPlanned') : say('in', { time: duration(nextInSeconds) })
  return [
    [
      say(failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal'),
      exchange === null ? planned : say('inProgress', { operation: say(exchange) }),
    ],
    backoff !== 'none' && [say('backoff'), words.backoffs[backoff], true],
    failuresInRow > 0 && [say('failedInRow'), number(failuresInRow), true],
    sharingFact(status, speaker),
    [say('lastSuccess'), lastSuccessAt === null ? say('never') : ago(lastSuccessAt, status.time)],
  ]
}

/** Nothing unless it is configured. */
function sharingFact({ sharing, time }: Known, { say, ago }: Speaker): Fact | false {
  if (sharing === null) return false
  const { state, since, adoptedAt } = sharing
  const name = say('sharedToken')
  if (state === 'alone') return [name, say('alone', { ago: ago(since, time) }), true]
  const shared = say('shared')
  if (adoptedAt === null) return [name, shared]
  return [name, say('adopted', { shared, ago: ago(adoptedAt, time) })]
}

function tokenFacts(status: Known, { say, until, ago }: Speaker): readonly (Fact | false)[] {
  const { token, time } = status
  const end = token?.refreshTokenExpiresAt
  const occurred = (name: string, { count, lastAt }: Known['conflicts']): Fact | false =>
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

function callFacts({ requests, time }: Known, { say, ago }: Speaker): readonly (Fact | false)[] {
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

function certificateFacts({ certificates, time }: Known, { say, until, words }: Speaker) {
  return (['listener', 'client', 'ca'] as const).map((name): Fact | false => {
    const end = certificates[name]
    if (end === null) return false
    const soon = Date.parse(end) - Date.parse(time) < 14 * 86_400_000
    return [say(`${name}Certificate`), `${until(end, time)}${words.comma}${end.slice(0, 10)}`, soon]
  })
}

function tablesOf(status: Known, { say, words, ago, clockTime }: Speaker): readonly Table[] {
  const { requests, failures, time, utcOffset } = status
  const counts = (
    of: Readonly<Record<string, number>>,
    meanings: Readonly<Record<string, string>>,
  ) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, meanings[name] ?? '', number(count)])
  return [
    {
      title: say('failedCalls'),
      head: [say('time'), say('call'), say('status'), say('code'), say('times'), say('requestId')],
      rows: requests.lastFailed.map(({ at, method, path, status: code, ...call }) => [
        clockTime(at, utcOffset),
        `${method} ${path}`,
        String(code),
        call.code ?? '',
        number(call.count),
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
      rows: counts(failures, words.authFailures),
    },
    {
      title: say('errors'),
      head: [say('code'), say('meaning'), say('count')],
      rows: counts(requests.errors, words.problems),
    },
  ]
}

/** Those of this instance, then those that have their default. */
function settingTables({ settings }: Known, { say }: Speaker): readonly [Table, Table] {
  const rows = (own: boolean) =>
    settings
      .filter(({ source }) => own === (source !== 'default'))
      .map(({ name, value, source }) => {
        const shown = value === null ? say('notSet') : value === '' ? say('empty') : value
        const [, path] = /^file (.*)/s.exec(source) ?? []
        const from = path === undefined ? say('environment') : say('file', { path })
        return own ? [name, shown, from] : [name, shown]
      })
  const head = [say('setting'), say('value')]
  return [
    { title: say('setHere'), head: [...head, say('from')], rows: rows(true) },
    { title: say('defaults'), head, rows: rows(false) },
  ]
}
