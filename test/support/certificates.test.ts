import { X509Certificate } from 'node:crypto'
import { connect, createServer, type TlsOptions } from 'node:tls'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { makeCertificates } from './certificates.ts'

const made = makeCertificates()

/** What becomes of a handshake: `authorized`, or the code of its error. */
async function handshake(server: TlsOptions, client: object): Promise<string> {
  const listener = createServer(server, (socket) => socket.end('x')).listen(0, '127.0.0.1')
  listener.on('tlsClientError', () => undefined)
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...client })
  // The first byte, because TLS 1.3 refuses a client's certificate only after the client is done.
  const outcome = await new Promise<string>((resolve) => {
    socket.once('data', () => resolve('authorized'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('end', () => resolve('ended'))
  })
  socket.destroy()
  listener.close()
  return outcome
}

describe('certificates made here', () => {
  const ca = made.ca.cert

  it.each([
    ['the right one', made.server, 'authorized'],
    ['an expired one', made.expired, 'CERT_HAS_EXPIRED'],
    ['one that begins tomorrow', made.notYetValid, 'CERT_NOT_YET_VALID'],
    ['one of another host', made.wrongHost, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['one of a stranger', made.stranger, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ])('%s is judged as Node judges', async (_, server, outcome) => {
    expect(await handshake(server, { ca })).toBe(outcome)
  })

  it.each([
    ['the right client', made.client, 'authorized'],
    ['a stranger', made.strangerClient, 'ended'],
    ['an expired client', made.expiredClient, 'ended'],
    ['nobody', {}, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
  ])('%s is judged by a server that asks', async (_, client, outcome) => {
    const server = { ...made.server, ca, requestCert: true, rejectUnauthorized: true }
    expect(await handshake(server, { ca, ...client })).toBe(outcome)
  })

  it('hold the names, and dates on either side of 2050', () => {
    const { cert } = made.ca.issue({
      names: ['a.example', '127.0.0.1'],
      notBefore: new Date('1949-12-31T00:00:00Z'),
      notAfter: new Date('2050-01-01T00:00:00Z'),
    })
    const parsed = new X509Certificate(cert)
    expect(parsed.subjectAltName).toBe('DNS:a.example, IP Address:127.0.0.1')
    expect([parsed.validFrom, parsed.validTo]).toEqual([
      'Dec 31 00:00:00 1949 GMT',
      'Jan  1 00:00:00 2050 GMT',
    ])
    expect(parsed.checkIssued(new X509Certificate(made.ca.cert))).toBe(true)
  })
})
