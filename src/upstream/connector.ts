import { request as requestHttp, type ClientRequest } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { resumeAnswer } from './undici-workarounds.ts'

/** Where a connection is to go, as undici's pool says it. */
export interface Destination {
  readonly protocol: string
  readonly hostname: string
  /** Empty: the scheme's own. */
  readonly port: string
}

export type Connected = (...outcome: [null, Socket | TLSSocket] | [Error, null]) => void
export type Connect = (destination: Destination, connected: Connected) => void

export interface ConnectOptions {
  readonly tls: ConnectionOptions
  /** Milliseconds for all of it: the name, TCP, the tunnel, TLS. */
  readonly timeout: number
  /** The egress proxy, with user and password where it asks for them. */
  readonly egress: URL | undefined
}

/** A failure of ours to connect. */
class ConnectError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** As in undici's own connector; Node takes it, but its types do not know it. */
const READING = { highWaterMark: 64 * 1024 }
const TCP_KEEP_ALIVE = 60_000
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * Opens connections for the pool. undici has a connector of its own, but its timeout is late by up to a second, and
 * a connection that breaks behind an answer without a length looks to it like that answer's end.
 */
export function createConnect({ tls, timeout, egress }: ConnectOptions): Connect {
  // One origin, so the latest session serves every connection.
  let session: Buffer | undefined
  const openTunnel = egress === undefined ? undefined : tunnelsThrough(egress)

  return (destination, connected) => {
    const { protocol, hostname } = destination
    const host = hostname.replaceAll(/^\[|\]$/g, '')
    const port = portOf(destination)
    /** What is left behind when no connection comes about. */
    let opening: Socket | ClientRequest | undefined
    let settled = false

    const settle = (outcome: Socket | Error): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      if (outcome instanceof Error) {
        opening?.destroy()
        // As the cause: undici has a way of its own with ERR_TLS_CERT_ALTNAME_INVALID, which leaves a client no way on.
        connected(new Error('no connection', { cause: outcome }), null)
      } else connected(null, outcome)
    }
    const use = (socket: Socket, ready: 'connect' | 'secureConnect'): void => {
      opening = socket
      socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE)
      socket.once(ready, () => settle(socket))
      socket.on('error', (error) => (settled ? cut(socket, error) : settle(error)))
      // undici takes it for granted, by an assertion, that no answer is held back when its connection ends. What there
      // is of it has been read by then.
      socket.on('end', () => resumeAnswer(socket))
    }

    const secure = (through: { readonly socket: Socket } | { readonly host: string }): TLSSocket =>
      connectTls({
        ...tls,
        ...through,
        host,
        port,
        servername: isIP(host) === 0 ? host : '',
        ALPNProtocols: ['http/1.1'],
        ...(session === undefined ? {} : { session }),
      }).on('session', (latest) => {
        session = latest
      })

    if (protocol !== 'https:') use(connectTcp({ host, port, ...READING }), 'connect')
    else if (openTunnel === undefined) use(secure({ host }), 'secureConnect')
    else {
      opening = openTunnel(`${hostname}:${port}`, (outcome) => {
        if (outcome instanceof Error) {
          settle(outcome)
          return
        }
        try {
          use(secure({ socket: outcome }), 'secureConnect')
        } catch (error) {
          // Behind the tunnel no caller is left who would notice.
          outcome.destroy()
          settle(error as Error)
        }
      })
    }

    // Last: what throws above is the caller's to notice, and must not be told a second time.
    const timer = setTimeout(() => {
      settle(new ConnectError('ETIMEDOUT', `no connection within ${timeout} ms`))
    }, timeout)
  }
}

/** CONNECT (RFC 9110 section 9.3.6). */
function tunnelsThrough(egress: URL) {
  const { protocol, hostname, username, password } = egress
  // Once, and at the start: within an attempt to connect nobody could mend what cannot be decoded.
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization =
    username === ''
      ? {}
      : { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` }

  return (target: string, opened: (outcome: Socket | Error) => void): ClientRequest => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)({
      host: hostname.replaceAll(/^\[|\]$/g, ''),
      port: portOf(egress),
      method: 'CONNECT',
      path: target,
      agent: false,
      headers: { Host: target, ...authorization },
    })
    request.once('connect', ({ statusCode = 0 }, tunnel: Socket) => {
      if (statusCode >= 200 && statusCode < 300) opened(tunnel)
      else {
        tunnel.destroy()
        opened(new ConnectError('ERR_EGRESS_REFUSED', `the egress proxy answered ${statusCode}`))
      }
    })
    request.on('error', opened)
    return request.end()
  }
}

/**
 * An error of a connection in use. undici takes a reset behind an answer that ends with its connection for that
 * answer's regular end, since some systems reset where others close: a cut answer must never look complete, so it is
 * told of another error. And it acts on the close, which Node leaves out behind an error of TLS.
 */
function cut(socket: Socket, error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'ECONNABORTED'
  socket.destroy()
}

export function portOf({ protocol, port }: Pick<Destination, 'protocol' | 'port'>): number {
  return port === '' ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port)
}
