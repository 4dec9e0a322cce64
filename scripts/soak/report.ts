import { cpus, release, totalmem } from 'node:os'
import { MOST_GROWTH, type Judgement } from './judge.ts'
import type { IsalesState } from './processes.ts'
import type { Played } from './stage.ts'

export interface Run {
  readonly minutes: number
  readonly seed: number
  readonly judgement: Judgement
  readonly isales: IsalesState
  readonly played: Played
  /** How often the proxy logged each event. */
  readonly events: ReadonlyMap<string, number>
}

/** Markdown: read as it is in a terminal, and put into docs/reliability.md. */
export function report({ minutes, seed, judgement: of, isales, played, events }: Run): string {
  const logged = (event: string): number => events.get(event) ?? 0
  const growth = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`
  const rows: readonly (readonly [string, number | string, string])[] = [
    ['calls', of.requests, ''],
    ['attempts, repeats included', of.attempts, ''],
    ['answered with success', of.succeeded, ''],
    ['other answers of iSales, relayed', of.relayed, ''],
    ['503 or 502 with `sent: no`, repeated by the client', of.refused, ''],
    ['of these in a hold-off after a conflict, by design', of.heldOff, ''],
    ['502 or 504 with `sent: unknown`, or cut; not repeated', of.unknown, ''],
    ['401 while iSales rejected even new tokens, by design', of.designedRejections, ''],
    ['**lost**: carried out, and the client told that it was not', of.lost, '0'],
    ['**doubled**: carried out twice', of.doubled, '0'],
    ['success told of a call that was never carried out', of.invented, '0'],
    ['one number given to two clients', of.mixedUp, '0'],
    ['no answer within 30 s', of.unanswered, '0'],
    ['**401 or 403 that a login could have cured**', of.curable, '0'],
    ['account locked', of.locks, '0'],
    ['logins of the proxy', isales.logins - played.rivalLogins, ''],
    ['refreshes', isales.refreshes, ''],
    ['logins refused (password just changed)', isales.loginsRejected, ''],
    ['logins of a rival', played.rivalLogins, ''],
    ['tokens found rejected', logged('token-rejected'), ''],
    ['conflicts', logged('conflict'), ''],
    ['memory growth, MB', growth(of.rssGrowthMb), `≤ ${MOST_GROWTH.rssMb}`],
    ['growth of open handles', growth(of.handleGrowth), `≤ ${MOST_GROWTH.handles}`],
  ]
  const acts = [...played.acts].map(([name, times]) => `${name} ${times}`).sort()
  return [
    `${minutes} min, seed ${seed}, Node ${process.version}, ${machine()}`,
    '',
    `Acts: ${acts.join(', ')}`,
    '',
    '| | count | must be |',
    '| --- | ---: | ---: |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    of.faults.length === 0 ? 'passed' : `FAILED: ${of.faults.join('; ')}`,
    '',
  ].join('\n')
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, ${memory} GiB, Linux ${release()}`
}
