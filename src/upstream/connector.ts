import type { ClientRequest } from 'node:http'
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import { causeOfError, CODES, codeOf, type CertificateSeen, type Met } from '../causes.ts'
import { systemClock } from '../clock.ts'
import { endpointOf, secureContextOptions, type TlsFiles } from '../config/index.ts'
import { createTunnels } from './egress-proxy.ts'
import { ConnectError } from './errors.ts'

export interface ConnectOptions {
  /** `https://host:port`, without a path. */
  readonly origin: string
  readonly tls: TlsFiles
  /** What SNI says and the certificate is checked for. Default: the host of `origin`. */
  readonly serverName?: string | undefined
  /** Milliseconds for DNS, TCP, the tunnel and TLS together. */
  readonly timeout: number
  /** The egress proxy, with user and password if it needs them. */
  readonly egress: URL | undefined
  /** Finds the addresses of iSales or of the egress proxy. */
  readonly lookup: LookupFunction
}

/** Opens one connection. `done` is called once. */
export type Connect = (done: (outcome: Socket | ConnectError) => void) => void

/** Milliseconds before the first TCP keep-alive probe: without `CLIENT_DEADLINE` nothing else misses a dead iSales. */
const TCP_KEEP_ALIVE = 60_000

/**
 * Opens connections to one origin. Why undici's `buildConnector` is not used: docs/decisions/0012.
 *
 * @throws {URIError} when the egress proxy's user or password cannot be decoded.
 */
export function createConnect(options: ConnectOptions): Connect {
  const { origin, tls, serverName, timeout, egress, lookup } = options
  const url = new URL(origin)
  const secure = url.protocol === 'https:'
  const { host, port } = endpointOf(url)
  const finding = {
    lookup,
    // With it Node asks `lookup` for all addresses, whatever its flags are.
    autoSelectFamily: true,
    // Node tries a name's addresses one after the other and gives up one after 250 ms. An address with a longer
    // round-trip time must be reached, and so must the second one if the first one is dead.
    autoSelectFamilyAttemptTimeout: Math.ceil(timeout / 2),
  }
  const openTunnel = egress === undefined ? undefined : createTunnels(egress, finding)
  const context = secure ? createSecureContext(secureContextOptions(tls)) : undefined

  const connectSecure = (through: { readonly socket: Socket } | { readonly host: string }) =>
    connectTls({
      ...finding,
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
    let side: Met['side'] = openTunnel === undefined ? 'isales' : 'egress'
    let stage: Met['stage'] = side === 'isales' && isIP(host) === 0 ? 'dns' : 'connect'
    let certificate: CertificateSeen | undefined
    let settled = false

    const settle = (outcome: Socket | ConnectError): void => {
      if (settled) return
      settled = true
      timer.cancel()
      if (outcome instanceof Error) opening?.destroy()
      done(outcome)
    }
    const fail = (error: unknown): void => {
      if (error instanceof ConnectError) return settle(error)
      const code = codeOf(error)
      settle(new ConnectError(causeOfError(code, { side, stage }), code, error, certificate))
    }
    const timer = systemClock.setTimer(() => {
      settle(new ConnectError(causeOfError(CODES.timeout, { side, stage }), CODES.timeout))
    }, timeout)

    const use = (socket: Socket): void => {
      opening = socket
      socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE)
      socket.once(secure ? 'secureConnect' : 'connect', () => settle(socket))
      socket.on('error', fail)
      socket.on('lookup', (error) => {
        if (error === null) stage = 'connect'
      })
      if (!(socket instanceof TLSSocket)) return
      socket.once('connect', () => (stage = 'tls'))
      // This runs before Node judges the certificate and closes the socket, which alone knows it. Node does not document
      // the event. What it documents, `rejectUnauthorized: false` with a judgement of our own, would give the password to
      // anybody if that judgement were lost. Without the event a sentence lacks name and dates of the certificate.
      socket.prependOnceListener('secure', () => (certificate = certificateOf(socket)))
    }
    try {
      if (!secure) use(connectTcp({ ...finding, host, port }))
      else if (openTunnel === undefined) use(connectSecure({ host }))
      else {
        opening = openTunnel(`${url.hostname}:${port}`, (outcome) => {
          if (outcome instanceof Error) {
            fail(outcome)
            return
          }
          stage = 'tls'
          side = 'isales'
          try {
            use(connectSecure({ socket: outcome }))
          } catch (error) {
            outcome.destroy()
            fail(error)
          }
        })
      }
    } catch (error) {
      fail(error)
    }
  }
}

/** What iSales wrote is shown only where it is a name. */
function certificateOf(socket: TLSSocket): CertificateSeen | undefined {
  const { subject, valid_from: from, valid_to: to } = socket.getPeerCertificate()
  const name = String(subject?.CN)
  if (from === undefined || to === undefined) return undefined
  return {
    name: /^[\w.* -]{1,253}$/.test(name) ? name : '',
    from: Date.parse(from),
    to: Date.parse(to),
  }
}
