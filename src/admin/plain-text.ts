import { indented } from '../terminal.ts'
import type { Status } from './model.ts'
import type { Speaker } from './speaker.ts'

/**
 * The status as plain text: `/status.txt`, the command `status`, and what people send to support.
 *
 * @param origin where it is read, for the links.
 */
export function renderText(status: Status, speaker: Speaker, origin: string): string {
  const { say, duration, clockTime } = speaker
  const { figure, cards, tables } = status
  const head = [
    'isales-auth-proxy',
    status.instance,
    say('version', { version: status.version }),
    say('up', { time: duration(Math.round(status.upSeconds)) }),
  ]
  const findings = status.findings.map(({ title, reason, remedy, runbook }) =>
    [`[${title}] ${reason}`, remedy, runbook === null ? '' : origin + runbook]
      .filter((line) => line !== '')
      .join('\n  '),
  )
  const parts = [
    `${head.join(' · ')}\n${status.time.slice(0, 10)} ${clockTime(status.time, status.utcOffset)}`,
    findings.join('\n'),
    figure === null ? '' : indented([[figure.above, figure.value]]),
    ...cards.map(
      ({ title, facts }) => `${title}\n${indented(facts.map(([name, value]) => [name, value]))}`,
    ),
    ...tables.map(({ title, head: names, rows }) => `${title}\n${indented([names, ...rows])}`),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
