// Reads the status, metrics and log of the proxy. No other file knows their names.
import type { Status } from '../../src/admin/status-json.ts'
import type { LogLine } from '../cli/program.ts'
import { setTimeout as delay } from 'node:timers/promises'
import type { clientOf } from '../support/world.ts'
import type { Stage } from './settings.ts'

/** Milliseconds between looks, and looks between comparisons of all readers. */
const LOOK_EVERY = 500
const COMPARE_EVERY = 6

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
}

async function look({ status }: Reader) {
  const { state, authenticated, time, findings } = await status()
  const at = performance.now()
  const shown = (each: Status['findings'][0]) => {
    const [, end] = each.facts.find(([name]) => name === 'pausedUntil') ?? []
    const date = Date.parse((end as { at: string } | undefined)?.at ?? '')
    return {
      ...each,
      /** The code that names what happened: of the cause, or of the headline if it has none. */
      name: each.cause ?? each.code,
      /** When logins are said to be possible again, by `performance.now`. */
      pausedUntil: at + date - Date.parse(time) || Infinity,
    }
  }
  const loud = findings.filter((each) => each.state !== 'healthy').map(shown)
  const current = loud.filter(({ isOver }) => !isOver)
  return { at, state, authenticated, findings: loud, current }
}

/** Looks until the stage is over. `pages`: the texts of all readers. */
export async function watch(reader: Reader, stage: Stage) {
  const samples: Sample[] = []
  const [differences, pages]: [string[], string[]] = [[], []]
  while (!stage.over) {
    const next = delay(LOOK_EVERY)
    if (samples.push(await look(reader)) % COMPARE_EVERY === 1) {
      const [texts, found] = await compareReaders(reader)
      differences.push(...found)
      pages.push(...texts)
    }
    await next
  }
  return { samples, differences, pages }
}

/** Compares all readers at one instant. Returns their texts, and what contradicts three times in a row. */
async function compareReaders(reader: Reader, left = 2): Promise<[string[], string[]]> {
  const before = await reader.status()
  const paths = ['/?refresh=off', '/?refresh=off&lang=zh', '/status.txt', '/metrics']
  const texts = await Promise.all(paths.map(reader.page))
  const [page = '', chinese = '', text = '', metrics = ''] = texts
  const [inChinese, after] = [await reader.status('zh'), await reader.status()]
  const codes = ({ state, findings }: Status): string =>
    JSON.stringify([state, findings.map(({ code, cause, isOver }) => [code, cause, isOver])])
  const gauges = Array.from(metrics.matchAll(/^isales_proxy_state\{state="([^"]+)"\} 1$/gm))
  const checks: readonly (readonly [boolean, string])[] = [
    [codes(inChinese) === codes(before), 'the Chinese status.json has other codes'],
    [page.includes(before.title.replaceAll("'", '&#39;')), `the page lacks "${before.title}"`],
    [chinese.includes(inChinese.title), `the Chinese page lacks "${inChinese.title}"`],
    [text.includes(before.title), `the text lacks "${before.title}"`],
    [gauges.map(([, name]) => name).join() === before.state, `the metric is not ${before.state}`],
  ]
  // A status that changes meanwhile says nothing.
  const wrong = codes(before) === codes(after) ? checks.filter(([isRight]) => !isRight) : []
  if (wrong.length > 0 && left > 0) return compareReaders(reader, left - 1)
  texts.push(JSON.stringify([before, after, inChinese]))
  return [texts, wrong.map(([, what]) => what)]
}

/** Returns the number of requests of each outcome, by the proxy's own count; and by `pipelined`, of those refused as such. */
export async function readCounts({ page }: Reader) {
  const by: Record<string, number> = {}
  const rows = /^isales_proxy_requests_total\{outcome="([^"]+)",cause="([^"]+)"\} (\d+)$/gm
  for (const [, outcome = '', cause = '', value] of (await page('/metrics')).matchAll(rows))
    for (const name of [outcome, ...(cause === 'pipelined' ? [cause] : [])])
      by[name] = (by[name] ?? 0) + Number(value)
  return by
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
