import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { Config } from './config.ts'
import type { Fault } from './faults.ts'
import { FILE_PROBLEMS, readSmallFile, type ReadFile } from './files.ts'
import { Secret } from './secret.ts'
import type { SettingName } from './settings.ts'

type PemSetting = Extract<SettingName, `${string}_${'CA' | 'CERT' | 'KEY'}_FILE`>

/** Bytes; the bundle of all public authorities is a fifth of it. */
const LARGEST_PEM = 1024 * 1024

/** A wrong file is found when the program starts, not when the first connection fails. */
export function judgeCertificates(
  config: Partial<Config>,
  readFile: ReadFile,
  wallNow: number,
): { readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] } {
  const faults: Fault[] = []
  const warnings: Fault[] = []

  const read = <T>(
    setting: PemSetting,
    path: string | undefined,
    parse: (pem: string) => T | string,
  ): T | undefined => {
    if (path === undefined) return undefined
    const outcome = readPem(path, readFile, parse)
    if (typeof outcome !== 'string') return outcome
    faults.push({ setting, problem: outcome, remedy: REMEDY })
    return undefined
  }
  const judgePair = (name: 'ISALES_CLIENT' | 'LISTEN_TLS', certPath?: string, keyPath?: string) => {
    const [cert] = read(`${name}_CERT_FILE`, certPath, parseCertificates) ?? []
    const key = read(`${name}_KEY_FILE`, keyPath, parseKey)
    if (cert === undefined) return
    const validity = judgeValidity(cert, wallNow)
    if (validity !== undefined) {
      warnings.push({ setting: `${name}_CERT_FILE`, problem: validity, remedy: 'Renew it' })
    }
    if (key === undefined || cert.checkPrivateKey(key)) return
    faults.push({
      setting: `${name}_KEY_FILE`,
      problem: `holds a key that is not the one of ${name}_CERT_FILE`,
      remedy: 'Give the two files of one pair; the own certificate comes first in a chain',
    })
  }

  read('ISALES_CA_FILE', config.isalesCaFile, parseCertificates)
  judgePair('ISALES_CLIENT', config.isalesClientCertFile, config.isalesClientKeyFile)
  judgePair('LISTEN_TLS', config.listenTlsCertFile, config.listenTlsKeyFile)
  read('LISTEN_CLIENT_CA_FILE', config.listenClientCaFile, parseCertificates)
  return { faults, warnings }
}

/** What TLS to iSales needs, as PEM. No `ca`: the CAs that come with Node are trusted. */
export interface UpstreamTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
}

/**
 * Reads the files that TLS to iSales needs.
 *
 * @throws {Error} that names the setting and the problem, when `judgeCertificates` finds one.
 */
export function readUpstreamTls({
  isalesCaFile,
  isalesClientCertFile,
  isalesClientKeyFile,
}: Pick<Config, 'isalesCaFile' | 'isalesClientCertFile' | 'isalesClientKeyFile'>): UpstreamTls {
  const texts = new Map<string | undefined, string>()
  // What was validated is what is used: each file is read once.
  const read: ReadFile = (path, limit) => {
    const file = readSmallFile(path, limit)
    if (file.ok) texts.set(path, Buffer.from(file.bytes).toString('latin1'))
    return file
  }
  const files = { isalesCaFile, isalesClientCertFile, isalesClientKeyFile }
  const [fault] = judgeCertificates(files, read, Date.now()).faults
  if (fault !== undefined) throw new Error(`${fault.setting} ${fault.problem}`)
  const key = texts.get(isalesClientKeyFile)
  return {
    ca: texts.get(isalesCaFile),
    cert: texts.get(isalesClientCertFile),
    key: key === undefined ? undefined : new Secret(key),
  }
}

const REMEDY = 'Give the path of a PEM file that this user may read'

/** What the file holds, or what is wrong with it. */
function readPem<T>(
  path: string,
  readFile: ReadFile,
  parse: (pem: string) => T | string,
): T | string {
  const file = readFile(path, LARGEST_PEM)
  return file.ok ? parse(Buffer.from(file.bytes).toString('latin1')) : FILE_PROBLEMS[file.problem]
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

function parseCertificates(pem: string): readonly X509Certificate[] | string {
  const blocks = pem.match(CERTIFICATE) ?? []
  if (blocks.length === 0) return 'names a file without a PEM certificate'
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return 'names a file with a damaged certificate'
  }
}

function parseKey(pem: string): KeyObject | string {
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(pem)) {
    return 'names a file without a PEM private key'
  }
  // Asked before OpenSSL: it would ask for a passphrase at the terminal.
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    return 'names a file with an encrypted key'
  }
  try {
    return createPrivateKey(pem)
  } catch {
    return 'names a file with a damaged private key'
  }
}

function judgeValidity(cert: X509Certificate, wallNow: number): string | undefined {
  if (Date.parse(cert.validTo) < wallNow) return 'names a certificate that has expired'
  return Date.parse(cert.validFrom) > wallNow
    ? 'names a certificate that is not valid yet'
    : undefined
}
