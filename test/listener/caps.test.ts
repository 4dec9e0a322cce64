import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, type RawClient, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { GET, hold, keepAndRespond, leftOf, respondOk, startListener } from './support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const made = makeCertificates()
const TLS = { cert: made.server.cert, key: new Secret(made.server.key) }
const FOUR = { limits: { listenMaxConnections: 4 } }
const NETWORK = { ...FOUR, address: { kind: 'tcp', host: '0.0.0.0', port: 0 } } as const

async function ask(client: RawClient): Promise<number> {
  await client.send(GET)
  return (await client.read()).status
}

async function asked(target: RawTarget): Promise<RawClient> {
  const client = await connectRaw(target)
  expect(await ask(client)).toBe(200)
  return client
}

describe('those who only hold connections', () => {
  test.each([
    ['say nothing', ''],
    ['send half a head', 'GET / HTTP/1.1\r\nHo'],
  ])('and %s keep nobody out, and lose the oldest first', async (_name, bytes) => {
    const { port, refused, listener } = await startListener(keepAndRespond, FOUR)
    const kept = await asked({ port })
    const held = await hold(10, port, { bytes })
    await until(() => listener.connections() === 4)
    expect(await ask(await connectRaw({ port }))).toBe(200)
    expect(await ask(kept)).toBe(200)
    for (const client of held.slice(0, 8)) await client.closed()
    expect(await held[9]?.silent(0)).toBe(true)
    expect(refused).toEqual(Array.from({ length: 8 }, () => 'connections'))
  })

  test('and get responses, but nothing that is accepted, keep nobody out', async () => {
    const { port } = await startListener(respondOk, FOUR)
    const held = [await asked({ port }), await asked({ port }), await asked({ port })]
    for (let n = 0; n < 20; n += 1) (await asked({ port })).destroy()
    expect((await held[0]?.closed())?.left).toHaveLength(0)
  })

  test.each([
    ['with a certificate', { ca: made.ca.cert }, made.client, respondOk],
    ['whose requests are accepted', {}, {}, keepAndRespond],
  ])('in front of a TLS handshake keep out no client %s', async (_name, ca, client, onRequest) => {
    const { port, listener } = await startListener(onRequest, { ...FOUR, tls: { ...TLS, ...ca } })
    const target = { port, tls: { ca: made.ca.cert, ...client } }
    const kept = await asked(target)
    await hold(10, port)
    for (let n = 0; n < 10; n += 1) (await asked(target)).destroy()
    expect(await ask(kept)).toBe(200)
    expect(listener.connections()).toBeLessThanOrEqual(4)
  })
})

test('one address has at most half of the connections', async () => {
  const { port, listener } = await startListener(keepAndRespond, NETWORK)
  const first = await asked({ port, from: '127.0.0.2' })
  await asked({ port, from: '127.0.0.2' })
  const third = await connectRaw({ port, from: '127.0.0.2' })
  expect(await ask(third)).toBe(503)
  await asked({ port, from: '127.0.0.3' })
  const idle = await connectRaw({ port, from: '127.0.0.4' })
  first.destroy()
  await until(() => listener.connections() === 3)
  // Its own idle connection is the one that goes.
  const own = await hold(5, port, { from: '127.0.0.2' })
  for (const client of own.slice(0, 4)) await client.closed()
  expect(await ask(idle)).toBe(200)
})

test.each([
  ['of one address', '127.0.0.2', 2],
  ['of all', '127.0.0.4', 4],
])('connections over the cap %s never add to those that are kept', async (_name, from, most) => {
  const { port } = await startListener(keepAndRespond, NETWORK)
  for (const address of ['127.0.0.3', '127.0.0.3', '127.0.0.2', '127.0.0.2'].slice(-most))
    await asked({ port, from: address })
  const over = await hold(7, port, { from })
  for (const client of over.slice(0, 6)) expect(await leftOf(client)).toBe('')
  expect(await Promise.all(over.slice(6).map(ask))).toEqual([503])
})

test('connections from one port to two addresses of the listener are not taken for each other', async () => {
  const { port } = await startListener(keepAndRespond, { ...NETWORK, tls: TLS })
  const first = await connectRaw({ port, from: '127.0.0.2' })
  const { localPort = 0 } = first.socket
  const second = connect({ port, host: '127.0.0.9', localAddress: '127.0.0.2', localPort })
  await once(second.resume(), 'connect')
  // The second is counted before the first has ended its TLS handshake.
  await asked({ port, from: '127.0.0.3', tls: { ca: made.ca.cert } })
  first.socket.removeAllListeners('data')
  const secure = connectTls({ socket: first.socket, ca: made.ca.cert, servername: 'localhost' })
  const ok = async (): Promise<boolean> => {
    secure.write(GET)
    const [bytes] = (await once(secure, 'data')) as [Buffer]
    return bytes.toString().startsWith('HTTP/1.1 200 ')
  }
  expect(await ok()).toBe(true)
  await hold(4, port, { from: '127.0.0.4' })
  await until(() => second.destroyed)
  expect(await ok()).toBe(true)
  secure.destroy()
})

test('on a Unix socket one over the cap gets a 503, and one far over it is closed unheard', async () => {
  const path = join(temporaryDirectory(), 'proxy.sock')
  const { listener, refused } = await startListener(respondOk, {
    limits: { listenMaxConnections: 1 },
    address: { kind: 'unix', path },
  })
  await connectRaw({ path })
  const over = [await connectRaw({ path }), await connectRaw({ path })]
  await until(() => listener.connections() === 3)
  expect(await leftOf(await connectRaw({ path }))).toBe('')
  expect(refused).toEqual(['connections'])
  for (const client of over) expect(await ask(client)).toBe(503)
})

test('a flood of connections that are reset leaves nothing behind', async () => {
  const { port, listener } = await startListener(keepAndRespond, FOUR)
  for (const client of await hold(20, port)) client.reset()
  await until(() => listener.connections() === 0)
  const four = await hold(4, port)
  expect(await Promise.all(four.map(ask))).toEqual([200, 200, 200, 200])
})
