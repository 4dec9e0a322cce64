import { randomBytes } from 'node:crypto'
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
/** What OpenSSL takes for session tickets: name, HMAC key and AES key, 16 bytes each. */
const TICKET_KEY_BYTES = 48

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
 *
 * Sessions are not resumed across it: OpenSSL does not verify the client certificate of a resumed session
 * again, so one of a CA that has been withdrawn would still be let in.
 *
 * @throws what `readTls` throws.
 */
export function reloadTls(server: Server, tls: ListenerTls): void {
  server.setSecureContext({ ...readTls(tls), ticketKeys: randomBytes(TICKET_KEY_BYTES) })
}
