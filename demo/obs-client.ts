import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** A call at CTI-OBS. */
export interface Call {
  readonly name: string
  readonly ok: boolean
  readonly durationMs: number
  /** The status, result or error code of a call that failed. */
  readonly problem?: string
}

export interface ObsClientOptions {
  /** The proxy's address, as in `obsUrl`. */
  readonly origin: string
  readonly loginPath: string
  readonly interfacePath: string
  readonly user: string
  readonly password: string
  /** Called at the end of each business call. */
  readonly onCall: (call: Call) => void
  /** Called with each token that the client gets; the lifetime is in seconds. */
  readonly onTicket: (operation: 'login' | 'refresh', lifetime: number) => void
}

/** Milliseconds; a ticket lives longer, but a demo shows its refresh. */
const REFRESH_AFTER = 8000

interface Ticket {
  readonly token: string
  readonly refreshToken: string
  readonly lifetime: number
  readonly since: number
}

interface ResponseBody {
  readonly result?: unknown
  readonly resultData?: Readonly<Record<string, unknown>>
}

/** The default `timeout` of CTI-OBS. */
const TIMEOUT = 3000
const CALLS_IN_FLIGHT = 4
const PAUSE = 60
const AFTER_FAILURE = 500
const BATCH = 5
/** The two editions of the interface disagree on the header that carries the token. */
const TOKEN_HEADERS = ['authorization', 'authentication'] as const
const WHO = { subCCNo: 1, vdnId: 1 }

/** Behaves as CTI-OBS does: logs in, reads the interface, asks for work, and writes each result back. */
export function createObsClient(options: ObsClientOptions) {
  const agent = new Agent({ keepAlive: true })
  let paths: Readonly<Record<string, unknown>> = {}
  let ticket: Promise<Ticket> | undefined
  let renewing = false
  let calls = 0
  const given: string[] = []

  async function post(
    path: string,
    body: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ResponseBody> {
    const text = JSON.stringify(body)
    const url = new URL(path, options.origin)
    return new Promise((resolve, reject) => {
      const init = {
        agent,
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        },
        signal: AbortSignal.timeout(TIMEOUT),
      }
      const request = httpRequest(url, init, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode = 0 } = response
          if (statusCode === 200) resolve(JSON.parse(text) as ResponseBody)
          else reject(new CallFailure(`status ${statusCode}`))
        })
      })
      request.on('error', reject)
      request.end(text)
    })
  }

  async function obtain(operation: 'login' | 'refresh', old?: Ticket): Promise<Ticket> {
    const since = performance.now()
    const response =
      operation === 'refresh' && old !== undefined
        ? await post(
            String(paths['refreshToken']),
            { refreshToken: old.refreshToken },
            { authentication: `Bearer ${old.token}` },
          )
        : await post(options.loginPath, { user: options.user, passwd: options.password })
    const { token, refreshToken, tokenExpirationTime } = succeed(response)
    const lifetime = Number(tokenExpirationTime)
    given.push(String(token), String(refreshToken))
    options.onTicket(operation, lifetime)
    return { token: String(token), refreshToken: String(refreshToken), lifetime, since }
  }

  /** The current ticket; renewed next to the calls. */
  async function current(): Promise<Ticket> {
    ticket ??= obtain('login').catch((error: unknown) => {
      ticket = undefined
      throw error
    })
    const held = await ticket
    if (
      !renewing &&
      performance.now() - held.since > Math.min(held.lifetime * 800, REFRESH_AFTER)
    ) {
      renewing = true
      // The current ticket stays valid until there is a new one.
      obtain('refresh', held)
        .catch(() => obtain('login'))
        .then((renewed) => (ticket = Promise.resolve(renewed)))
        .catch(() => (ticket = undefined))
        .finally(() => (renewing = false))
    }
    return held
  }

  async function call(
    name: string,
    path: string,
    body: object,
  ): Promise<ResponseBody['resultData']> {
    const header = TOKEN_HEADERS[calls++ % TOKEN_HEADERS.length] ?? 'authorization'
    let startedAt = performance.now()
    try {
      const { token } = await current()
      startedAt = performance.now()
      const data = succeed(await post(path, body, { [header]: `Bearer ${token}` }))
      options.onCall({ name, ok: true, durationMs: performance.now() - startedAt })
      return data
    } catch (error) {
      const durationMs = performance.now() - startedAt
      options.onCall({ name, ok: false, durationMs, problem: problemOf(error) })
      await delay(AFTER_FAILURE)
      return undefined
    }
  }

  /** A round of work: ask, call the customers (which takes no time here), write the results. */
  async function round(stop: AbortSignal): Promise<void> {
    const business = (name: string, body: object) =>
      call(name, String(paths[name]), { ...WHO, ...body })
    // An abort ends pauses, but not a round in progress.
    const pause = () => delay(PAUSE, undefined, { signal: stop }).catch(() => undefined)
    const tasks = (await business('getTask', {}))?.['taskData']
    const serviceId = Array.isArray(tasks) ? (tasks[0] as Task | undefined)?.serviceId : undefined
    await business('getHoliDay', { holidayId: '20251001' })
    await pause()
    const numbers = (await business('getUserData', { serviceId, batchCount: BATCH }))?.['userData']
    for (const { uniqueId } of Array.isArray(numbers) ? (numbers as Customer[]) : []) {
      await business('pushMidRlt', { serviceId, uniqueId, status: 1 })
      await pause()
      await business('pushCallOutRlt', { serviceId, uniqueId, status: 0 })
      await pause()
    }
  }

  return {
    /** Every token and refresh token that the client was ever given. */
    given: given as readonly string[],
    /** Works until the signal, and then finishes the rounds in progress. */
    async run(stop: AbortSignal): Promise<void> {
      try {
        while (!stop.aborted && Object.keys(paths).length === 0) {
          paths = (await call('interface', options.interfacePath, { version: 311 })) ?? {}
        }
        const worker = async (): Promise<void> => {
          while (!stop.aborted) await round(stop)
        }
        await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, worker))
      } finally {
        agent.destroy()
      }
    },
  }
}

interface Task {
  readonly serviceId: string
}
interface Customer {
  readonly uniqueId: string
}

class CallFailure extends Error {}

function succeed({ result, resultData = {} }: ResponseBody): Readonly<Record<string, unknown>> {
  if (result !== 0 && result !== '0') throw new CallFailure(`result ${String(result)}`)
  return resultData
}

function problemOf(error: unknown): string {
  if (error instanceof CallFailure) return error.message
  if (error instanceof Error) return 'code' in error ? String(error.code) : error.name
  return 'unknown'
}
