import { get } from 'node:http'
import { loadSetting } from '../config/load.ts'
import { formatError } from '../config/errors.ts'
import type { Io } from './io.ts'

/** What a probe path of a running proxy answered. */
export type ProbeAnswer =
  | { readonly status: number; readonly reason: string | undefined }
  | { readonly status: undefined; readonly code: string }

/** Asks one path. Never rejects. */
export type Probe = (path: string) => Promise<ProbeAnswer>

/** Milliseconds; a process that cannot say in this time that it lives does not. */
const PROBE_TIMEOUT = 2000
const LARGEST_ANSWER = 4096

/** A probe of the proxy that runs with this environment; undefined after saying why there is none. */
export function openProbe(io: Io): Probe | undefined {
  const read = loadSetting('adminListen', io.env)
  if (!read.ok) {
    io.stderr.write(`${formatError(read.error)}\n`)
    return undefined
  }
  const address = read.values.adminListen
  if (address.kind === 'unix' || address.port === 0) {
    io.stderr.write('ADMIN_LISTEN has port 0: nobody can know which port it became.\n')
    return undefined
  }
  return (path) => ask(reachable(address.host), address.port, path, io.signal)
}

/** All interfaces are reached by the loopback one. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

function ask(host: string, port: number, path: string, signal: AbortSignal): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      clearTimeout(limit)
      resolve({ status: undefined, code: error.code ?? error.name })
    }
    const request = get({ host, port, path, agent: false, signal }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (body.length < LARGEST_ANSWER) body += chunk
      })
      response.on('error', failed)
      response.on('end', () => {
        clearTimeout(limit)
        resolve({ status: response.statusCode ?? 0, reason: reasonIn(body) })
      })
    })
    const limit = setTimeout(() => {
      request.destroy(Object.assign(new Error('no answer'), { code: 'no answer in time' }))
    }, PROBE_TIMEOUT)
    request.on('error', failed)
  })
}

/** Our own words only: who knows what listens there. */
function reasonIn(body: string): string | undefined {
  try {
    const { reason } = JSON.parse(body) as { reason?: unknown }
    return typeof reason === 'string' && /^[a-z-]{1,40}$/.test(reason) ? reason : undefined
  } catch {
    return undefined
  }
}

/** `answered 503 (no-token)` or `did not answer (ECONNREFUSED)`. */
export function probeText(answer: ProbeAnswer): string {
  if (answer.status === undefined) return `did not answer (${answer.code})`
  return `answered ${answer.status}${answer.reason === undefined ? '' : ` (${answer.reason})`}`
}
