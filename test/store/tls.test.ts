import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { makeCertificates } from '../support/certificates.ts'
import { claimBy, connect, PROCESS_A } from './connect.ts'
import { freePort } from '../support/free-port.ts'
import { ENGINES, startServer, type Engine } from './servers.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const certificates = makeCertificates()

async function startTlsServer(engine: Engine) {
  const directory = temporaryDirectory()
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const cert = file('server.pem', certificates.server.cert)
  const key = file('server-key.pem', certificates.server.key)
  const ca = file('ca.pem', certificates.ca.cert)
  const client = file('client.pem', certificates.client.cert)
  const clientKey = file('client-key.pem', certificates.client.key)
  const port = await freePort()
  return startServer({
    engine,
    port,
    directives: [
      `tls-port ${port}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${ca}`,
      'tls-auth-clients yes',
    ],
    cli: ['--tls', '--cacert', ca, '--cert', client, '--key', clientKey],
  })
}

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
