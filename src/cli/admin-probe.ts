import { get } from 'node:http'
import { loadSetting } from '../config/load.ts'
import { formatError } from '../config/errors.ts'
import type { Io } from './io.ts'
import { parseObject } from '../http/json.ts'

/** The response of a probe path of a running proxy. */
export type ProbeResponse =
  | { readonly status: number; readonly reason: string | undefined }
  | { readonly status: undefined; readonly code: string }

/** Asks one path. Never rejects. */
export type Probe = (path: string) => Promise<ProbeResponse>

/** Milliseconds; a process that does not respond in this time counts as dead. */
const PROBE_TIMEOUT = 2000
const LARGEST_RESPONSE = 4096

/** A probe of the proxy that runs with this environment; undefined after saying why there is none. */
export function openProbe(io: Io): Probe | undefined {
  const read = loadSetting('adminListen', io.env)
  if (!read.ok) {
    for (const error of read.errors) io.stderr.write(`${formatError(error)}\n`)
    return undefined
  }
  const address = read.value.adminListen
  if (address.kind === 'unix' || address.port === 0) {
    io.stderr.write('ADMIN_LISTEN has port 0: the port that was taken is not known here.\n')
    return undefined
  }
  return (path) => ask(reachable(address.host), address.port, path, io.signal)
}

/** All interfaces are reached by the loopback one. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

function ask(
  host: string,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<ProbeResponse> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      clearTimeout(limit)
      resolve({ status: undefined, code: error.code ?? error.name })
    }
    const request = get({ host, port, path, agent: false, signal }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (body.length < LARGEST_RESPONSE) body += chunk
      })
      response.on('error', failed)
      response.on('end', () => {
        clearTimeout(limit)
        resolve({ status: response.statusCode ?? 0, reason: reasonIn(body) })
      })
    })
    const limit = setTimeout(() => {
      request.destroy(Object.assign(new Error('no response'), { code: 'no response in time' }))
    }, PROBE_TIMEOUT)
    request.on('error', failed)
  })
}

/** A reason of ours only: another program may listen there. */
function reasonIn(body: string): string | undefined {
  const reason = parseObject(body)?.['reason']
  return typeof reason === 'string' && /^[a-z-]{1,40}$/.test(reason) ? reason : undefined
}

/** `responded 503 (no-token)` or `did not respond (ECONNREFUSED)`. */
export function probeText(response: ProbeResponse): string {
  if (response.status === undefined) return `did not respond (${response.code})`
  const { status, reason } = response
  return `responded ${status}${reason === undefined ? '' : ` (${reason})`}`
}
