import type { ConnectionOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { handshakeFailure, type HandshakeFailure } from '../../src/http/handshake.ts'
import type { TlsFiles } from '../../src/config/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw } from '../support/raw-client.ts'
import type { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { respondOk, responsesOf, GET, leftOf, LIMITS, POST, startListener } from './support.ts'

const made = makeCertificates()
const ca = made.ca.cert
const first = made.server

interface Options {
  readonly clientCa?: string
  readonly headerTimeout?: number
  readonly bodyIdleTimeout?: number
}

const tlsOf = ({ cert, key }: { cert: string; key: string }, clientCa?: string): TlsFiles => ({
  cert,
  key: new Secret(key),
  ...(clientCa === undefined ? {} : { ca: clientCa }),
})

async function startTls({
  clientCa,
  headerTimeout = LIMITS.headerTimeout,
  bodyIdleTimeout = LIMITS.bodyIdleTimeout,
}: Options = {}) {
  const limits = { ...LIMITS, headerTimeout, bodyIdleTimeout }
  const failures: HandshakeFailure[] = []
  const running = await startListener(respondOk, {
    tls: tlsOf(first, clientCa),
    limits,
    onHandshakeFailure: (reason) => failures.push(reason),
  })
  return { ...running, failures }
}

function connectTls(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
  return connectRaw({ port, tls: { ca, ...options } })
}

async function ask(client: RawClient): Promise<string> {
  await client.send(GET)
  return (await client.read()).text
}

/** TLS 1.3 lets a client believe that it is in until it reads. */
async function outcome(port: number, options: ConnectionOptions): Promise<string> {
  try {
    const client = await connectTls(port, options)
    await ask(client)
    client.destroy()
    return 'served'
  } catch {
    return 'refused'
  }
}

describe('a handshake that fails is reported with its reason', () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const

  test.each<readonly [HandshakeFailure, string, ConnectionOptions]>([
    ['no-certificate', 'no certificate', {}],
    ['no-certificate', 'no certificate, by TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['unknown-ca', 'a certificate of another CA', made.strangerClient],
    ['bad-certificate', 'a certificate that has expired', made.expiredClient],
    ['protocol', 'TLS 1.1', { ...old, ...made.client }],
  ])('%s: %s', async (reason, _name, options) => {
    const { port, failures } = await startTls({ clientCa: ca })
    expect(await outcome(port, options)).toBe('refused')
    await until(() => failures.length > 0)
    expect(failures).toEqual([reason])
  })

  test('plain-http: HTTP without TLS', async () => {
    const { port, failures } = await startTls()
    const plain = await connectRaw({ port })
    await plain.send(GET)
    await plain.closed()
    expect(failures).toEqual(['plain-http'])
  })

  test('closed: a client that says nothing', async () => {
    const { port, failures } = await startTls()
    const silent = await connectRaw({ port })
    silent.destroy()
    await until(() => failures.length > 0)
    expect(failures).toEqual(['closed'])
  })

  test('timeout: a client that does not go on', async () => {
    const { port, failures } = await startTls({ headerTimeout: 100 })
    const slow = await connectRaw({ port })
    await slow.closed()
    expect(failures).toEqual(['timeout'])
  })

  test.each([
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  ])('not-trusted: an alert of the client about our certificate, %s', (code) => {
    expect(handshakeFailure(code)).toBe('not-trusted')
  })

  test('and one that succeeds is not', async () => {
    const { port, failures } = await startTls({ clientCa: ca })
    expect(await outcome(port, made.client)).toBe('served')
    expect(failures).toEqual([])
  })
})

test('a withdrawn client CA lets nobody in by an old session', async () => {
  const { port, listener } = await startTls({ clientCa: ca })
  const before = await connectTls(port, made.client)
  const session = new Promise<Buffer>((resolve) => {
    before.socket.once('session', resolve)
  })
  await ask(before)
  before.destroy()
  const resumed = { ...made.client, session: await session }
  expect(await outcome(port, resumed)).toBe('served')
  listener.replaceTls(tlsOf(first, made.strangerCa.cert))
  expect(await outcome(port, resumed)).toBe('refused')
})

test('plain HTTP to the TLS port gets a closed connection, and the next one is served', async () => {
  const { port } = await startTls()
  const plain = await connectRaw({ port })
  await plain.send(GET)
  expect(await leftOf(plain)).not.toContain('HTTP')
  expect(await outcome(port, {})).toBe('served')
})

test('a body that never comes does not keep a TLS connection either', async () => {
  const { port, listener } = await startTls({ bodyIdleTimeout: 150 })
  const client = await connectTls(port)
  await client.send(`${POST}Content-Length: 20\r\n\r\nhi`)
  expect((await responsesOf(client)).map(({ status }) => status)).toEqual([200])
  await until(() => listener.connections() === 0)
})

test('a stop ends handshakes that never come to an end', async () => {
  const { port, listener } = await startTls()
  const silent = await connectRaw({ port })
  await until(() => listener.connections() === 1)
  await listener.stop(50)
  expect(await leftOf(silent)).toBe('')
})
