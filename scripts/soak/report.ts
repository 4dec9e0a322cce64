import { cpus, release, totalmem } from 'node:os'
import { MAX_GROWTH, type Judgement } from './judge.ts'
import type { SimulatorState } from '../../simulator/index.ts'
import type { Played } from './acts.ts'

export interface Run {
  readonly minutes: number
  readonly seed: number
  readonly judgement: Judgement
  readonly isales: SimulatorState
  readonly played: Played
  /** How often the proxies logged each event. */
  readonly events: ReadonlyMap<string, number>
}

/** Markdown: read as it is in a terminal, and put into docs/reliability.md. */
export function report({ minutes, seed, judgement: of, isales, played, events }: Run): string {
  const logged = (event: string): number => events.get(event) ?? 0
  const growth = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`
  const rows: readonly (readonly [string, number | string, string])[] = [
    ['calls', of.requests, ''],
    ['attempts, repeats included', of.attempts, ''],
    ['succeeded', of.succeeded, ''],
    ['other responses of iSales, relayed', of.relayed, ''],
    ['503 or 502 with `sent: no`, repeated by the client', of.refused, ''],
    ['of these in a hold-off after a conflict, by design', of.heldOff, ''],
    ['502 or 504 with `sent: unknown`, or cut; not repeated', of.unknown, ''],
    ['401 while iSales rejected even new tokens, by design', of.designedRejections, ''],
    ['401 or 403 of the forbidden path, relayed', of.forbiddenRejections, ''],
    ['401 while iSales could not be logged in to, relayed', of.incurableRejections, ''],
    ['**lost**: executed, and the client heard that it was not', of.lost, '0'],
    ['**doubled**: executed twice', of.doubled, '0'],
    ['success of a call that was never executed', of.invented, '0'],
    ['one number given to two clients', of.mixedUp, '0'],
    ['no response within 30 s', of.silent, '0'],
    ['**401 or 403 that a login could have cured**', of.curable, '0'],
    ['account locked', of.locks, '0'],
    ['logins of the proxy', isales.logins - played.rivalLogins, ''],
    ['refreshes', isales.refreshes, ''],
    ['logins refused (a wrong password, on purpose)', isales.loginsRejected, ''],
    ['logins of a rival', played.rivalLogins, ''],
    ['tokens taken from another replica', logged('token-adopted'), ''],
    ['tokens found rejected', logged('token-rejected'), ''],
    ['conflicts', logged('conflict'), ''],
    ['memory growth, MB', growth(of.rssGrowthMb), `≤ ${MAX_GROWTH.rssMb}`],
    ['growth of open handles', growth(of.handleGrowth), `≤ ${MAX_GROWTH.handles}`],
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
    of.failures.length === 0 ? 'passed' : `FAILED: ${of.failures.join('; ')}`,
    '',
  ].join('\n')
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, ${memory} GiB, Linux ${release()}`
}
