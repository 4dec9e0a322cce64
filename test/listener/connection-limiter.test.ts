import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { ConnectionLimiter } from '../../src/listener/connection-limiter.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, type RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, hold, respondOk, startHolding, startListener } from './support.ts'

// Clients that only hold connections are in test/promises/6-other-clients.test.ts.
const made = makeCertificates()
const TLS = { cert: made.server.cert, key: new Secret(made.server.key) }
const TRUSTING = { tls: { ca: made.ca.cert } }
const FOUR = { limits: { listenMaxConnections: 4 } }

async function ask(client: RawClient): Promise<number> {
  await client.send(GET)
  return (await client.read()).status
}

test('a connection whose peer has left is closed and not counted', () => {
  const limiter = new ConnectionLimiter(4, () => undefined)
  const gone = new Socket()
  limiter.admit(gone)
  expect([gone.destroyed, limiter.sockets()]).toEqual([true, []])
})

test('connections that are only held are closed before one that had a request more recently', async () => {
  const { port, refused } = await startListener(respondOk, FOUR)
  const used = await connectRaw({ port })
  expect(await ask(used)).toBe(200)
  const held = await hold(3, port)
  expect(await ask(used)).toBe(200)
  await hold(3, port)
  for (const client of held) await client.closed()
  expect(await ask(used)).toBe(200)
  expect(refused).toEqual(['connections', 'connections', 'connections'])
})

test('connections before their TLS handshake keep no client out, and are reported once', async () => {
  const failed: string[] = []
  const { port, listener, refused } = await startListener(respondOk, {
    ...FOUR,
    tls: TLS,
    onHandshakeFailure: (failure) => failed.push(failure),
  })
  await hold(10, port)
  for (let n = 0; n < 10; n += 1) {
    const client = await connectRaw({ port, ...TRUSTING })
    expect(await ask(client)).toBe(200)
    client.destroy()
  }
  expect(listener.connections()).toBeLessThanOrEqual(4)
  expect(refused.length).toBeGreaterThan(6)
  expect(failed).toEqual([])
})

test.each([
  ['plain HTTP', undefined, {}],
  ['TLS', TLS, TRUSTING],
])(
  'a call in flight over %s is not closed for others, and is idle again behind it',
  async (_name, tls, by) => {
    const { port, held, client } = await startHolding({ ...FOUR, tls }, by)
    await client.send(GET)
    await until(() => held.length === 1)
    await hold(20, port)
    held[0]?.end('ok')
    expect((await client.read()).status).toBe(200)
    await hold(20, port)
    await client.closed()
  },
)

test('when every connection has a call in flight, a new one is closed', async () => {
  const { port, held, client } = await startHolding({ limits: { listenMaxConnections: 1 } })
  await client.send(GET)
  await until(() => held.length === 1)
  expect((await (await connectRaw({ port })).closed()).left).toHaveLength(0)
  held[0]?.end('ok')
  expect((await client.read()).status).toBe(200)
})

test('connections from one port to two addresses of the listener are not taken for each other', async () => {
  const { port, held, client } = await startHolding(
    { ...FOUR, address: { host: '0.0.0.0', port: 0 }, tls: TLS },
    { from: '127.0.0.2', ...TRUSTING },
  )
  const { localPort = 0 } = client.socket
  const second = connect({ port, host: '127.0.0.9', localAddress: '127.0.0.2', localPort })
  await once(second.resume(), 'connect')
  await client.send(GET)
  await until(() => held.length === 1)
  await hold(4, port, { from: '127.0.0.4' })
  await until(() => second.destroyed)
  held[0]?.end('ok')
  expect((await client.read()).status).toBe(200)
})
