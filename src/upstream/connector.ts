import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import { request as requestHttp, type ClientRequest, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import {
  classifyError,
  NODE_ERROR_CODES,
  readErrorCode,
  type ErrorContext,
  type PeerCertificate,
} from '../causes.ts'
import { MINUTE, within, type Clock } from '../clock.ts'
import { holds, toEndpoint, secureContextOptions, type TlsFiles } from '../config/index.ts'
import type { FailureDetails } from '../messages/index.ts'
import { excerpt } from '../terminal.ts'

/** The connection failed to open. No byte of a request was written. */
export class ConnectError extends Error {
  /** `detail`: Node's or OpenSSL's error code, or one of `NODE_ERROR_CODES`. */
  readonly failure: FailureDetails

  constructor(failure: FailureDetails, cause?: unknown) {
    super('no connection', { cause })
    this.failure = failure
  }
}

export interface ConnectOptions {
  /** `https://host:port`, without a path. */
  readonly origin: string
  readonly tls: TlsFiles
  /** For SNI and for checking the certificate. Default: the host of `origin`. */
  readonly serverName?: string | undefined
  /** Milliseconds for DNS, TCP, the tunnel and TLS together. */
  readonly timeout: number
  /** The egress proxy, with user and password if it needs them. */
  readonly egress: URL | undefined
  readonly lookup: LookupFunction
  readonly clock: Clock
  /** Receives the earliest expiry, in milliseconds since 1970, of the authorities that issued iSales's certificate. */
  readonly onVerified: (authorityEnd: number) => void
}

/** Opens a connection. Calls `done` once. */
export type Connect = (done: (outcome: Socket | ConnectError) => void) => void

/** Limits of a response's head: bytes, twice as many as a request's, and headers. */
export const MAX_HEAD = 32 * 1024
export const MAX_HEADERS = 200
/** Characters of the egress proxy's reason phrase that are shown. */
const MAX_REASON = 40
/** Milliseconds before the first TCP keep-alive probe. */
const TCP_KEEP_ALIVE = MINUTE

/**
 * Opens connections to one origin. docs/dev/decisions.md explains why undici's `buildConnector` is not used.
 *
 * @throws {URIError} if the egress proxy's user or password cannot be decoded.
 */
export function createConnect(options: ConnectOptions): Connect {
  const { origin, tls, serverName, timeout, egress, lookup, clock, onVerified } = options
  const url = new URL(origin)
  const secure = url.protocol === 'https:'
  const { host, port } = toEndpoint(url)
  const dialOptions = {
    lookup,
    autoSelectFamily: true,
    // Node's 250 ms per address are too short for a distant one; this leaves time for a second one.
    autoSelectFamilyAttemptTimeout: Math.ceil(timeout / 2),
  }
  const openTunnel = egress === undefined ? undefined : createTunnels(egress, dialOptions)
  const context = secure ? createSecureContext(secureContextOptions(tls)) : undefined

  const connectSecure = (through: { readonly socket: Socket } | { readonly host: string }) =>
    connectTls({
      ...dialOptions,
      ...through,
      host,
      port,
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    })

  return (done) => {
    let opening: Socket | ClientRequest | undefined
    let side: ErrorContext['side'] = openTunnel === undefined ? 'isales' : 'egress'
    let stage: ErrorContext['stage'] = side === 'isales' && isIP(host) === 0 ? 'dns' : 'connect'
    let certificate: PeerCertificate | undefined
    let settled = false

    const settle = (outcome: Socket | ConnectError): void => {
      if (settled) return
      settled = true
      timer.cancel()
      if (outcome instanceof Error) opening?.destroy()
      done(outcome)
    }
    const fail = (error: unknown, detail = readErrorCode(error)): void => {
      if (error instanceof ConnectError) return settle(error)
      const cause = classifyError(detail, { side, stage })
      settle(new ConnectError({ cause, detail, certificate }, error))
    }
    const timer = clock.setTimer(() => fail(undefined, NODE_ERROR_CODES.timeout), timeout)

    const use = (socket: Socket): void => {
      opening = socket
      socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE)
      socket.once(secure ? 'secureConnect' : 'connect', () => settle(socket))
      socket.on('error', (error) => fail(error))
      socket.on('lookup', (error) => {
        if (error === null) stage = 'connect'
      })
      if (!(socket instanceof TLSSocket)) return
      socket.once('connect', () => (stage = 'tls'))
      socket.once('secureConnect', () =>
        onVerified(Math.min(...chainOf(socket).above.map(({ valid_to: to }) => Date.parse(to)))),
      )
      // Undocumented, but only here, before Node verifies the certificate and closes the socket, can it be read. With
      // `rejectUnauthorized: false` and our own verification, a mistake would send the password to anyone.
      socket.prependOnceListener('secure', () => (certificate = certificateOf(socket)))
    }
    const useTunnel = (outcome: Socket | Error): void => {
      if (outcome instanceof Error) return fail(outcome)
      stage = 'tls'
      side = 'isales'
      try {
        use(connectSecure({ socket: outcome }))
      } catch (error) {
        outcome.destroy()
        fail(error)
      }
    }
    try {
      if (!secure) use(connectTcp({ ...dialOptions, host, port }))
      else if (openTunnel === undefined) use(connectSecure({ host }))
      else opening = openTunnel(`${url.hostname}:${port}`, useTunnel)
    } catch (error) {
      fail(error)
    }
  }
}

/** Returns the peer's own certificate, and those above it as far as they are known. */
function chainOf(socket: TLSSocket) {
  const own = socket.getPeerCertificate(true)
  const chain = new Set([own])
  // Node represents the issuer of a root as the root itself.
  for (const { issuerCertificate: issuer } of chain) if (issuer !== undefined) chain.add(issuer)
  return { own, above: [...chain].slice(1), last: [...chain].at(-1) ?? own }
}

const NAME = /^[\w.* -]{1,253}$/

/** Shows names, which iSales wrote, only if they look like names. */
function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const { own, last } = chainOf(socket)
  const { subject, valid_from: from, valid_to: to } = own
  if (from === undefined || to === undefined) return undefined
  const shown = (name: unknown): string => (NAME.test(String(name)) ? String(name) : '')
  return {
    name: shown(subject?.CN),
    from: Date.parse(from),
    to: Date.parse(to),
    issuer: shown(last.issuer?.CN),
    chain: last.issuerCertificate === last ? 'root' : last === own ? 'alone' : 'part',
  }
}

/** Opens tunnels to `host:port` by CONNECT (RFC 9110 section 9.3.6). Calls `opened` once; destroy the request to cancel. */
function createTunnels(egress: URL, dialOptions: RequestOptions) {
  const { protocol, username, password } = egress
  const secret = decodeURIComponent(password)
  const login = Buffer.from(`${decodeURIComponent(username)}:${secret}`).toString('base64')
  const authorization = username === '' ? {} : { 'Proxy-Authorization': `Basic ${login}` }

  return (target: string, opened: (outcome: Socket | Error) => void): ClientRequest => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)({
      ...dialOptions,
      ...toEndpoint(egress),
      method: 'CONNECT',
      path: target,
      agent: false,
      maxHeaderSize: MAX_HEAD,
      headers: { Host: target, ...authorization },
    })
    // Node drops headers beyond this number.
    request.maxHeadersCount = MAX_HEADERS + 1
    request.once(
      'connect',
      ({ statusCode = 0, statusMessage = '', rawHeaders }, tunnel: Socket) => {
        const isLong = rawHeaders.length > 2 * MAX_HEADERS
        if (statusCode >= 200 && statusCode < 300 && !isLong) return opened(tunnel)
        tunnel.destroy()
        const { proxyAuth, proxyRejected } = NODE_ERROR_CODES
        const detail = statusCode === 407 ? proxyAuth : proxyRejected
        const cause = classifyError(detail, { side: 'egress', stage: 'connect' })
        const reason = holds(statusMessage, secret) ? '' : excerpt(statusMessage, MAX_REASON)
        const seen = [['connectStatus', `${statusCode} ${reason}`.trim()]] as const
        opened(new ConnectError({ cause, detail, seen }))
      },
    )
    request.on('error', opened)
    return request.end()
  }
}

type Found = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** Finds all addresses of a name, like `dns.lookup`. */
export type Resolve = (name: string, options: LookupAllOptions, found: Found) => void

/**
 * Creates a `lookup` of one name for `net.connect` with at most one query in progress: a query occupies a thread of
 * libuv's pool until DNS responds. If DNS fails, the latest addresses are used; if it hangs, after half the timeout.
 *
 * @param timeout milliseconds that a connection waits for an address.
 */
export function createLookup(
  timeout: number,
  clock: Clock,
  resolve: Resolve = systemLookup,
): LookupFunction {
  let query: Promise<Error | null> | undefined
  /** The latest addresses from DNS. */
  let known: LookupAddress[] = []

  const find = async (...[name, options, callback]: Parameters<LookupFunction>): Promise<void> => {
    query ??= new Promise<Error | null>((ended) => {
      resolve(name, { ...options, all: true }, (error, addresses) => {
        if (error === null) known = addresses
        ended(error)
      })
    }).finally(() => (query = undefined))
    const silence = Object.assign(new Error('DNS is silent'), { code: 'EAI_AGAIN' })
    const ended = await within(clock, known.length === 0 ? timeout : timeout / 2, query)
    const error = ended === undefined ? silence : ended
    callback(known.length === 0 ? error : null, known)
  }
  return (...request) => void find(...request)
}
