import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Server, SecureContextOptions } from 'node:tls'

/** Paths of PEM files. With `clientCaFile`, a client without a certificate of that CA is turned away. */
export interface ListenerTls {
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile?: string
}

/** RFC 9325 section 3.1.1: nothing below TLS 1.2. */
const MIN_VERSION = 'TLSv1.2'

/**
 * Reads the files and proves that they belong together.
 *
 * @throws when a file cannot be read, is not PEM, or the key is not the certificate's.
 */
export function readTls(tls: ListenerTls): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: readFileSync(tls.certFile),
    key: readFileSync(tls.keyFile),
    minVersion: MIN_VERSION,
    ...(tls.clientCaFile === undefined ? {} : { ca: readFileSync(tls.clientCaFile) }),
  }
  createSecureContext(options)
  return options
}

/**
 * Puts new files to use for connections to come; those that are open go on. A bad pair changes nothing.
 * Node makes new session ticket keys with it, so that no session of a client CA that has been withdrawn is
 * resumed: OpenSSL would not verify its certificate again.
 *
 * @throws what `readTls` throws.
 */
export function reloadTls(server: Server, tls: ListenerTls): void {
  server.setSecureContext(readTls(tls))
}
