import { indented } from '../terminal.ts'
import {
  dateText,
  durationText,
  factText,
  timeText,
  type Fact,
  type FactName,
  type Value,
  type Messages,
} from '../messages/index.ts'
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
    facts.map((fact) => [messages.facts[fact[0]], factText(messages, fact, reading)] as const)
  return {
    words: messages,
    duration,
    time,
    date: dateText(reading),
    version: `${page.version} ${status.version}`,
    up: `${page.up} ${duration(Math.round(status.upSeconds))}`,
    findings: status.findings.map(({ facts, ...finding }) => ({ ...finding, rows: rows(facts) })),
    groups: (['renewal', 'calls', 'certificates'] as const).flatMap((name) => {
      const facts = Object.entries(status.groups[name]) as [FactName, Value][]
      const isExpiry = name === 'certificates'
      const tones = facts.map(([, value]) => toneOf(isExpiry, value, reading.now))
      return facts.length === 0 ? [] : [{ title: page[name], rows: rows(facts), tones }]
    }),
    changes: status.changes.map(({ at, state }) => [time(at), state] as const),
    failedCalls: status.failedCalls.map(({ method, path, cause, ...call }) => [
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

/**
 * Renders the status as plain text for `/status.txt`, the command `status`, and messages to support.
 *
 * @param origin origin of the links.
 */
export function renderText(status: Status, messages: Messages, origin: string): string {
  const { page } = messages
  const { date, version, up, findings, groups, changes, failedCalls } = toView(status, messages)
  const found = findings.map(({ title, reason, remedy, runbooks, rows }) => {
    const below = [remedy, ...runbooks.map((link) => origin + link)].map((line) => `  ${line}`)
    return [`[${title}] ${reason}`, ...below, indented(rows)]
      .filter((line) => line.trim() !== '')
      .join('\n')
  })
  const parts = [
    `${['isales-auth-proxy', status.instance, version, up].join(' · ')}\n${date}`,
    ...found,
    status.local ? '' : page.hidden,
    ...groups.map(({ title, rows }) => `${title}\n${indented(rows)}`),
    failedCalls.length > 0
      ? `${page.failedCalls}\n${indented([page.columns, ...failedCalls])}`
      : '',
    changes.length > 0 ? `${page.changes}\n${indented(changes)}` : '',
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
