import { describe, expect, it } from 'vitest'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { claimBy, connect, PROCESS_A } from './connect.ts'
import { certificates, ENGINES, startServer, startTlsServer } from './servers.ts'

const file = temporaryFiles()

/** Settings with this client certificate. */
const showing = (port: number, { cert, key }: { readonly cert: string; readonly key: string }) => ({
  SESSION_STORE_URL: `valkeys://127.0.0.1:${port}`,
  SESSION_STORE_CA_FILE: file('ca.pem', certificates.ca.cert),
  SESSION_STORE_CLIENT_CERT_FILE: file('cert.pem', cert),
  SESSION_STORE_CLIENT_KEY_FILE: file('key.pem', key),
})

describe.each(ENGINES)('%s over TLS', (engine) => {
  it('shows its client certificate, and takes the next one at the next connection', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, showing(server.port, certificates.strangerClient))
    expect(await cell.read()).toMatchObject({ type: 'failure' })
    showing(server.port, certificates.client)
    await until(async () => (await cell.claim(claimBy(PROCESS_A))).type === 'mine', 10_000)
  })

  it.each([
    ['a certificate of an authority that is not trusted', certificates.strangerCa.cert],
    ['no authorities but the public ones', undefined],
  ])('says by name that it met %s', async (_, ca) => {
    const server = await startTlsServer(engine)
    const trusted = ca === undefined ? undefined : file('other-ca.pem', ca)
    const env = { ...showing(server.port, certificates.client), SESSION_STORE_CA_FILE: trusted }
    const { cell } = await connect(server.port, env)
    expect(await cell.read()).toEqual({ type: 'failure', reason: 'tls' })
  })

  it('says by name that the server speaks no TLS', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port, {
      SESSION_STORE_URL: `valkeys://127.0.0.1:${server.port}`,
    })
    expect(['tls', 'unreachable']).toContain(Object(await cell.read()).reason)
  })
})
