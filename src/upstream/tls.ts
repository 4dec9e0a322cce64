import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { Secret } from '../config/secret.ts'
import type { UpstreamTls } from './pool.ts'

/** Paths of PEM files. */
export interface UpstreamTlsFiles {
  /** Trusted instead of the CAs that come with Node. */
  readonly caFile: string | undefined
  /** Certificate and key that iSales asks for (mutual TLS). */
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
}

/**
 * Reads the files and proves that TLS takes them.
 *
 * @throws when one cannot be read, is not PEM, or the key is not the certificate's.
 */
export function readUpstreamTls({ caFile, certFile, keyFile }: UpstreamTlsFiles): UpstreamTls {
  const read = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : readFileSync(path, 'utf8')
  const ca = read(caFile)
  const cert = read(certFile)
  const key = read(keyFile)
  // Proving nothing would still read all the CAs that come with Node, a tenth of a start.
  if (ca === undefined && cert === undefined && key === undefined) return {}
  createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
  return { ca, cert, key: key === undefined ? undefined : new Secret(key) }
}
