import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { readErrorCode } from '../causes.ts'
import { fileFacts, type ReadFile } from './files.ts'
import type { SettingCode } from '../codes.ts'
import type { Fact } from '../messages/index.ts'
import { Secret } from './secret.ts'
import type { SettingProblem } from './settings.ts'

/** PEM texts for one TLS context, without other contents of the files; undefined if not configured. */
export interface TlsFiles {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
  /** Expiry of the own certificate, in milliseconds since 1970. */
  readonly certEnd?: number | undefined
  /** Latest expiry among the authorities: a bundle works as long as one of them does. */
  readonly caEnd?: number | undefined
}

interface TlsFile {
  readonly name: string
  readonly path: string | undefined
}

export function secureContextOptions({ ca, cert, key }: TlsFiles): SecureContextOptions {
  return { ca, cert, key: key?.reveal() }
}

/** Reads the files for one TLS context, and adds their problems to `problems`. Never throws. */
export function readTls(
  files: Readonly<Record<'ca' | 'cert' | 'key', TlsFile>>,
  readFile: ReadFile,
  problems: SettingProblem[],
): TlsFiles {
  const report = (setting: string, code: SettingCode, ...facts: readonly Fact[]): undefined => {
    problems.push({ setting, code, facts })
  }
  const read = <T>(
    { name, path }: TlsFile,
    lacks: 'no-certificate' | 'no-key',
    parse: (pem: string) => T | undefined,
  ): T | undefined => {
    if (path === undefined) return undefined
    const facts = fileFacts(path)
    // Five times the bundle of all public CAs.
    const file = readFile(path, 1024 * 1024)
    if (typeof file === 'string') return report(name, 'file-unreadable', ...facts, ['detail', file])
    try {
      return parse(file.toString('latin1')) ?? report(name, 'encrypted-key', ...facts)
    } catch {
      return report(name, 'not-pem', ...facts, ['detail', lacks])
    }
  }
  const ca = read(files.ca, 'no-certificate', parseCertificates)
  const cert = read(files.cert, 'no-certificate', parseCertificates)
  // A key without a certificate is reported by the rules between settings.
  const key = files.cert.path === undefined ? undefined : read(files.key, 'no-key', parseKey)
  const pem = key?.export({ type: 'pkcs8', format: 'pem' }).toString()
  if (cert !== undefined && key !== undefined && pem !== undefined) {
    const isPair = cert[0]?.checkPrivateKey(key)
    const refusal = isPair && refusalOf(cert.join(''), pem)
    if (!isPair) report(files.key.name, 'other-key', ['otherSetting', files.cert.name])
    if (refusal) report(files.cert.name, 'weak-certificate', ['detail', refusal])
  }
  // A bundle needs only one valid authority.
  problems.push(...datesOf(files.cert.name, cert?.slice(0, 1)), ...datesOf(files.ca.name, ca))
  return {
    ca: ca?.join(''),
    cert: cert?.join(''),
    key: pem === undefined ? undefined : new Secret(pem),
    certEnd: cert?.map(endOf)[0],
    caEnd: ca && Math.max(...ca.map(endOf)),
  }
}

/** Returns OpenSSL's error code for a pair that TLS cannot use, such as one with a short key; otherwise undefined. */
function refusalOf(cert: string, key: string): string | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    return readErrorCode(error)
  }
}

function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo)
}

/** Reports when the last certificate expired, or when the first becomes valid, if none is valid now. */
function datesOf(setting: string, certificates: readonly X509Certificate[] = []): SettingProblem[] {
  const last = Math.max(...certificates.map(endOf))
  const first = Math.min(...certificates.map(({ validFrom }) => Date.parse(validFrom)))
  const now = Date.now()
  if (certificates.length === 0 || (first <= now && now <= last)) return []
  const [name, time] = last < now ? (['validTo', last] as const) : (['validFrom', first] as const)
  const facts: readonly Fact[] = [[name, { at: new Date(time).toISOString() }]]
  return [{ setting, code: 'certificate-dates', facts, isWarning: true }]
}

/** @throws if a certificate is damaged, or if there is none. */
function parseCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? ['']
  return blocks.map((block) => new X509Certificate(block))
}

/** Returns undefined for an encrypted key, because OpenSSL would ask for a passphrase on the terminal. @throws without a key. */
function parseKey(pem: string): KeyObject | undefined {
  const isEncrypted = /-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)
  return isEncrypted ? undefined : createPrivateKey(pem)
}
