import { createAuthority } from '../../simulator/certificates.ts'

const DAY = 24 * 3_600_000
const NAMES = ['localhost', '127.0.0.1'] as const
const CLIENT = { names: ['cti-obs'], usage: 'client' } as const
const days = (from: number, to: number) => ({
  notBefore: new Date(Date.now() + from * DAY),
  notAfter: new Date(Date.now() + to * DAY),
})

const ca = await createAuthority('Test CA')
const strangerCa = await createAuthority('Stranger CA')
const made = {
  ca,
  /** For `localhost` and 127.0.0.1. */
  server: await ca.issue({ names: NAMES }),
  client: await ca.issue(CLIENT),
  /** As `server`, ended yesterday. */
  expired: await ca.issue({ names: NAMES, ...days(-2, -1) }),
  expiredClient: await ca.issue({ ...CLIENT, ...days(-2, -1) }),
  /** As `server`, begins tomorrow. */
  notYetValid: await ca.issue({ names: NAMES, ...days(1, 2) }),
  /** For `elsewhere.example` only. */
  wrongHost: await ca.issue({ names: ['elsewhere.example'] }),
  /** As `server` and `client`, but of a CA that nobody trusts. */
  strangerCa,
  stranger: await strangerCa.issue({ names: NAMES }),
  strangerClient: await strangerCa.issue(CLIENT),
}
export type Certificates = typeof made

/** The same for every caller of one worker. */
export function makeCertificates(): Certificates {
  return made
}
