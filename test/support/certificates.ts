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
const NAMES = ['localhost', '127.0.0.1'] as const
const CLIENT = { names: ['cti-obs'], usage: 'client' } as const
const days = (from: number, to: number) => ({
  notBefore: new Date(Date.now() + from * DAY),
  notAfter: new Date(Date.now() + to * DAY),
})

const ca = await createAuthority('Test CA')
const strangerCa = await createAuthority('Stranger CA')
const made: Certificates = {
  ca,
  strangerCa,
  server: await ca.issue({ names: NAMES }),
  client: await ca.issue(CLIENT),
  expired: await ca.issue({ names: NAMES, ...days(-2, -1) }),
  expiredClient: await ca.issue({ ...CLIENT, ...days(-2, -1) }),
  notYetValid: await ca.issue({ names: NAMES, ...days(1, 2) }),
  wrongHost: await ca.issue({ names: ['elsewhere.example'] }),
  stranger: await strangerCa.issue({ names: NAMES }),
  strangerClient: await strangerCa.issue(CLIENT),
}

/** The same for every caller of one test file. */
export function makeCertificates(): Certificates {
  return made
}
