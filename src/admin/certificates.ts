import { readCertificates } from '../config/certificates.ts'
import type { Config } from '../config/settings.ts'

/** `listener`: of this proxy; `client`: for mutual TLS with iSales; `ca`: the authorities that iSales is checked with. */
export const CERTIFICATES = ['listener', 'client', 'ca'] as const
export type CertificateName = (typeof CERTIFICATES)[number]

/** When each certificate ends, milliseconds since 1970. Undefined: none is configured, or it cannot be read. */
export type CertificateEnds = Readonly<Record<CertificateName, number | undefined>>

/** Reads the files anew, so that the ends are those of a certificate that was just renewed. */
export function readCertificateEnds(
  config: Pick<Config, 'listenTlsCertFile' | 'isalesClientCertFile' | 'isalesCaFile'>,
): CertificateEnds {
  const own = (path: string | undefined) => endsOf(path)[0]
  return {
    listener: own(config.listenTlsCertFile),
    client: own(config.isalesClientCertFile),
    // The earliest end of a bundle: which of its authorities iSales needs is not known.
    ca: endsOf(config.isalesCaFile).toSorted((one, other) => one - other)[0],
  }
}

/** Of every certificate in a file, the own certificate of a chain first. */
function endsOf(path: string | undefined): readonly number[] {
  const read = path === undefined ? '' : readCertificates(path)
  return typeof read === 'string' ? [] : read.map(({ validTo }) => Date.parse(validTo))
}
