import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import * as der from './der.ts'

/** PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateRequest {
  /** DNS names and IPv4 addresses; the first is the common name, too. */
  readonly names: readonly string[]
  /** Default `server`. */
  readonly usage?: 'server' | 'client'
  /** Default: an hour ago. */
  readonly notBefore?: Date
  /** Default: in a day. */
  readonly notAfter?: Date
}

export interface Authority extends Certificate {
  issue(request: CertificateRequest): Certificate
}

interface Names {
  readonly subject: Buffer
  readonly issuer: Buffer
}
interface Validity {
  readonly notBefore?: Date
  readonly notAfter?: Date
}
interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const ECDSA_WITH_SHA256 = der.sequence(der.identifier('1.2.840.10045.4.3.2'))
const COMMON_NAME = '2.5.4.3'
const USAGE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const
const HOUR = 3_600_000
/** Bits of KeyUsage (RFC 5280 section 4.2.1.3) with the count of unused ones. */
const SIGNS_CERTIFICATES = der.bits(Buffer.from([0b0000_0110]), 1)
const SIGNS = der.bits(Buffer.from([0b1000_0000]), 7)

/** A certificate authority that lives as long as the process: for tests and the demo, never for production. */
export function createAuthority(name = 'iSales simulator CA'): Authority {
  const keys = newKeys()
  const issuer = distinguishedName(name)
  const authority = keyIdentifier(keys)
  const extensions = [
    extension('2.5.29.19', der.sequence(der.boolean(true)), true),
    extension('2.5.29.15', SIGNS_CERTIFICATES, true),
    extension('2.5.29.14', der.octets(authority)),
  ]
  const signed = certify({ subject: issuer, issuer }, keys, { extensions, signer: keys.privateKey })
  return {
    cert: signed,
    key: pemOf(keys.privateKey),
    issue({ names, usage = 'server', ...validity }) {
      const own = newKeys()
      const subject = distinguishedName(names[0] ?? 'nobody')
      const extensions = [
        extension('2.5.29.19', der.sequence(), true),
        extension('2.5.29.15', SIGNS, true),
        extension('2.5.29.37', der.sequence(der.identifier(USAGE[usage]))),
        extension('2.5.29.17', der.sequence(...names.map(alternativeName))),
        extension('2.5.29.14', der.octets(keyIdentifier(own))),
        extension('2.5.29.35', der.sequence(der.implicit(0, authority))),
      ]
      const content = { extensions, signer: keys.privateKey, validity }
      return { cert: certify({ subject, issuer }, own, content), key: pemOf(own.privateKey) }
    },
  }
}

/** RFC 5280 section 4.1; the PEM text. */
function certify(
  { subject, issuer }: Names,
  { publicKey }: Keys,
  content: {
    readonly extensions: readonly Buffer[]
    readonly signer: KeyObject
    readonly validity?: Validity
  },
): string {
  const { notBefore = new Date(Date.now() - HOUR), notAfter = new Date(Date.now() + 24 * HOUR) } =
    content.validity ?? {}
  const version3 = der.tagged(0, der.integer(Buffer.from([2])))
  const serial = randomBytes(16)
  // A serial number is positive, and not written with a leading 0.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const toSign = der.sequence(
    version3,
    der.integer(serial),
    ECDSA_WITH_SHA256,
    issuer,
    der.sequence(der.time(notBefore), der.time(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der.tagged(3, der.sequence(...content.extensions)),
  )
  const signature = der.bits(sign('sha256', toSign, content.signer))
  const base64 = der.sequence(toSign, ECDSA_WITH_SHA256, signature).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function newKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function keyIdentifier({ publicKey }: Keys): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function distinguishedName(name: string): Buffer {
  return der.sequence(der.set(der.sequence(der.identifier(COMMON_NAME), der.text(name))))
}

function alternativeName(name: string): Buffer {
  return isIP(name) === 4
    ? der.implicit(7, Buffer.from(name.split('.').map(Number)))
    : der.implicit(2, Buffer.from(name))
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der.boolean(true)] : []
  return der.sequence(der.identifier(id), ...flag, der.octets(value))
}
