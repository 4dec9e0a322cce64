import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { claimBy, connect, PROCESS_A } from './connect.ts'
import { certificates, ENGINES, startServer, startTlsServer } from './servers.ts'

describe.each(ENGINES)('%s over TLS', (engine) => {
  it('shows its client certificate, and takes the next one at the next connection', async () => {
    const server = await startTlsServer(engine)
    let pair = certificates.strangerClient
    const { store } = await connect(server.port, {
      tls: () => ({ ca: certificates.ca.cert, cert: pair.cert, key: new Secret(pair.key) }),
    })
    expect(await store.read()).toMatchObject({ type: 'failure' })
    pair = certificates.client
    await store.connected(10_000)
    expect(await store.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
  })

  it.each([
    ['a certificate of an authority that is not trusted', { ca: certificates.strangerCa.cert }],
    ['no authorities but the public ones', {}],
  ])('says by name that it met %s', async (_, tls) => {
    const server = await startTlsServer(engine)
    const { cert, key } = certificates.client
    const { store } = await connect(server.port, {
      tls: () => ({ ...tls, cert, key: new Secret(key) }),
    })
    expect(await store.read()).toEqual({ type: 'failure', reason: 'tls' })
  })

  it('says by name that the server speaks no TLS', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port, { tls: () => ({}) })
    expect(['tls', 'unreachable']).toContain(Object(await store.read()).reason)
  })
})
