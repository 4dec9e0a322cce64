import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { judgeCertificates } from '../../src/config/certificates.ts'
import { formatFault } from '../../src/config/faults.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { disk } from './stand.ts'

const NOW = Date.now()
let made: Certificates
let files: ReturnType<typeof disk>

beforeAll(() => {
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
    '/text': 'hello',
    '/damaged': damaged,
    '/half': `${made.ca.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    '/damaged-key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    '/huge': 'x'.repeat(1024 * 1024 + 1),
    '/encrypted': privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
      .toString(),
    '/encrypted-old': privateKey
      .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
      .toString(),
  })
})

/** Faults and warnings, the latter marked. */
function judge(config: Parameters<typeof judgeCertificates>[0]): readonly string[] {
  const { faults, warnings } = judgeCertificates(config, files, NOW)
  return [
    ...faults.map((fault) => formatFault(fault)),
    ...warnings.map((warning) => `warning: ${formatFault(warning)}`),
  ]
}

describe('certificates and keys at the start', () => {
  it('are not looked for when none are set', () => {
    expect(judge({})).toEqual([])
  })

  it.each([
    [{ isalesCaFile: '/ca' }],
    [{ isalesClientCertFile: '/cert', isalesClientKeyFile: '/key' }],
    [{ listenTlsCertFile: '/chain', listenTlsKeyFile: '/key', listenClientCaFile: '/ca' }],
  ])('are sound: %j', (config) => {
    expect(judge(config)).toEqual([])
  })

  const REMEDY = 'Give the path of a PEM file that this user may read'
  it.each([
    [{ isalesCaFile: '/gone' }, `ISALES_CA_FILE names a file that does not exist. ${REMEDY}`],
    [{ isalesCaFile: '/text' }, `ISALES_CA_FILE names a file without a PEM certificate. ${REMEDY}`],
    [
      { isalesCaFile: '/half' },
      `ISALES_CA_FILE names a file with a damaged certificate. ${REMEDY}`,
    ],
    [{ isalesCaFile: '/huge' }, `ISALES_CA_FILE names a file that is too large. ${REMEDY}`],
    [
      { listenClientCaFile: '/key' },
      `LISTEN_CLIENT_CA_FILE names a file without a PEM certificate. ${REMEDY}`,
    ],
    [
      { listenTlsCertFile: '/damaged', listenTlsKeyFile: '/key' },
      `LISTEN_TLS_CERT_FILE names a file with a damaged certificate. ${REMEDY}`,
    ],
    [
      { listenTlsCertFile: '/cert', listenTlsKeyFile: '/cert' },
      `LISTEN_TLS_KEY_FILE names a file without a PEM private key. ${REMEDY}`,
    ],
    [
      { listenTlsCertFile: '/cert', listenTlsKeyFile: '/damaged-key' },
      `LISTEN_TLS_KEY_FILE names a file with a damaged private key. ${REMEDY}`,
    ],
    [
      { isalesClientCertFile: '/cert', isalesClientKeyFile: '/encrypted' },
      `ISALES_CLIENT_KEY_FILE names a file with an encrypted key. ${REMEDY}`,
    ],
    [
      { isalesClientCertFile: '/cert', isalesClientKeyFile: '/encrypted-old' },
      `ISALES_CLIENT_KEY_FILE names a file with an encrypted key. ${REMEDY}`,
    ],
    [
      { isalesClientCertFile: '/cert', isalesClientKeyFile: '/other-key' },
      'ISALES_CLIENT_KEY_FILE holds a key that is not the one of ISALES_CLIENT_CERT_FILE. Give the two files of one pair; the own certificate comes first in a chain',
    ],
    [
      { listenTlsCertFile: '/expired', listenTlsKeyFile: '/expired-key' },
      'warning: LISTEN_TLS_CERT_FILE names a certificate that has expired. Renew it',
    ],
    [
      { listenTlsCertFile: '/early', listenTlsKeyFile: '/early-key' },
      'warning: LISTEN_TLS_CERT_FILE names a certificate that is not valid yet. Renew it',
    ],
  ])('are not: %j', (config, problem) => {
    expect(judge(config)).toEqual([problem])
  })

  it('are all judged at once', () => {
    const config = { isalesCaFile: '/gone', listenTlsCertFile: '/text', listenTlsKeyFile: '/text' }
    expect(judge(config)).toHaveLength(3)
  })
})
