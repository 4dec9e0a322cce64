import type { ConnectionOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import type { TlsFiles } from '../../src/config/certificates.ts'
import { Secret } from '../../src/config/secret.ts'
import { handshakeFailureOf, type HandshakeFailure } from '../../src/causes.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, respondOk, startListener } from './support.ts'

const made = makeCertificates()

function tlsOf(clientCa?: string): TlsFiles {
  const { cert, key } = made.server
  return { cert, key: new Secret(key), ...(clientCa === undefined ? {} : { ca: clientCa }) }
}

async function startTls({
  clientCa,
  headerTimeout = 5000,
}: { clientCa?: string; headerTimeout?: number } = {}) {
  const failures: HandshakeFailure[] = []
  const running = await startListener(respondOk, {
    tls: tlsOf(clientCa),
    limits: { headerTimeout },
    onHandshakeFailure: (reason) => failures.push(reason),
  })
  return { ...running, failures }
}

/** TLS 1.3 lets a client believe that it is in until it reads. */
async function outcome(port: number, options: ConnectionOptions): Promise<string> {
  try {
    const client = await connectRaw({ port, tls: { ca: made.ca.cert, ...options } })
    await client.send(GET)
    await client.read()
    client.destroy()
    return 'served'
  } catch {
    return 'refused'
  }
}

describe('a handshake that fails is reported with its reason', () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const

  test.each<readonly [HandshakeFailure, string, ConnectionOptions]>([
    ['no-certificate', 'no certificate, by TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['protocol', 'TLS 1.1', { ...old, ...made.client }],
  ])('%s: %s', async (reason, _name, options) => {
    const { port, failures } = await startTls({ clientCa: made.ca.cert })
    expect(await outcome(port, options)).toBe('refused')
    await until(() => failures.length > 0)
    expect(failures).toEqual([reason])
    expect(await outcome(port, made.client)).toBe('served')
    expect(failures).toEqual([reason])
  })

  test('timeout: a client that does not go on', async () => {
    const { port, failures } = await startTls({ headerTimeout: 100 })
    await (await connectRaw({ port })).closed()
    expect(failures).toEqual(['timeout'])
  })

  test.each([
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  ])('not-trusted: an alert of the client about our certificate, %s', (code) => {
    expect(handshakeFailureOf(code)).toBe('not-trusted')
  })
})

test('a withdrawn client CA lets nobody in by an old session', async () => {
  const { port, listener } = await startTls({ clientCa: made.ca.cert })
  const before = await connectRaw({ port, tls: { ca: made.ca.cert, ...made.client } })
  const session = new Promise<Buffer>((resolve) => {
    before.socket.once('session', resolve)
  })
  await before.send(GET)
  await before.read()
  before.destroy()
  const resumed = { ...made.client, session: await session }
  expect(await outcome(port, resumed)).toBe('served')
  listener.replaceTls(tlsOf(made.strangerCa.cert))
  expect(await outcome(port, resumed)).toBe('refused')
})
