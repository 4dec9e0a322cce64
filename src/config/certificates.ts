import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { ConfigError, Read } from './config-error.ts'
import { fileProblem, MAX_PEM, readSmallFile, whereIs, type ReadFile } from './files.ts'
import { check, FormatError } from './formats.ts'
import { Secret } from './secret.ts'
import { nameOf, type Config, type FileKey } from './settings.ts'

/**
 * PEM files are read by these functions at the start and again on each change. They never throw. What they give to
 * `node:tls` is made of the certificates and the key that were parsed, and holds nothing else of the files.
 */

export const TLS_FILES = {
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

type TlsConfig = Partial<Pick<Config, FileKey>>

/** What TLS needs, as PEM; what is not configured is undefined. */
export interface TlsFiles {
  /** The authorities that the other side is checked with. */
  readonly ca?: string | undefined
  /** The own certificate, and its chain. */
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
  /** When the own certificate ends, milliseconds since 1970. */
  readonly certEnd?: number | undefined
  /** The earliest end of the authorities: which of them is needed is not known. */
  readonly caEnd?: number | undefined
}

/** Reads the files that TLS for this use needs. Warns of certificates that are not valid now. */
export function readTls(
  use: keyof typeof TLS_FILES,
  config: TlsConfig,
  readFile: ReadFile = readSmallFile,
): Read<TlsFiles> {
  const names = TLS_FILES[use]
  const errors: ConfigError[] = []
  const read = <T>(key: FileKey, parse: (pem: string) => T): T | undefined => {
    const path = config[key]
    if (path === undefined) return undefined
    const file = readFile(path, MAX_PEM)
    if (!file.ok) {
      const problem = fileProblem(path, file.problem)
      const said: ConfigError['said'] = ({ wrong, cures }) => [problem(wrong), cures.pem]
      errors.push({ setting: nameOf(key), said, isDenied: file.problem === 'denied' })
      return undefined
    }
    try {
      return parse(Buffer.from(file.bytes).toString('latin1'))
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      const { problem } = error
      const said: ConfigError['said'] = ({ wrong, cures }) => [
        `${problem(wrong)}${whereIs(path)(wrong)}`,
        cures.makePem,
      ]
      errors.push({ setting: nameOf(key), said })
      return undefined
    }
  }
  const ca = read(names.ca, parseCertificates)
  const cert = read(names.cert, parseCertificates)
  // A key alone is the business of the rules.
  const key = config[names.cert] === undefined ? undefined : read(names.key, parseKey)
  if (key !== undefined && cert?.[0]?.checkPrivateKey(key) === false)
    errors.push({
      setting: nameOf(names.key),
      said: ({ certificates }) => certificates.otherKey(nameOf(names.cert)),
    })
  const pem = key?.export({ type: 'pkcs8', format: 'pem' }).toString()
  const refused = errors.length === 0 && pem !== undefined && refusedBy(cert?.join(''), pem)
  if (refused)
    errors.push({
      setting: nameOf(names.cert),
      said: (words) => words.certificates.refused(refused),
    })
  if (errors.length > 0) return { ok: false, errors }
  return {
    ok: true,
    value: {
      ca: ca?.join(''),
      cert: cert?.join(''),
      key: pem === undefined ? undefined : new Secret(pem),
      certEnd: cert?.map(endOf)[0],
      caEnd: ca && Math.min(...ca.map(endOf)),
    },
    // A bundle is of use as long as one authority in it is.
    warnings: [...invalid(names.cert, cert?.slice(0, 1)), ...invalid(names.ca, ca)],
  }
}

/** Its code for a pair that is of no use for TLS, such as a key that is too short. Undefined: it takes the pair. */
function refusedBy(cert: string | undefined, key: string): string | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  }
}

function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo)
}

/** Options of `tls.createSecureContext`. */
export function secureContextOptions({ ca, cert, key }: TlsFiles): SecureContextOptions {
  return { ca, cert, key: key?.reveal() }
}

/** When none of them is valid now: when the last ended, or the first begins. */
function invalid(key: FileKey, certificates: readonly X509Certificate[] = []): ConfigError[] {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
  const last = Math.max(...certificates.map(endOf))
  const first = Math.min(...certificates.map(({ validFrom }) => Date.parse(validFrom)))
  const now = Date.now()
  if (certificates.length === 0 || (first <= now && now <= last)) return []
  return [
    {
      setting: nameOf(key),
      said: (words) =>
        last < now ? words.certificates.ended(day(last)) : words.certificates.begins(day(first)),
    },
  ]
}

function parseCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  check(blocks.length > 0, (is) => is.noCertificate)
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    throw new FormatError((is) => is.damagedCertificate)
  }
}

function parseKey(pem: string): KeyObject {
  const isKey = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(pem)
  check(isKey, (is) => is.noKey)
  // Checked before OpenSSL sees it, which would ask for a passphrase at the terminal.
  const isEncrypted = /-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)
  check(!isEncrypted, (is) => is.encryptedKey)
  try {
    return createPrivateKey(pem)
  } catch {
    throw new FormatError((is) => is.damagedKey)
  }
}
