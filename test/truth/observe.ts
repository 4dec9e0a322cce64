// Reads the status, metrics and log of the proxy. No other file knows their names.
import type { Status } from '../../src/admin/status-json.ts'
import type { LogLine } from '../cli/program.ts'
import { setTimeout as delay } from 'node:timers/promises'
import type { clientOf } from '../support/world.ts'
import type { Stage } from './settings.ts'

type Reader = ReturnType<typeof clientOf>
/** A look at the status. */
export type Sample = Awaited<ReturnType<typeof look>>
/** A finding that has an effect on the state, or had one until it was over. */
export type Shown = Sample['findings'][number]

function isAmong(...names: readonly string[]) {
  return ({ finding }: Pick<Shown, 'finding'>): boolean => names.includes(finding)
}
/** Subjects of findings. `tokenRejected` says that iSales rejects every call. */
// oxfmt-ignore
export const is = {
  ofCalls: isAmong('abandoned', 'refused', 'failed', 'rejected', 'handshake', 'stray'),
  ofToken: isAmong('token-rejected', 'login', 'refreshes-only', 'clock', 'waiting', 'conflict'),
  ofLogin: isAmong('login', 'refreshes-only'), ofSlow: isAmong('slow'), tokenRejected: isAmong('token-rejected'),
  critical: ({ state }: { state: string }) => ['failing', 'unauthenticated', 'login-rejected', 'conflict', 'starting'].includes(state),
}

async function look({ status }: Reader) {
  const { state, authenticated, time, findings } = await status()
  const at = performance.now()
  const shown = (each: Status['findings'][0]) => {
    const { pausedUntil } = Object.fromEntries(each.facts) as { pausedUntil?: { at: string } }
    return {
      ...each,
      /** The code that names what happened: of the cause, or of the headline if it has none. */
      name: each.cause ?? each.code,
      /** When logins are said to be possible again, by `performance.now`. */
      pausedUntil: at + Date.parse(pausedUntil?.at ?? '') - Date.parse(time) || Infinity,
    }
  }
  const loud = findings.filter((each) => each.state !== 'healthy').map(shown)
  const current = loud.filter(({ isOver }) => !isOver)
  return { at, state, authenticated, findings: loud, current }
}

/** Looks every 500 ms until the stage is over, and compares all readers at every sixth look. `pages`: their texts. */
export async function watch(reader: Reader, stage: Stage) {
  const samples: Sample[] = []
  const [differences, pages]: [string[], string[]] = [[], []]
  while (!stage.over) {
    const next = delay(500)
    const isDue = samples.push(await look(reader)) % 6 === 1
    if (isDue) differences.push(...(await compareReaders(reader, pages)))
    await next
  }
  return { samples, differences, pages }
}

/** Compares all readers at one instant, and adds their texts to `pages`. Returns what contradicts three times in a row. */
async function compareReaders(reader: Reader, pages: string[], left = 2): Promise<string[]> {
  const before = await reader.status()
  const paths = ['/?refresh=off', '/?refresh=off&lang=zh', '/status.txt', '/metrics']
  const texts = await Promise.all(paths.map(reader.page))
  const [page = '', chinese = '', text = '', metrics = ''] = texts
  const [inChinese, after] = [await reader.status('zh'), await reader.status()]
  pages.push(...texts, JSON.stringify([before, after, inChinese]))
  const codes = ({ state, findings }: Status): string =>
    JSON.stringify([state, findings.map(({ code, cause, isOver }) => [code, cause, isOver])])
  const gaugesOf = (name: string) =>
    Array.from(
      metrics.matchAll(new RegExp(`^isales_proxy_${name}\\{${name}="([^"]+)"\\} 1$`, 'gm')),
      ([, label]) => label,
    )
  const lasting = before.findings.filter(({ isOver }) => !isOver).map(({ finding }) => finding)
  const checks: readonly (readonly [boolean, string])[] = [
    [codes(inChinese) === codes(before), 'the Chinese status.json has other codes'],
    [page.includes(before.title.replaceAll("'", '&#39;')), `the page lacks "${before.title}"`],
    [chinese.includes(inChinese.title), `the Chinese page lacks "${inChinese.title}"`],
    [text.includes(before.title), `the text lacks "${before.title}"`],
    [gaugesOf('state').join() === before.state, `the metric is not ${before.state}`],
    [
      gaugesOf('finding').every((name) => lasting.some((each) => each === name)),
      'the metric has a finding that is over',
    ],
  ]
  // A status that changes meanwhile says nothing.
  const wrong = codes(before) === codes(after) ? checks.filter(([isRight]) => !isRight) : []
  if (wrong.length > 0 && left > 0) return compareReaders(reader, pages, left - 1)
  return wrong.map(([, what]) => what)
}

/** Returns the numbers of requests by the proxy's own count. */
export async function readCounts({ page }: Reader) {
  const row = /^isales_proxy_requests_total\{outcome="([^"]+)",cause="([^"]+)"\} (\d+)$/gm
  const rows = Array.from((await page('/metrics')).matchAll(row))
  return rows.map(([, outcome, cause, count]) => ({ outcome, cause, count: Number(count) }))
}

/** Findings that lasted for 2 s or longer by the log, by the code that names them. */
export function findingsOfLog(log: readonly LogLine[]): readonly string[] {
  const lines = log.filter(({ event }) => /^finding-(?:began|ended)$/.test(event))
  const lasted = lines.filter(({ event, finding }, nth) => {
    const end = lines.slice(nth).find((one) => one.event !== event && one['finding'] === finding)
    return event === 'finding-began' && Number(end?.['durationSeconds'] ?? 2) >= 2
  })
  return lasted.map(({ cause, code }) => String(cause ?? code))
}
