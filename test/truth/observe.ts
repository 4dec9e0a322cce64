// Reads the status, metrics and log of the proxy. No other file knows their names.
import type { Status } from '../../src/admin/status-json.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'

/** A finding that has an effect on the state, or had one until it was over. */
export type Shown = Readonly<{
  finding: string
  /** The code that names what happened: of the cause, or of the headline if it has none. */
  name: string
  isOver: boolean
  /** When logins are said to be possible again, by `performance.now`. */
  pausedUntil: number
}>
/** A look at the status. */
export type Sample = Awaited<ReturnType<typeof look>>

const isAmong =
  (...names: readonly string[]) =>
  ({ finding }: Shown) =>
    names.includes(finding)
/** Subjects of findings. `tokenRejected` says that iSales rejects every call. */
// oxfmt-ignore
export const is = {
  ofCalls: isAmong('abandoned', 'refused', 'failed', 'rejected', 'handshake', 'stray'),
  ofToken: isAmong('token-rejected', 'login', 'refreshes-only', 'clock', 'waiting', 'conflict'),
  ofLogin: isAmong('login', 'refreshes-only'), ofSlow: isAmong('slow'), tokenRejected: isAmong('token-rejected'),
}

async function read(port: number, path: string, language = 'en'): Promise<string> {
  const headers = { 'accept-language': language }
  return (await call(`http://127.0.0.1:${port}${path}`, { headers })).text
}
const readStatus = async (port: number, language?: string): Promise<Status> =>
  JSON.parse(await read(port, '/status.json', language)) as Status

export async function look(port: number) {
  const { state, authenticated, time, findings } = await readStatus(port)
  const at = performance.now()
  const shown = ({ finding, code, cause, isOver, facts }: Status['findings'][0]): Shown => {
    const [, end] = facts.find(([name]) => name === 'pausedUntil') ?? []
    const date = Date.parse((end as { at: string } | undefined)?.at ?? '')
    const pausedUntil = at + date - Date.parse(time) || Infinity
    return { finding, name: cause ?? code, isOver, pausedUntil }
  }
  const loud = findings.filter((each) => each.state !== 'healthy')
  return { at, state, authenticated, findings: loud.map(shown) }
}

/** Waits until the proxy listens and has a token. Returns both ports. */
export function ready(log: () => string): Promise<readonly [port: number, admin: number]> {
  return until(async () => {
    const found = log().matchAll(/"event":"listening".*?"address":"[^"]*?:(\d+)"/g)
    const [port = 0, admin = 0] = Array.from(found, ([, number]) => Number(number))
    return admin > 0 && (await look(admin)).authenticated && ([port, admin] as const)
  }).catch(() => Promise.reject(new Error(`the program did not log in: ${log()}`)))
}

/** Compares all readers at one instant. Returns their texts, and what contradicts three times in a row. */
export async function compareReaders(port: number, left = 2): Promise<[string[], string[]]> {
  const before = await readStatus(port)
  const paths = ['/?refresh=off', '/status.txt', '/metrics'].map((path) => read(port, path))
  const [page = '', text = '', metrics = ''] = await Promise.all(paths)
  const [inChinese, chinese] = [
    await readStatus(port, 'zh'),
    await read(port, '/?refresh=off', 'zh'),
  ]
  const after = await readStatus(port)
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
  if (wrong.length > 0 && left > 0) return compareReaders(port, left - 1)
  const texts = [page, chinese, text, metrics, JSON.stringify([before, after, inChinese])]
  return [texts, wrong.map(([, what]) => what)]
}

/** Returns the number of requests of each outcome, by the proxy's own count; and of those refused as pipelined. */
export async function readCounts(port: number) {
  const by: Record<string, number> = {}
  const rows = /^isales_proxy_requests_total\{outcome="([^"]+)",cause="([^"]+)"\} (\d+)$/gm
  for (const [, outcome = '', cause = '', value] of (await read(port, '/metrics')).matchAll(rows))
    for (const name of [outcome, ...(cause === 'pipelined' ? [cause] : [])])
      by[name] = (by[name] ?? 0) + Number(value)
  return by
}

type Line = Readonly<{ event: string; finding: string; code: string; cause?: string }>
/** Findings that lasted for 2 s or longer by the log, by the code that names them. */
export function findingsOfLog(log: string): readonly string[] {
  const all = log.split('\n').filter((line) => /"event":"finding-(?:began|ended)"/.test(line))
  const lines = all.map((line) => JSON.parse(line) as Line & Readonly<{ durationSeconds?: number }>)
  const lasted = lines.filter(({ event, finding }, nth) => {
    const isEnd = (one: Line): boolean => one.event === 'finding-ended' && one.finding === finding
    return event === 'finding-began' && (lines.slice(nth).find(isEnd)?.durationSeconds ?? 2) >= 2
  })
  return lasted.map(({ cause, code }) => cause ?? code)
}
