import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { ConfigError, Read } from './errors.ts'
import { fileProblem, readSmallFile, type ReadFile } from './files.ts'
import { Secret } from './secret.ts'
import { nameOf, type Config, type FileKey } from './settings.ts'

/**
 * PEM files are read by these functions at the start and again on each change. They never throw. What they give to
 * `node:tls` is made of the certificates and the key that were parsed, and holds nothing else of the files.
 */

const FILES = {
  /** For connections to iSales. */
  isales: { ca: 'isalesCaFile', cert: 'isalesClientCertFile', key: 'isalesClientKeyFile' },
  /** For connections to the shared store. */
  store: {
    ca: 'sessionStoreCaFile',
    cert: 'sessionStoreClientCertFile',
    key: 'sessionStoreClientKeyFile',
  },
  /** For connections of clients. */
  listen: { ca: 'listenClientCaFile', cert: 'listenTlsCertFile', key: 'listenTlsKeyFile' },
} as const

type Use = keyof typeof FILES
type TlsConfig = Partial<Pick<Config, FileKey>>

/** What TLS needs, as PEM; what is not configured is undefined. */
export interface TlsFiles {
  /** The authorities that the other side is checked with. */
  readonly ca?: string | undefined
  /** The own certificate, and its chain. */
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
}

/** Reads the files that TLS for this use needs. */
export function readTls(
  use: Use,
  config: TlsConfig,
  readFile: ReadFile = readSmallFile,
): Read<TlsFiles> {
  const { errors, ca, cert, key } = readFiles(use, config, readFile)
  if (errors.length > 0) return { ok: false, errors }
  const pem = key?.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    ok: true,
    value: {
      ca: ca?.join(''),
      cert: cert?.join(''),
      key: pem === undefined ? undefined : new Secret(pem),
    },
  }
}

/** Options of `tls.createSecureContext`. */
export function secureContextOptions({ ca, cert, key }: TlsFiles): SecureContextOptions {
  return { ca, cert, key: key?.reveal() }
}

/** A wrong file is found when the program starts, not when the first connection fails. */
export function checkCertificates(
  config: TlsConfig,
  readFile: ReadFile,
  /** Milliseconds since 1970. */
  wallNow: number,
): { readonly errors: readonly ConfigError[]; readonly warnings: readonly ConfigError[] } {
  const errors: ConfigError[] = []
  const warnings: ConfigError[] = []
  for (const use of Object.keys(FILES) as Use[]) {
    const files = readFiles(use, config, readFile)
    errors.push(...files.errors)
    const { ca, cert } = FILES[use]
    for (const [key, certificates] of [
      [cert, files.cert?.slice(0, 1)],
      // A bundle is of use as long as one authority in it is.
      [ca, files.ca],
    ] as const) {
      const problem = validityProblem(certificates ?? [], wallNow)
      if (problem !== undefined)
        warnings.push({ setting: nameOf(key), problem, remedy: 'Renew it, or set the clock' })
    }
  }
  return { errors, warnings }
}

/** When none of them is valid now: when the last ended, or the first begins. */
function validityProblem(certificates: readonly X509Certificate[], wallNow: number) {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
  const last = Math.max(...certificates.map(({ validTo }) => Date.parse(validTo)))
  const first = Math.min(...certificates.map(({ validFrom }) => Date.parse(validFrom)))
  if (certificates.length === 0) return undefined
  if (last < wallNow) return `names a certificate that ended on ${day(last)}`
  return first > wallNow ? `names a certificate that begins on ${day(first)} only` : undefined
}

/** At least one; of a chain, the own certificate is first. */
type Certificates = readonly [X509Certificate, ...X509Certificate[]]

function readFiles(use: Use, config: TlsConfig, readFile: ReadFile) {
  const errors: ConfigError[] = []
  const refuse = (key: FileKey, problem: string, remedy: string): void => {
    errors.push({ setting: nameOf(key), problem, remedy })
  }
  const read = <T>(key: FileKey, parse: (pem: string) => T | string): T | undefined => {
    const path = config[key]
    const parsed = path === undefined ? undefined : readPem(path, parse, readFile)
    if (typeof parsed !== 'string') return parsed
    refuse(key, parsed, 'Give the path of a PEM file that this user may read')
    return undefined
  }
  const names = FILES[use]
  const ca = read(names.ca, parseCertificates)
  const cert = read(names.cert, parseCertificates)
  // A key alone is the business of the rules.
  const key = config[names.cert] === undefined ? undefined : read(names.key, parseKey)
  if (cert !== undefined && key !== undefined && !cert[0].checkPrivateKey(key)) {
    refuse(
      names.key,
      `holds a key that is not the one of ${nameOf(names.cert)}`,
      'Give the two files of one pair; the own certificate comes first in a chain',
    )
  }
  return { errors, ca, cert, key }
}

/** The certificates in a file, the own one of a chain first; or what is wrong with it, completing `NAME ...`. */
export function readCertificates(path: string): Certificates | string {
  return readPem(path, parseCertificates, readSmallFile)
}

/** Bytes; the bundle of all public authorities is a fifth of it. */
const MAX_PEM = 1024 * 1024

/** What `parse` makes of the file; a text is a problem. */
function readPem<T>(path: string, parse: (pem: string) => T | string, readFile: ReadFile) {
  const file = readFile(path, MAX_PEM)
  if (!file.ok) return fileProblem(path, file.problem)
  return parse(Buffer.from(file.bytes).toString('latin1'))
}

function parseCertificates(pem: string): Certificates | string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  try {
    const [first, ...others] = blocks.map((block) => new X509Certificate(block))
    return first === undefined ? 'names a file without a PEM certificate' : [first, ...others]
  } catch {
    return 'names a file with a damaged certificate'
  }
}

function parseKey(pem: string): KeyObject | string {
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(pem)) {
    return 'names a file without a PEM private key'
  }
  // Checked before OpenSSL sees it, which would ask for a passphrase at the terminal.
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    return 'names a file with an encrypted key'
  }
  try {
    return createPrivateKey(pem)
  } catch {
    return 'names a file with a damaged private key'
  }
}
