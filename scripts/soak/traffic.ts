import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Attempt } from './judge.ts'

/** The path that is forbidden now and then. */
export const PROBED_PATH = INTERFACE_PATHS.getHoliDay

const WORKERS = 8
/** Milliseconds between two calls of one worker. */
const PACE = 100
const PROBE_PACE = 1000
/** How often a call that iSales has not seen is repeated. */
const REPEATS = 4
/** Milliseconds before a repeat, whatever Retry-After says. */
const REPEAT_PAUSE = 1000
/** Longer than the proxy is ever stopped, and its deadline. */
const SILENCE = 30_000
const PROBLEM = 'application/problem+json'

interface TrafficOptions {
  /** The origins of the proxies; each client keeps to one. */
  readonly proxies: readonly string[]
  readonly now: () => number
  readonly record: (attempt: Attempt) => void
  readonly signal: AbortSignal
}

/**
 * Clients that behave as CTI-OBS should: each fetches a number, then writes its result, over
 * connections that are kept; one more asks for a holiday once a second. What was not sent is
 * repeated, what may have been executed is not. Ends after the signal, when nothing is in flight.
 */
export async function runTraffic(options: TrafficOptions): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS + 1 })
  const proxyOf = (index: number): string => options.proxies[index % options.proxies.length] ?? ''
  const workers = Array.from({ length: WORKERS }, (_, index) =>
    work(`c${index}`, { agent, proxy: proxyOf(index) }, options),
  )
  await Promise.all([...workers, probe({ agent, proxy: proxyOf(WORKERS) }, options)])
  agent.destroy()
}

async function work(name: string, where: Where, options: TrafficOptions): Promise<void> {
  for (let nth = 1; !options.signal.aborted; nth += 1) {
    const { getUserData, pushCallOutRlt } = INTERFACE_PATHS
    const fetched = await call({ id: `${name}-${nth}`, path: getUserData, ...where }, options)
    await delay(PACE)
    if (fetched.number === undefined) continue
    await call({ id: fetched.number, path: pushCallOutRlt, ...where }, options)
    await delay(PACE)
  }
}

async function probe(where: Where, options: TrafficOptions): Promise<void> {
  for (let nth = 1; !options.signal.aborted; nth += 1) {
    await call({ id: `probe-${nth}`, path: PROBED_PATH, ...where }, options)
    await delay(PROBE_PACE)
  }
}

interface Where {
  readonly agent: Agent
  readonly proxy: string
}

interface Call extends Where {
  readonly id: string
  readonly path: string
}

async function call(what: Call, options: TrafficOptions): Promise<Attempt> {
  for (let repeats = 0; ; repeats += 1) {
    const from = options.now()
    const heard = await send(what)
    const probes = what.path === PROBED_PATH
    const attempt = { id: what.id, from, to: options.now(), probes, ...heard }
    options.record(attempt)
    if (attempt.heard !== 'no' || repeats === REPEATS || options.signal.aborted) return attempt
    await delay(REPEAT_PAUSE)
  }
}

type Outcome = Pick<Attempt, 'heard' | 'status' | 'code' | 'number'>

function send({ id, path, agent, proxy }: Call): Promise<Outcome> {
  const wantsNumber = path === INTERFACE_PATHS.getUserData
  const body = JSON.stringify(
    path === INTERFACE_PATHS.pushCallOutRlt
      ? { uniqueId: id, resultCode: 0 }
      : { id, serviceId: '12345', batchCount: 1, holidayId: '0' },
  )
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve) => {
    let status = 0
    const sent = request(`${proxy}${path}`, { method: 'POST', agent, headers })
    sent.setTimeout(SILENCE, () => {
      resolve({ heard: 'silence', status })
      sent.destroy()
    })
    sent.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve({ heard: code === 'ECONNREFUSED' ? 'no' : 'cut', status }),
    )
    sent.once('response', (response) => {
      status = response.statusCode ?? 0
      read(response).then(
        (text) => resolve(understand(response, text, wantsNumber)),
        () => resolve({ heard: 'cut', status }),
      )
    })
    sent.end(body)
  })
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function understand(response: IncomingMessage, text: string, wantsNumber: boolean): Outcome {
  const { statusCode: status = 0, headers } = response
  const json = parse(text)
  if (headers['content-type'] === PROBLEM) {
    return { heard: json?.sent === 'no' ? 'no' : 'unknown', status, code: String(json?.code) }
  }
  if (status !== 200 || json?.result !== 0) return { heard: 'relayed', status }
  const number = json.resultData?.userData?.[0]?.uniqueId
  if (!wantsNumber) return { heard: 'success', status }
  return number === undefined ? { heard: 'relayed', status } : { heard: 'success', status, number }
}

interface ResponseBody {
  readonly sent?: unknown
  readonly code?: unknown
  readonly result?: unknown
  readonly resultData?: { readonly userData?: readonly { readonly uniqueId?: string }[] }
}

function parse(text: string): ResponseBody | undefined {
  try {
    return JSON.parse(text) as ResponseBody
  } catch {
    return undefined
  }
}
