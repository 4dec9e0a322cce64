import { indented } from '../terminal.ts'
import {
  dateText,
  durationText,
  findSection,
  timeText,
  valueText,
  type Fact,
  type FactName,
  type Value,
  type Messages,
} from '../messages/index.ts'
import { CALLS } from './accounting.ts'
import { endsSoon } from './diagnosis.ts'
import type { Status } from './status-json.ts'

/** Texts of a status for page and text, at one instant and in one time zone. */
export type View = ReturnType<typeof toView>

export function toView(status: Status, messages: Messages) {
  const { page } = messages
  const reading = { now: Date.parse(status.time), offset: status.utcOffset }
  const duration = (seconds: number): string => durationText(messages, seconds)
  const time = (instant: string): string => timeText(Date.parse(instant), reading)
  const rows = (facts: readonly Fact[]) =>
    facts.map(
      ([name, value]) => [messages.facts[name], valueText(messages, value, reading)] as const,
    )
  return {
    words: messages,
    duration,
    time,
    date: dateText(reading),
    version: `${page.version} ${status.version}`,
    up: `${page.up} ${duration(Math.round(status.upSeconds))}`,
    findings: status.findings.map(({ facts, ...finding }) => ({
      ...finding,
      links: linksOf(finding, messages),
      rows: rows(facts),
    })),
    groups: groupsOf(status, messages).map(([title, facts]) => ({
      title,
      rows: rows(facts),
      tones: facts.map(([, value]) => toneOf(title === page.certificates, value, reading.now)),
    })),
    changes: status.changes.map(({ at, state }) => [time(at), state] as const),
    failedCalls: status.requests.lastFailed.map(({ method, path, cause, ...call }) => [
      time(call.at),
      path === null ? method : `${method} ${path}`,
      call.status === 0 ? '–' : String(call.status),
      cause,
      String(call.count),
      call.requestId,
    ]),
  }
}

/** Returns `bad` for an expired certificate, and `warning` for one that expires soon. */
function toneOf(isCertificate: boolean, value: Value, now: number): '' | 'bad' | 'warning' {
  if (!isCertificate || typeof value !== 'object' || !('at' in value)) return ''
  const end = Date.parse(value.at)
  return end <= now ? 'bad' : endsSoon(end, now) ? 'warning' : ''
}

function linksOf(
  { runbook, code, cause }: Pick<Status, 'runbook' | 'code' | 'cause'>,
  { language }: Messages,
): readonly (readonly [code: string, link: string])[] {
  if (runbook === null) return []
  const second =
    cause === null ? [] : [[cause, `/docs/${findSection(language, cause).at}`] as const]
  return [[code, runbook], ...second]
}

/** Returns the groups below the findings. Values that are 0 or null are left out. */
function groupsOf(status: Status, { page }: Messages) {
  const { renewal, token, sharing, requests, certificates } = status
  const { lastMinute: minute } = requests
  const at = (date: string | null | undefined) => (date ? { at: date } : null)
  const groups: readonly [string, Readonly<Partial<Record<FactName, Value | null>>>][] = [
    [
      page.renewal,
      {
        inProgress: renewal.tokenRequest,
        [renewal.failuresInRow > 0 ? 'nextAttempt' : 'nextRenewal']:
          renewal.tokenRequest === null ? at(renewal.nextAt) : null,
        backoff: renewal.backoff === 'none' ? null : renewal.backoff,
        failedInRow: renewal.failuresInRow,
        lastSuccess: at(renewal.lastSuccessAt),
        budget: status.authenticated ? { seconds: status.usableForSeconds } : null,
        sharing: sharing?.state ?? null,
        sharingSince: sharing?.state === 'local' ? at(sharing.since) : null,
        adoptedAt: at(sharing?.adoptedAt),
        generation: token?.generation ?? 0,
        refreshTokenEnds: at(token?.refreshTokenExpiresAt),
      },
    ],
    [
      page.calls,
      {
        callsInMinute: minute.calls,
        ...Object.fromEntries(CALLS.toReversed().map((outcome) => [outcome, minute[outcome]])),
        lastAnswered: at(requests.lastAnsweredAt),
        stray: minute.stray,
        handshake: minute.handshake,
        granted: minute.granted,
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
  return groups.flatMap(([title, all]) => {
    const facts = (Object.entries(all) as [FactName, Value | null][]).filter(
      (fact): fact is [FactName, Value] => fact[1] !== null && fact[1] !== 0,
    )
    return facts.length === 0 ? [] : [[title, facts] as const]
  })
}

/**
 * Renders the status as plain text for `/status.txt`, the command `status`, and messages to support.
 *
 * @param origin origin of the links.
 */
export function renderText(status: Status, messages: Messages, origin: string): string {
  const { page } = messages
  const { date, version, up, findings, groups, changes, failedCalls } = toView(status, messages)
  const said = findings.map(({ title, reason, remedy, links, rows }) => {
    const below = [remedy, ...links.map(([, link]) => origin + link)].map((line) => `  ${line}`)
    return [`[${title}] ${reason}`, ...below, indented(rows)]
      .filter((line) => line.trim() !== '')
      .join('\n')
  })
  const parts = [
    `${['isales-auth-proxy', status.instance, version, up].join(' · ')}\n${date}`,
    ...said,
    status.local ? '' : page.hidden,
    ...groups.map(({ title, rows }) => `${title}\n${indented(rows)}`),
    failedCalls.length > 0
      ? `${page.failedCalls}\n${indented([page.columns, ...failedCalls])}`
      : '',
    changes.length > 0 ? `${page.changes}\n${indented(changes)}` : '',
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
