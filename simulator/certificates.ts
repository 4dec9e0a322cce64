import { isIP } from 'node:net'
import { generate } from 'selfsigned'

/** PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateRequest {
  /** DNS names and IP addresses; the first is also the common name. */
  readonly names: readonly [string, ...(readonly string[])]
  /** Default `server`. */
  readonly usage?: 'server' | 'client'
  /** Default: one hour ago. */
  readonly notBefore?: Date
  /** Default: in a day. */
  readonly notAfter?: Date
}

export interface Authority extends Certificate {
  issue(request: CertificateRequest): Promise<Certificate>
}

const HOUR = 3_600_000

/** A CA for tests and demonstrations, never for production. */
export async function createAuthority(name = 'iSales simulator CA'): Promise<Authority> {
  const ca = await certify(name, {}, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ])
  return {
    ...ca,
    issue: ({ names, usage = 'server', ...options }) =>
      certify(names[0], { ...options, ca }, [
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', [usage === 'server' ? 'serverAuth' : 'clientAuth']: true },
        { name: 'subjectAltName', altNames: names.map(alternativeName) },
      ]),
  }
}

type GenerateOptions = NonNullable<Parameters<typeof generate>[1]>

async function certify(
  commonName: string,
  {
    notBefore = new Date(Date.now() - HOUR),
    notAfter = new Date(Date.now() + 24 * HOUR),
    ca,
  }: Partial<CertificateRequest> & { readonly ca?: Certificate },
  extensions: NonNullable<GenerateOptions['extensions']>,
): Promise<Certificate> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: notBefore,
    notAfterDate: notAfter,
    extensions,
    ...(ca === undefined ? {} : { ca }),
  })
  return { cert, key }
}

/** The numbers are tags of RFC 5280's GeneralName: 2 a DNS name, 7 an IP address. */
function alternativeName(name: string) {
  return isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name }
}
