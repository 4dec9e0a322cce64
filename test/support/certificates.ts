import { inject } from 'vitest'
import type { Certificate } from '../../simulator/certificates.ts'

export interface Certificates {
  readonly ca: Certificate
  /** For `localhost` and 127.0.0.1. */
  readonly server: Certificate
  /** For `renewed.example` and `localhost`. */
  readonly renewed: Certificate
  readonly client: Certificate
  /** As `server`, ended yesterday. */
  readonly expired: Certificate
  readonly expiredClient: Certificate
  /** As `server`, begins tomorrow. */
  readonly notYetValid: Certificate
  /** For `elsewhere.example` only. */
  readonly wrongHost: Certificate
  /** As `server` and `client`, but of a CA that nobody trusts. */
  readonly strangerCa: Certificate
  readonly stranger: Certificate
  readonly strangerClient: Certificate
}

/** The same for every test of a run. */
export const makeCertificates = (): Certificates => inject('certificates')
