import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Status } from '../admin/index.ts'
import { loadConfig, urlHost, type ReadFile } from '../config/index.ts'
import { parseObject } from '../json.ts'
import { codeOf } from '../causes.ts'
import { explainLine, writeProblems, type Io } from './io.ts'
import { wordsOf, type Explained, type Fact } from '../words/index.ts'

/** A response of the admin listener; undefined status: none came, and `body` is the code of the error, empty when it was too late. */
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
  const loaded = loadConfig(io.env, readNothing)
  const { adminListen: address } = loaded.config
  if (address === undefined) {
    const own = loaded.problems.filter(({ setting }) => setting === 'ADMIN_LISTEN')
    writeProblems(io, own)
    return undefined
  }
  if (address.port === 0) {
    io.stderr.write(explainLine(io, 'error', { code: 'any-port', facts: [] }, 'ADMIN_LISTEN'))
    return undefined
  }
  const { port } = address
  const host = reachable(address.host)
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
      return { at, status: undefined, body: late.aborted ? '' : codeOf(error) }
    }
  }
}

/** What `/status.json` says; undefined: no proxy responded that says it. */
export function statusIn({ status, body }: AdminResponse): Status | undefined {
  const json = status === 200 ? parseObject(body) : undefined
  const isOurs = json !== undefined && 'pid' in json && 'renewal' in json
  return isOurs ? (json as unknown as Status) : undefined
}

/** Why its response says nothing, or that there was none. */
export function explainedResponse({ at, status, body }: AdminResponse): Explained {
  const facts: Fact[] = [['address', at]]
  if (status === undefined) {
    const detail = body === '' ? 'late' : body
    return { code: 'not-responding', facts: [...facts, ['detail', detail]] }
  }
  if (status === 404) return { code: 'other-program', facts }
  facts.push(['status', status])
  const reason = parseObject(body)?.['reason']
  // A reason of ours only: another program may listen there.
  const isOurs = typeof reason === 'string' && /^[a-z-]{1,40}$/.test(reason)
  return { code: 'odd-response', facts: isOurs ? [...facts, ['detail', reason]] : facts }
}

/** All interfaces are reached by the loopback one. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
