import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Status } from '../admin/index.ts'
import { codeOf } from '../causes.ts'
import { loadConfig, urlHost, type ReadFile } from '../config/index.ts'
import { parseObject } from '../json.ts'
import { wordsOf, type Explained } from '../words/index.ts'
import { explainLine, writeProblems, type Io } from './io.ts'

/** A response of the admin listener; undefined status: none came, and `body` is the code of the error, or `late`. */
export interface AdminResponse {
  /** Host and port that were asked. */
  readonly at: string
  readonly status: number | undefined
  readonly body: string
}

/** Asks one path of the running proxy, in the language of the locale. Never rejects. */
export type AskAdmin = (path: string) => Promise<AdminResponse>

/** Milliseconds; a process that does not respond in this time counts as dead. */
const PROBE_TIMEOUT = 2000

/** A probe needs one address, and no secret. */
const readNothing: ReadFile = () => ({ ok: false, problem: 'unreadable' })

/** Asks the proxy that runs with this environment; undefined after saying why there is none. */
export function openAdminClient(io: Io): AskAdmin | undefined {
  const { config, problems } = loadConfig(io.env, readNothing)
  const { adminListen: address } = config
  if (address === undefined) {
    const own = problems.filter(({ setting }) => setting === 'ADMIN_LISTEN')
    writeProblems(io, own)
    return undefined
  }
  const { port } = address
  if (port === 0) {
    io.stderr.write(explainLine(io, 'error', { code: 'any-port', facts: [] }, 'ADMIN_LISTEN'))
    return undefined
  }
  // All interfaces are reached by the loopback one.
  const host = address.host.replace(/^(?:0\.0\.0\.0)?$/, '127.0.0.1').replace(/^::$/, '::1')
  const at = `${urlHost(host)}:${port}`
  const headers = { 'Accept-Language': wordsOf(io.env).language }
  return async (path) => {
    const late = AbortSignal.timeout(PROBE_TIMEOUT)
    const signal = AbortSignal.any([io.signal, late])
    const request = get({ host, port, path, headers, agent: false, signal })
    // Also after the response has begun, where nothing else listens.
    request.on('error', () => undefined)
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      return { at, status: response.statusCode, body: await text(response) }
    } catch (error) {
      return { at, status: undefined, body: late.aborted ? 'late' : codeOf(error) }
    }
  }
}

/** Returns the body of `/status.json`; undefined if no proxy responded with one. */
export function statusIn({ status, body }: AdminResponse): Status | undefined {
  const json = status === 200 ? parseObject(body) : undefined
  const isOurs = json !== undefined && 'pid' in json && 'renewal' in json
  return isOurs ? (json as unknown as Status) : undefined
}

/** Why its response says nothing, or that there was none. */
export function explainedResponse({ at, status, body }: AdminResponse): Explained {
  const address = ['address', at] as const
  if (status === undefined) return { code: 'not-responding', facts: [address, ['detail', body]] }
  if (status === 404) return { code: 'other-program', facts: [address] }
  return { code: 'odd-response', facts: [address, ['status', status]] }
}
