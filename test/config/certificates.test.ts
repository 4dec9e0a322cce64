import { generateKeyPairSync } from 'node:crypto'
import { generate } from 'selfsigned'
import { beforeAll, expect, it } from 'vitest'
import { readTls } from '../../src/config/certificates.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { nameOf } from '../../src/config/settings.ts'
import { codeOf, disk } from './stand.ts'

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

const USES = [
  ['isalesCaFile', 'isalesClientCertFile', 'isalesClientKeyFile'],
  ['listenClientCaFile', 'listenTlsCertFile', 'listenTlsKeyFile'],
] as const
type Paths = Readonly<Record<string, string>>

const read = (config: Paths) =>
  USES.map((use) => {
    const [ca, cert, key] = use.map((one) => ({ name: nameOf(one), path: config[one] }))
    if (ca === undefined || cert === undefined || key === undefined) throw new Error('three files')
    return readTls({ ca, cert, key }, files)
  })

/** `SETTING code`, and what was found; a warning is marked. */
const check = (config: Paths): readonly string[] =>
  read(config).flatMap(({ problems }) =>
    problems.map((problem) => {
      const { validFrom, validTo } = Object.fromEntries(problem.facts)
      const date = (value: unknown): string => JSON.stringify(value)?.slice(7, 17) ?? ''
      return `${codeOf(problem)} ${date(validFrom)}${date(validTo)}`.trim()
    }),
  )

const listen = (listenTlsCertFile: string, listenTlsKeyFile: string) => ({
  listenTlsCertFile,
  listenTlsKeyFile,
})
const client = (key: string) => ({ isalesClientCertFile: '/cert', isalesClientKeyFile: key })

/** As the certificates were made: some days from now. */
const day = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
it.each<readonly [Paths, string | undefined]>([
  [{}, undefined],
  [{ isalesCaFile: '/ca' }, undefined],
  [client('/key'), undefined],
  [{ ...listen('/chain', '/key'), listenClientCaFile: '/ca' }, undefined],
  [{ isalesCaFile: '/gone' }, 'ISALES_CA_FILE missing'],
  [{ isalesCaFile: '/text' }, 'ISALES_CA_FILE no-certificate'],
  [{ isalesCaFile: '/half' }, 'ISALES_CA_FILE no-certificate'],
  [{ isalesCaFile: '/huge' }, 'ISALES_CA_FILE too-large'],
  [{ listenClientCaFile: '/key' }, 'LISTEN_CLIENT_CA_FILE no-certificate'],
  [listen('/damaged', '/key'), 'LISTEN_TLS_CERT_FILE no-certificate'],
  [listen('/cert', '/cert'), 'LISTEN_TLS_KEY_FILE no-key'],
  [listen('/cert', '/bad-key'), 'LISTEN_TLS_KEY_FILE no-key'],
  [client('/encrypted'), 'ISALES_CLIENT_KEY_FILE encrypted-key'],
  [client('/encrypted-old'), 'ISALES_CLIENT_KEY_FILE encrypted-key'],
  [client('/other-key'), 'ISALES_CLIENT_KEY_FILE other-key'],
  [listen('/short', '/short-key'), 'LISTEN_TLS_CERT_FILE ERR_SSL_EE_KEY_TOO_SMALL'],
  [listen('/expired', '/expired-key'), `LISTEN_TLS_CERT_FILE certificate-dates? ${day(-1)}`],
  [listen('/early', '/early-key'), `LISTEN_TLS_CERT_FILE certificate-dates? ${day(1)}`],
  [{ isalesCaFile: '/expired' }, `ISALES_CA_FILE certificate-dates? ${day(-1)}`],
])('certificates and keys: %j has the problem %s', (config, problem) => {
  expect(check(config)).toEqual(problem === undefined ? [] : [problem])
})

it('the certificates are read, the own one first, a key that never prints, and nothing else', () => {
  const linesOf = (...pems: readonly string[]) =>
    pems.flatMap((pem) => pem.split('\n').filter(Boolean))
  const [isales, own] = read({ isalesCaFile: '/ca', ...listen('/chain', '/key') })
  expect(linesOf(isales?.tls.ca ?? '')).toEqual(linesOf(made.ca.cert, made.strangerCa.cert))
  expect(linesOf(own?.tls.cert ?? '')).toEqual(linesOf(made.server.cert, made.ca.cert))
  const { key } = own?.tls ?? {}
  expect([key?.reveal(), String(key)]).toEqual([made.server.key, '[redacted]'])
})
