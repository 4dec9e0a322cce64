import type { ConnectionOptions } from 'node:tls'
import { expect, test } from 'vitest'
import type { TlsFiles } from '../../src/config/certificates.ts'
import { Secret } from '../../src/config/secret.ts'
import type { HandshakeFailure } from '../../src/codes.ts'
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

/** Sends a request, because a TLS 1.3 client learns of a refusal only when it reads. */
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

// Other reasons, and their log lines, are in test/behaviour/obs-listener.test.ts.
test('a failed handshake is reported with its reason: an old protocol, or a client that stops', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const
  const { port, failures } = await startTls({ headerTimeout: 500 })
  expect(await outcome(port, old)).toBe('refused')
  await until(() => failures.length === 1)
  expect(await outcome(port, {})).toBe('served')
  await (await connectRaw({ port })).closed()
  expect(failures).toEqual(['protocol', 'timeout'])
})

test('a withdrawn client CA admits no client by an old session', async () => {
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
