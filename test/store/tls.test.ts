import { describe, expect, it } from 'vitest'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { claimBy, connect, PROCESS_A } from './connect.ts'
import { certificates, ENGINES, startServer, startTlsServer } from './servers.ts'

const file = temporaryFiles()

const trusting = (port: number, ca: string | undefined) => ({
  SESSION_STORE_URL: `valkeys://127.0.0.1:${port}`,
  SESSION_STORE_CA_FILE: ca === undefined ? undefined : file('ca.pem', ca),
})

describe.each(ENGINES)('%s over TLS', (engine) => {
  it('reads the authorities at each connection: a corrected file cures', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, certificates.strangerCa.cert))
    expect(await cell.read()).toEqual({ type: 'failure', reason: 'tls' })
    trusting(server.port, certificates.ca.cert)
    await until(async () => (await cell.claim(claimBy(PROCESS_A))).type === 'mine', 10_000)
  })

  it.each([
    ['a certificate of an authority that is not trusted', certificates.strangerCa.cert],
    ['no authorities but the public ones', undefined],
  ])('says by name that it met %s', async (_, ca) => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, ca))
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
