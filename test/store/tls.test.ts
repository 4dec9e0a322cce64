import { describe, expect, it } from 'vitest'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { connect } from './connect.ts'
import { certificates, ENGINES, startServer, startTlsServer } from './servers.ts'

const file = temporaryFiles()

/** Settings that trust this authority. */
const trusting = (port: number, ca: string | undefined) => ({
  SESSION_STORE_URL: `valkeys://127.0.0.1:${port}`,
  SESSION_STORE_CA_FILE: ca === undefined ? undefined : file('ca.pem', ca),
})

describe.each(ENGINES)('%s over TLS', (engine) => {
  it('reads the authorities at each connection', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, certificates.strangerCa.cert))
    expect(await cell.swap('', '')).toEqual({ reason: 'tls' })
    trusting(server.port, certificates.ca.cert)
    await until(async () => 'value' in (await cell.swap('', '')), 10_000)
  })

  it('says by name that it met no authority that is known', async () => {
    const server = await startTlsServer(engine)
    const { cell } = await connect(server.port, trusting(server.port, undefined))
    expect(await cell.swap('', '')).toEqual({ reason: 'tls' })
  })

  it('says by name that the server speaks no TLS', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port, trusting(server.port, undefined))
    expect(['tls', 'unreachable']).toContain(Object(await cell.swap('', '')).reason)
  })
})
