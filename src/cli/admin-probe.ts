import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ReadFile } from '../config/files.ts'
import { loadConfig } from '../config/load.ts'
import { parseObject } from '../http/json.ts'
import { codeOf } from '../upstream/errors.ts'
import { writeErrors, type Io } from './io.ts'

/** The response of a probe path of a running proxy. */
export interface ProbeResponse {
  readonly ready: boolean
  /** `responded 503 (no-token)` or `did not respond (ECONNREFUSED)`. */
  readonly text: string
}

/** Asks one path. Never rejects. */
export type Probe = (path: string) => Promise<ProbeResponse>

/** Milliseconds; a process that does not respond in this time counts as dead. */
const PROBE_TIMEOUT = 2000

/** A probe needs one address, and no secret. */
const readNothing: ReadFile = () => ({ ok: false, problem: 'unreadable' })

/** A probe of the proxy that runs with this environment; undefined after saying why there is none. */
export function openProbe(io: Io): Probe | undefined {
  const loaded = loadConfig(io.env, readNothing)
  const { adminListen: address } = loaded.config
  if (address === undefined) {
    const errors = loaded.ok ? [] : loaded.errors
    writeErrors(
      io,
      errors.filter(({ setting }) => setting === 'ADMIN_LISTEN'),
    )
    return undefined
  }
  if (address.kind === 'unix' || address.port === 0) {
    io.stderr.write('ADMIN_LISTEN has port 0: the port that was taken is not known here.\n')
    return undefined
  }
  const { port } = address
  const host = reachable(address.host)
  return async (path) => {
    const late = AbortSignal.timeout(PROBE_TIMEOUT)
    const request = get({
      host,
      port,
      path,
      agent: false,
      signal: AbortSignal.any([io.signal, late]),
    })
    // Also after the response has begun, where nothing else listens.
    request.on('error', () => undefined)
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const reason = reasonIn(await text(response))
      return {
        ready: response.statusCode === 200,
        text: `responded ${response.statusCode}${reason}`,
      }
    } catch (error) {
      const code = late.aborted ? 'no response in time' : codeOf(error)
      return { ready: false, text: `did not respond (${code})` }
    }
  }
}

/** All interfaces are reached by the loopback one. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** A reason of ours only: another program may listen there. */
function reasonIn(body: string): string {
  const reason = parseObject(body)?.['reason']
  return typeof reason === 'string' && /^[a-z-]{1,40}$/.test(reason) ? ` (${reason})` : ''
}
