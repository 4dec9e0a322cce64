import { inject } from 'vitest'
import { temporaryFiles } from './temporary.ts'
import type { Certificates } from './global-setup.ts'

export type { Certificates }

export const makeCertificates = (): Certificates => inject('certificates')

/** Writes key and certificate of a listener, and returns the settings. */
export const listenerTls = (
  file = temporaryFiles(),
  { cert, key } = makeCertificates().server,
) => ({ LISTEN_TLS_KEY_FILE: file('tls.key', key), LISTEN_TLS_CERT_FILE: file('tls.crt', cert) })
