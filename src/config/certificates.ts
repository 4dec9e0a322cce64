import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { ConfigError } from './errors.ts'
import { fileProblem, readSmallFile, type FilesRead, type ReadFile } from './files.ts'
import { Secret } from './secret.ts'
import type { Config } from './settings.ts'

/** PEM files are read by these functions at the start and again on each change. They never throw. */
export type PemRead<T> =
  | ({ readonly ok: true } & T)
  /** The first names what failed; a pair may have an error in each file. */
  | { readonly ok: false; readonly errors: readonly [ConfigError, ...ConfigError[]] }

export interface Certificates {
  /** These certificates and nothing else of the file, for `node:tls`: what was validated is what is used. */
  readonly pem: string
  /** At least one; of a chain, the own certificate is first. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]]
}

export interface KeyPair extends Certificates {
  /** The private key of the first certificate, as PEM. */
  readonly key: Secret
}

/** Two settings: `NAME_CERT_FILE` and `NAME_KEY_FILE`. */
type PairName = 'ISALES_CLIENT' | 'SESSION_STORE_CLIENT' | 'LISTEN_TLS'

/** Bytes; the bundle of all public authorities is a fifth of it. */
const LARGEST_PEM = 1024 * 1024

/**
 * Reads a file of one or more certificates: authorities, or a chain.
 *
 * @param setting the variable that names the file, for the error.
 */
export function readCertificates(
  setting: string,
  path: string,
  readFile: ReadFile = readSmallFile,
): PemRead<Certificates> {
  const pem = readPem(path, readFile)
  if (typeof pem !== 'string') return refuse(setting, pem.problem)
  const blocks = pem.match(CERTIFICATE) ?? []
  try {
    const [first, ...others] = blocks.map((block) => new X509Certificate(block))
    if (first === undefined) return refuse(setting, 'names a file without a PEM certificate')
    return { ok: true, pem: `${blocks.join('\n')}\n`, certificates: [first, ...others] }
  } catch {
    return refuse(setting, 'names a file with a damaged certificate')
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/**
 * Reads a certificate with its chain and its private key, and checks that they belong together.
 *
 * @param name the settings are `NAME_CERT_FILE` and `NAME_KEY_FILE`.
 */
export function readKeyPair(
  name: PairName,
  paths: { readonly cert: string; readonly key: string },
  readFile: ReadFile = readSmallFile,
): PemRead<KeyPair> {
  const setting = `${name}_KEY_FILE`
  const chain = readCertificates(`${name}_CERT_FILE`, paths.cert, readFile)
  const key = readKey(setting, paths.key, readFile)
  if (!chain.ok) {
    return key.ok ? chain : { ok: false, errors: [chain.errors[0], ...key.errors] }
  }
  if (!key.ok) return key
  if (chain.certificates[0].checkPrivateKey(key.parsed)) return { ...chain, key: key.pem }
  return refuse(
    setting,
    `holds a key that is not the one of ${name}_CERT_FILE`,
    'Give the two files of one pair; the own certificate comes first in a chain',
  )
}

function readKey(
  setting: string,
  path: string,
  readFile: ReadFile,
): PemRead<{ readonly pem: Secret; readonly parsed: KeyObject }> {
  const pem = readPem(path, readFile)
  if (typeof pem !== 'string') return refuse(setting, pem.problem)
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(pem)) {
    return refuse(setting, 'names a file without a PEM private key')
  }
  // Checked before OpenSSL sees it, which would ask for a passphrase at the terminal.
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    return refuse(setting, 'names a file with an encrypted key')
  }
  try {
    return { ok: true, pem: new Secret(pem), parsed: createPrivateKey(pem) }
  } catch {
    return refuse(setting, 'names a file with a damaged private key')
  }
}

function readPem(path: string, readFile: ReadFile): string | { readonly problem: string } {
  const file = readFile(path, LARGEST_PEM)
  if (!file.ok) return { problem: fileProblem(path, file.problem) }
  return Buffer.from(file.bytes).toString('latin1')
}

const REMEDY = 'Give the path of a PEM file that this user may read'

function refuse(
  setting: string,
  problem: string,
  remedy = REMEDY,
): { readonly ok: false; readonly errors: readonly [ConfigError] } {
  return { ok: false, errors: [{ setting, problem, remedy }] }
}

/** What TLS to iSales needs, as PEM. No `ca`: the authorities that come with Node are trusted. */
export interface UpstreamTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
}

/** Reads the files that TLS to iSales needs. */
export function readUpstreamTls(
  config: Pick<Config, 'isalesCaFile' | 'isalesClientCertFile' | 'isalesClientKeyFile'>,
): FilesRead<UpstreamTls> {
  const { isalesCaFile: ca, isalesClientCertFile: cert, isalesClientKeyFile: key } = config
  return readClientTls('ISALES', { ca, cert, key })
}

/** Reads the files that TLS to the shared store needs. */
export function readStoreTls(
  config: Pick<
    Config,
    'sessionStoreCaFile' | 'sessionStoreClientCertFile' | 'sessionStoreClientKeyFile'
  >,
): FilesRead<UpstreamTls> {
  const { sessionStoreCaFile: ca, sessionStoreClientCertFile: cert } = config
  return readClientTls('SESSION_STORE', { ca, cert, key: config.sessionStoreClientKeyFile })
}

function readClientTls(
  name: 'ISALES' | 'SESSION_STORE',
  { ca, cert, key }: { readonly [File in 'ca' | 'cert' | 'key']: string | undefined },
): FilesRead<UpstreamTls> {
  return together(
    ca && readCertificates(`${name}_CA_FILE`, ca),
    cert && key && readKeyPair(`${name}_CLIENT`, { cert, key }),
    (trusted, pair) => ({
      ...(trusted && { ca: trusted.pem }),
      ...(pair && { cert: pair.pem, key: pair.key }),
    }),
  )
}

/** What TLS for clients needs, as PEM. With `ca`, a client needs a certificate of one of these. */
export interface ListenTls {
  readonly cert: string
  readonly key: Secret
  readonly ca?: string
}

/** Reads the files that TLS for clients needs; undefined: plain HTTP. */
export function readListenTls({
  listenTlsCertFile: cert,
  listenTlsKeyFile: key,
  listenClientCaFile,
}: Pick<Config, 'listenTlsCertFile' | 'listenTlsKeyFile' | 'listenClientCaFile'>): FilesRead<
  ListenTls | undefined
> {
  return together(
    listenClientCaFile && readCertificates('LISTEN_CLIENT_CA_FILE', listenClientCaFile),
    cert && key && readKeyPair('LISTEN_TLS', { cert, key }),
    (ca, pair) => pair && { cert: pair.pem, key: pair.key, ...(ca && { ca: ca.pem }) },
  )
}

/** Undefined or '': the file is not configured. */
type Unset = '' | undefined

/** What two reads make together, or the errors of both. */
function together<T>(
  ca: PemRead<Certificates> | Unset,
  pair: PemRead<KeyPair> | Unset,
  make: (ca: Certificates | undefined, pair: KeyPair | undefined) => T,
): FilesRead<T> {
  const errors = [ca, pair].flatMap((read) => (read && !read.ok ? read.errors : []))
  if (errors.length > 0) return { ok: false, errors }
  return { ok: true, value: make(ca && ca.ok ? ca : undefined, pair && pair.ok ? pair : undefined) }
}

/** A wrong file is found when the program starts, not when the first connection fails. */
export function checkCertificates(
  config: Partial<Config>,
  readFile: ReadFile,
  /** Milliseconds since 1970. */
  wallNow: number,
): { readonly errors: readonly ConfigError[]; readonly warnings: readonly ConfigError[] } {
  const errors: ConfigError[] = []
  const warnings: ConfigError[] = []
  const checkAuthorities = (setting: string, path: string | undefined): void => {
    if (path === undefined) return
    const read = readCertificates(setting, path, readFile)
    if (!read.ok) errors.push(...read.errors)
  }
  const checkPair = (name: PairName, cert?: string, key?: string): void => {
    // A key alone is the business of the rules.
    if (cert === undefined) return
    const setting = `${name}_CERT_FILE`
    const read =
      key === undefined
        ? readCertificates(setting, cert, readFile)
        : readKeyPair(name, { cert, key }, readFile)
    const problem = read.ok ? validityProblem(read.certificates[0], wallNow) : undefined
    if (!read.ok) errors.push(...read.errors)
    if (problem !== undefined) warnings.push({ setting, problem, remedy: 'Renew it' })
  }
  checkAuthorities('ISALES_CA_FILE', config.isalesCaFile)
  checkPair('ISALES_CLIENT', config.isalesClientCertFile, config.isalesClientKeyFile)
  checkAuthorities('SESSION_STORE_CA_FILE', config.sessionStoreCaFile)
  checkPair(
    'SESSION_STORE_CLIENT',
    config.sessionStoreClientCertFile,
    config.sessionStoreClientKeyFile,
  )
  checkPair('LISTEN_TLS', config.listenTlsCertFile, config.listenTlsKeyFile)
  checkAuthorities('LISTEN_CLIENT_CA_FILE', config.listenClientCaFile)
  return { errors, warnings }
}

function validityProblem(cert: X509Certificate, wallNow: number): string | undefined {
  if (Date.parse(cert.validTo) < wallNow) return 'names a certificate that has expired'
  return Date.parse(cert.validFrom) > wallNow
    ? 'names a certificate that is not valid yet'
    : undefined
}
