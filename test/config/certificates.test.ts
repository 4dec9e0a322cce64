import { generateKeyPairSync } from 'node:crypto'
import { generate } from 'selfsigned'
import { beforeAll, describe, expect, it } from 'vitest'
import { readTls } from '../../src/config/certificates.ts'
import { valueOf } from '../../src/config/config-error.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { disk, problemOf } from './stand.ts'

let made: Certificates
let files: ReturnType<typeof disk>

beforeAll(async () => {
  const short = await generate([{ name: 'commonName', value: 'x' }], { keySize: 512 })
  made = makeCertificates()
  const damaged = made.server.cert.replace(/^([^-].{20}).{20}/m, '$1')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  files = disk({
    '/ca': `# comment\n${made.ca.cert}\n${made.strangerCa.cert}`,
    '/cert': made.server.cert,
    '/chain': `${made.server.cert}${made.ca.cert}`,
    '/key': made.server.key,
    '/expired': made.expired.cert,
    '/expired-key': made.expired.key,
    '/early': made.notYetValid.cert,
    '/early-key': made.notYetValid.key,
    '/other-key': made.stranger.key,
    '/short': short.cert,
    '/short-key': short.private,
    '/text': 'hello',
    '/damaged': damaged,
    '/half': `${made.ca.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    '/bad-key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    '/huge': 'x'.repeat(1024 * 1024 + 1),
    '/encrypted': privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
      .toString(),
    '/encrypted-old': privateKey
      .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
      .toString(),
  })
})

/** `SETTING problem` of errors, and of warnings, which are marked. */
function check(config: Parameters<typeof readTls>[1]): readonly string[] {
  return (['isales', 'store', 'listen'] as const).flatMap((use) => {
    const read = readTls(use, config, files)
    return (read.ok ? (read.warnings ?? []) : read.errors).map(
      (one) => `${read.ok ? 'warning: ' : ''}${problemOf(one)}`,
    )
  })
}

const listen = (listenTlsCertFile: string, listenTlsKeyFile: string) => ({
  listenTlsCertFile,
  listenTlsKeyFile,
})
const client = (key: string) => ({ isalesClientCertFile: '/cert', isalesClientKeyFile: key })

/** As the certificates were made: some days from now. */
const day = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
const ENDED = `names a certificate that ended on ${day(-1)}`
const BEGINS = `names a certificate that begins on ${day(1)} only`

describe('certificates and keys at the start', () => {
  it.each([
    [{}],
    [{ isalesCaFile: '/ca' }],
    [client('/key')],
    [{ ...listen('/chain', '/key'), listenClientCaFile: '/ca' }],
  ])('are sound: %j', (config) => {
    expect(check(config)).toEqual([])
  })

  const NO_CERTIFICATE = 'names a file without a PEM certificate'
  const ENCRYPTED = 'names a file with an encrypted key'
  it.each([
    [{ isalesCaFile: '/gone' }, 'ISALES_CA_FILE names a file that does not exist'],
    [{ isalesCaFile: '/text' }, `ISALES_CA_FILE ${NO_CERTIFICATE}`],
    [{ isalesCaFile: '/half' }, 'ISALES_CA_FILE names a file with a damaged certificate'],
    [{ isalesCaFile: '/huge' }, 'ISALES_CA_FILE names a file that is too large'],
    [{ listenClientCaFile: '/key' }, `LISTEN_CLIENT_CA_FILE ${NO_CERTIFICATE}`],
    [{ sessionStoreCaFile: '/text' }, `SESSION_STORE_CA_FILE ${NO_CERTIFICATE}`],
    [listen('/damaged', '/key'), 'LISTEN_TLS_CERT_FILE names a file with a damaged certificate'],
    [listen('/cert', '/cert'), 'LISTEN_TLS_KEY_FILE names a file without a PEM private key'],
    [listen('/cert', '/bad-key'), 'LISTEN_TLS_KEY_FILE names a file with a damaged private key'],
    [client('/encrypted'), `ISALES_CLIENT_KEY_FILE ${ENCRYPTED}`],
    [client('/encrypted-old'), `ISALES_CLIENT_KEY_FILE ${ENCRYPTED}`],
    [
      client('/other-key'),
      'ISALES_CLIENT_KEY_FILE holds a key that is not the one of ISALES_CLIENT_CERT_FILE',
    ],
    [
      listen('/short', '/short-key'),
      'LISTEN_TLS_CERT_FILE names a certificate that this OpenSSL refuses (ERR_SSL_EE_KEY_TOO_SMALL)',
    ],
    [listen('/expired', '/expired-key'), `warning: LISTEN_TLS_CERT_FILE ${ENDED}`],
    [listen('/early', '/early-key'), `warning: LISTEN_TLS_CERT_FILE ${BEGINS}`],
    [{ isalesCaFile: '/expired' }, `warning: ISALES_CA_FILE ${ENDED}`],
  ])('are not: %j', (config, problem) => {
    expect(check(config)).toEqual([problem])
  })

  it('are all checked together', () => {
    expect(check({ isalesCaFile: '/gone', ...listen('/text', '/text') })).toHaveLength(3)
  })
})

describe('TLS files that are read', () => {
  const linesOf = (...pems: readonly string[]) =>
    pems.flatMap((pem) => pem.split('\n').filter(Boolean))

  it('give the certificates, the own one first, and nothing else', () => {
    const { ca } = valueOf(readTls('isales', { isalesCaFile: '/ca' }, files))
    expect(linesOf(ca ?? '')).toEqual(linesOf(made.ca.cert, made.strangerCa.cert))
  })

  it('give a key that never prints', () => {
    const pair = { listenTlsCertFile: '/chain', listenTlsKeyFile: '/key' }
    const { cert, key } = valueOf(readTls('listen', pair, files))
    expect(linesOf(cert ?? '')).toEqual(linesOf(made.server.cert, made.ca.cert))
    expect(key?.reveal()).toBe(made.server.key)
    expect(String(key)).toBe('[redacted]')
  })
})
