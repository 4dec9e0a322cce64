import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Status } from '../admin/index.ts'
import { readErrorCode } from '../causes.ts'
import { loadConfig, urlHost } from '../config/index.ts'
import { parseObject } from '../json.ts'
import type { ListenError } from '../listener/index.ts'
import { messagesFor, type Explained } from '../messages/index.ts'
import { writeMessage, type Io } from './io.ts'

/** A response of the admin listener. Without `status`, none arrived: `body` is the error's code, or `late`. */
export interface AdminResponse {
  /** Host and port of the request. */
  readonly at: string
  readonly status: number | undefined
  readonly body: string
}

/** Milliseconds; a process that does not respond in this time counts as dead. */
const PROBE_TIMEOUT = 2000

/** Returns a function that requests a path and never rejects. Without an address, writes why and returns undefined. */
export function openAdminClient(io: Io) {
  // Reads no files: a probe needs an address, but no secret.
  const { config, problems } = loadConfig(io.env, () => 'unreadable')
  const { host: given = '', port = 0 } = config.adminListen ?? {}
  if (port === 0) {
    const anyPort = { code: 'any-port', facts: [], setting: 'ADMIN_LISTEN' } as const
    const own = problems.filter(({ setting }) => setting === 'ADMIN_LISTEN')
    for (const problem of config.adminListen ? [anyPort] : own) writeMessage(io, problem)
    return undefined
  }
  // Loopback reaches a listener on all interfaces.
  const host = given.replace(/^(?:0\.0\.0\.0)?$/, '127.0.0.1').replace(/^::$/, '::1')
  const at = `${urlHost(host)}:${port}`
  const headers = { 'Accept-Language': messagesFor(io.env).language }
  return async (path: string): Promise<AdminResponse> => {
    const late = AbortSignal.timeout(PROBE_TIMEOUT)
    const signal = AbortSignal.any([io.signal, late])
    const request = get({ host, port, path, headers, agent: false, signal })
    // Also catches errors after the response has begun, when no other listener exists.
    request.on('error', () => undefined)
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      return { at, status: response.statusCode, body: await text(response) }
    } catch (error) {
      return { at, status: undefined, body: late.aborted ? 'late' : readErrorCode(error) }
    }
  }
}

/** Returns why a listener could not start; if the port belongs to a proxy that runs here, that is why. */
export async function explainTaken(problem: ListenError['problem'], io: Io) {
  if (problem.code !== 'address-in-use') return problem
  const ask = openAdminClient({ ...io, stderr: { write() {} } })
  const response = await ask?.('/status.json')
  if (response === undefined || statusIn(response) === undefined) return problem
  return { ...problem, code: 'already-running', facts: [['address', response.at]] } as const
}

/** Returns the body of `/status.json`; undefined if no proxy responded with one. */
export function statusIn({ status, body }: AdminResponse): Status | undefined {
  const json = status === 200 ? parseObject(body) : undefined
  const isOurs = json !== undefined && 'pid' in json && 'findings' in json
  return isOurs ? (json as unknown as Status) : undefined
}

export function explainedResponse({ at, status, body }: AdminResponse): Explained {
  const address = ['address', at] as const
  if (status === undefined) return { code: 'not-responding', facts: [address, ['detail', body]] }
  if (status === 404) return { code: 'other-program', facts: [address] }
  return { code: 'odd-response', facts: [address, ['status', status]] }
}
