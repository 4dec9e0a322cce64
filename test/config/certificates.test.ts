import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { generate } from 'selfsigned'
import { expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { makeCertificates } from '../support/certificates.ts'
import { codeOf, configOf, loadWith } from './stand.ts'

const made = makeCertificates()
const short = await generate([{ name: 'commonName', value: 'x' }], { keySize: 512 })
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
const encryption = { cipher: 'aes-128-cbc', passphrase: 'x' }
const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString()

const FILES = {
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
  '/damaged': made.server.cert.replace(/^([^-].{20}).{20}/m, '$1'),
  '/half': `${made.ca.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  '/bad-key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
  '/encrypted': encrypted,
}

const ca = (path: string): Environment => ({ ISALES_CA_FILE: path })
const client = (key: string): Environment => ({
  ISALES_CLIENT_CERT_FILE: '/cert',
  ISALES_CLIENT_KEY_FILE: key,
})
const listen = (cert: string, key: string): Environment => ({
  LISTEN_TLS_CERT_FILE: cert,
  LISTEN_TLS_KEY_FILE: key,
})
const NAMED = { ...listen('/chain', '/key'), LISTEN_CLIENT_NAMES: 'a' }
const clients = (path: string): Environment => ({ ...NAMED, LISTEN_CLIENT_CA_FILE: path })
/** Returns a date of a certificate, which was made before midnight if the run began then. */
const day = (date: string): string => new Date(date).toISOString().slice(0, 10)
const expiry = day(new X509Certificate(made.expired.cert).validTo)
const start = day(new X509Certificate(made.notYetValid.cert).validFrom)

it.each<[Environment, ...string[]]>([
  [ca('/ca')],
  [client('/key')],
  [clients('/ca')],
  [ca('/gone'), 'ISALES_CA_FILE missing'],
  [ca('/text'), 'ISALES_CA_FILE no-certificate'],
  [ca('/half'), 'ISALES_CA_FILE no-certificate'],
  [clients('/key'), 'LISTEN_CLIENT_CA_FILE no-certificate'],
  [listen('/damaged', '/key'), 'LISTEN_TLS_CERT_FILE no-certificate'],
  [listen('/cert', '/bad-key'), 'LISTEN_TLS_KEY_FILE no-key'],
  [client('/encrypted'), 'ISALES_CLIENT_KEY_FILE encrypted-key'],
  [client('/other-key'), 'ISALES_CLIENT_KEY_FILE other-key'],
  [listen('/short', '/short-key'), 'LISTEN_TLS_CERT_FILE ERR_SSL_EE_KEY_TOO_SMALL'],
  [listen('/expired', '/expired-key'), `LISTEN_TLS_CERT_FILE certificate-dates? ${expiry}`],
  [listen('/early', '/early-key'), `LISTEN_TLS_CERT_FILE certificate-dates? ${start}`],
  [ca('/expired'), `ISALES_CA_FILE certificate-dates? ${expiry}`],
])('certificates and keys: %j has the problem %s', (env, ...expected) => {
  const found = loadWith(env, FILES).problems.map((problem) => {
    const { validFrom, validTo } = Object.fromEntries(problem.facts)
    const date = (value: unknown): string => JSON.stringify(value)?.slice(7, 17) ?? ''
    return `${codeOf(problem)} ${date(validFrom)}${date(validTo)}`.trim()
  })
  expect(found).toEqual(expected)
})

it('all certificates of a bundle and of a chain are read', () => {
  const env = { ...ca('/ca'), ...listen('/chain', '/key') }
  const { isalesTls, listenTls } = configOf(loadWith(env, FILES))
  const read = [isalesTls.ca, listenTls.cert].map((pem) => pem?.split('BEGIN CERTIFICATE').length)
  expect(read).toEqual([3, 3])
  // An authority that has ended next to a valid one is not a problem.
  const bundle = { ...FILES, '/ca': `${made.expired.cert}${made.ca.cert}` }
  const loaded = loadWith(ca('/ca'), bundle)
  const end = Date.parse(new X509Certificate(made.ca.cert).validTo)
  expect([loaded.problems, configOf(loaded).isalesTls.caEnd]).toEqual([[], end])
})
