import { indented } from '../terminal.ts'
import {
  dateText,
  durationText,
  timeText,
  valueText,
  type Fact,
  type Words,
} from '../words/index.ts'
import { failedRows, groupsOf, linksOf, readingOf, type Status } from './status.ts'

/**
 * The status as plain text: `/status.txt`, the command `status`, and what people send to support. It has one instant and
 * one zone.
 *
 * @param origin where it is read, for the links.
 */
export function renderText(status: Status, words: Words, origin: string): string {
  const { page } = words
  const reading = readingOf(status)
  const rows = (facts: readonly Fact[]) =>
    indented(facts.map(([name, value]) => [words.facts[name], valueText(words, value, reading)]))
  const head = [
    'isales-auth-proxy',
    status.instance,
    `${page.version} ${status.version}`,
    `${page.up} ${durationText(words, Math.round(status.upSeconds))}`,
  ]
  const findings = status.findings.map(({ title, reason, remedy, facts, ...finding }) => {
    const lines = [remedy, ...linksOf(finding, words).map(([, link]) => origin + link)]
    const below = lines.filter((line) => line !== '').map((line) => `  ${line}`)
    return [`[${title}] ${reason}`, ...below, ...(facts.length > 0 ? [rows(facts)] : [])].join('\n')
  })
  const failed = failedRows(status, (at) => timeText(Date.parse(at), reading))
  const parts = [
    `${head.join(' · ')}\n${dateText(reading)}`,
    ...findings,
    status.local ? '' : page.hidden,
    ...groupsOf(status, words).map(([title, facts]) => `${title}\n${rows(facts)}`),
    failed.length === 0 ? '' : `${page.failedCalls}\n${indented([page.columns, ...failed])}`,
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
