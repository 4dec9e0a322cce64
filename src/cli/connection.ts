import { lookup } from 'node:dns'
import type { Socket } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { createConnect, type ConnectOptions } from '../upstream/connector.ts'
import type { ConnectError } from '../upstream/errors.ts'

/** One connection to iSales, as the proxy opens them. */
export function connectOnce(
  options: Omit<ConnectOptions, 'lookup'>,
): Promise<Socket | ConnectError> {
  return new Promise(createConnect({ ...options, lookup }))
}

/** The chain as iSales shows it, its own certificate first, and the end that comes first. */
export function describeChain(socket: TLSSocket): string {
  const chain: DetailedPeerCertificate[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // A root names itself as its issuer.
  while (next !== undefined && !chain.includes(next)) {
    chain.push(next)
    next = next.issuerCertificate as DetailedPeerCertificate | undefined
  }
  const names = chain.map(({ subject }) => String(subject.CN)).join(', issued by ')
  const ends = Math.min(...chain.map(({ valid_to: end }) => Date.parse(end)))
  return `${names}; valid until ${new Date(ends).toISOString().slice(0, 10)}`
}
