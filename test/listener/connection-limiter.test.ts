import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, hold, respondOk, startHolding, startListener } from './support.ts'

// Without TLS, test/promises/6-other-clients.test.ts and the simulation hold the limit.
const made = makeCertificates()
const TLS = { cert: made.server.cert, key: new Secret(made.server.key) }
const TRUSTING = { tls: { ca: made.ca.cert } }
const FOUR = { limits: { listenMaxConnections: 4 } }

test('connections before their TLS handshake keep no client out, and are reported', async () => {
  const failed: string[] = []
  const { port, listener, refused } = await startListener(respondOk, {
    ...FOUR,
    tls: TLS,
    onHandshakeFailure: (failure) => failed.push(failure),
  })
  await hold(10, port)
  for (let n = 0; n < 10; n += 1) {
    const client = await connectRaw({ port, ...TRUSTING })
    await client.send(GET)
    expect((await client.read()).status).toBe(200)
    client.destroy()
  }
  expect(listener.connections()).toBeLessThanOrEqual(4)
  expect(refused.length).toBeGreaterThan(6)
  // Each is reported once.
  expect(failed).toEqual([])
})

test('a call in flight over TLS is not closed for others, and is idle again behind it', async () => {
  const { port, held, client } = await startHolding({ ...FOUR, tls: TLS }, TRUSTING)
  await client.send(GET)
  await until(() => held.length === 1)
  await hold(20, port)
  held[0]?.end('ok')
  expect((await client.read()).status).toBe(200)
  for (let n = 2; n <= 6; n += 1) {
    const other = await connectRaw({ port, ...TRUSTING })
    await other.send(GET)
    await until(() => held.length === n)
    held.at(-1)?.end('ok')
    await other.read()
  }
  await client.closed()
})
