import type { ClientRequest } from 'node:http'
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import { systemClock } from '../clock.ts'
import { endpointOf } from '../config/address.ts'
import { secureContextOptions, type TlsFiles } from '../config/certificates.ts'
import { createTunnels } from './egress-proxy.ts'
import { CODES, codeOf, ConnectError, type ConnectFailure } from './errors.ts'

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

/** Milliseconds before the first TCP keep-alive probe. */
const TCP_KEEP_ALIVE = 60_000
/** Of OpenSSL: verification results as Node names them, and alerts. */
const TLS_CODE =
  /^(?:ERR_(?:TLS|SSL|OSSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|HOSTNAME_MISMATCH|EPROTO$)/

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
    // So that Node asks `lookup` for all addresses, whatever its flags are.
    autoSelectFamily: true,
    // Node tries a name's addresses one after the other and gives up one after 250 ms. An address with a longer
    // round-trip time must be reached, and so must the second one if the first one is dead.
    autoSelectFamilyAttemptTimeout: Math.ceil(timeout / 2),
  }
  const openTunnel = egress === undefined ? undefined : createTunnels(egress, finding)
  // Read once and late: without a CA file it reads all the CAs that come with Node.
  let context: SecureContext | undefined
  // There is one origin, so the latest session serves every connection.
  let session: Buffer | undefined

  const connectSecure = (through: { readonly socket: Socket } | { readonly host: string }) =>
    connectTls({
      ...finding,
      ...through,
      host,
      port,
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      secureContext: (context ??= createSecureContext(secureContextOptions(tls))),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      ...(session === undefined ? {} : { session }),
    }).on('session', (latest) => {
      session = latest
    })

  return (done) => {
    let opening: Socket | ClientRequest | undefined
    let stage: ConnectFailure = isIP(host) === 0 ? 'dns' : 'refused'
    let settled = false

    const settle = (outcome: Socket | ConnectError): void => {
      if (settled) return
      settled = true
      timer.cancel()
      if (outcome instanceof Error) opening?.destroy()
      done(outcome)
    }
    const fail = (error: unknown): void => {
      settle(error instanceof ConnectError ? error : failureAt(stage, error))
    }
    const timer = systemClock.setTimer(() => {
      const reason = stage === 'dns' || stage === 'proxy' ? stage : 'timeout'
      settle(new ConnectError(reason, CODES.timeout))
    }, timeout)

    const use = (socket: Socket): void => {
      opening = socket
      socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE)
      socket.once(secure ? 'secureConnect' : 'connect', () => settle(socket))
      socket.on('error', fail)
      socket.on('lookup', (error) => {
        if (error === null) stage = 'refused'
      })
      if (secure) socket.once('connect', () => (stage = 'tls'))
    }
    try {
      if (!secure) use(connectTcp({ ...finding, host, port }))
      else if (openTunnel === undefined) use(connectSecure({ host }))
      else {
        stage = 'proxy'
        opening = openTunnel(`${url.hostname}:${port}`, (outcome) => {
          if (outcome instanceof Error) {
            fail(outcome)
            return
          }
          stage = 'tls'
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

/** A connection that is reset during the handshake was refused; nothing is wrong with a certificate then. */
function failureAt(stage: ConnectFailure, error: unknown): ConnectError {
  const code = codeOf(error)
  if (stage === 'proxy') return new ConnectError('proxy', code, error)
  if (TLS_CODE.test(code)) return new ConnectError('tls', code, error)
  return new ConnectError(stage === 'tls' ? 'refused' : stage, code, error)
}
