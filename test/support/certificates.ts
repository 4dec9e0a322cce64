import { createAuthority, type Authority, type Certificate } from '../../simulator/certificates.ts'

export interface Certificates {
  readonly ca: Authority
  /** For `localhost` and 127.0.0.1. */
  readonly server: Certificate
  readonly client: Certificate
  /** As `server`, ended yesterday. */
  readonly expired: Certificate
  readonly expiredClient: Certificate
  /** As `server`, begins tomorrow. */
  readonly notYetValid: Certificate
  /** For `elsewhere.example` only. */
  readonly wrongHost: Certificate
  /** As `server` and `client`, but of a CA that nobody trusts. */
  readonly strangerCa: Authority
  readonly stranger: Certificate
  readonly strangerClient: Certificate
}

const DAY = 24 * 3_600_000
const NAMES = ['localhost', '127.0.0.1']

/** Made anew at each call, in memory, without a binary. */
export function makeCertificates(): Certificates {
  const ca = createAuthority('Test CA')
  const strangerCa = createAuthority('Stranger CA')
  const days = (from: number, to: number) => ({
    notBefore: new Date(Date.now() + from * DAY),
    notAfter: new Date(Date.now() + to * DAY),
  })
  return {
    ca,
    server: ca.issue({ names: NAMES }),
    client: ca.issue({ names: ['cti-obs'], usage: 'client' }),
    expired: ca.issue({ names: NAMES, ...days(-2, -1) }),
    expiredClient: ca.issue({ names: ['cti-obs'], usage: 'client', ...days(-2, -1) }),
    notYetValid: ca.issue({ names: NAMES, ...days(1, 2) }),
    wrongHost: ca.issue({ names: ['elsewhere.example'] }),
    strangerCa,
    stranger: strangerCa.issue({ names: NAMES }),
    strangerClient: strangerCa.issue({ names: ['cti-obs'], usage: 'client' }),
  }
}
