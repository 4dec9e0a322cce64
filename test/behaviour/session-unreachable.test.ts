import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createSimulator } from '../../simulator/index.ts'
import type { SimulatorTls } from '../../simulator/server.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

let certificates: Certificates
let caFile: string

beforeAll(() => {
  certificates = makeCertificates()
  caFile = join(temporaryDirectory(), 'ca.pem')
  writeFileSync(caFile, certificates.ca.cert)
})
afterEach(() => vi.unstubAllEnvs())

const at = (ISALES_URL: string) => (): Promise<TimedWorld> =>
  openTimedWorld({ ready: false, env: { ISALES_URL } })

const withCertificate = (choose: (from: Certificates) => SimulatorTls) => (): Promise<TimedWorld> =>
  openTimedWorld({
    ready: false,
    simulator: { tls: choose(certificates) },
    env: { ISALES_CA_FILE: caFile },
  })

type Row = readonly [string, string, string, () => Promise<TimedWorld>]
const FAULTS: readonly Row[] = [
  ['refuses connections', 'unavailable', 'ECONNREFUSED', at('http://127.0.0.1:1')],
  [
    'has a name that does not resolve',
    'unavailable',
    'ENOTFOUND',
    // A label of 64 characters is no name; it fails without asking anybody.
    at(`https://${'x'.repeat(64)}.invalid`),
  ],
  [
    'has a certificate that has ended',
    'tls',
    'CERT_HAS_EXPIRED',
    withCertificate(({ expired }) => expired),
  ],
  [
    'has a certificate that has not begun',
    'tls',
    'CERT_NOT_YET_VALID',
    withCertificate(({ notYetValid }) => notYetValid),
  ],
  [
    'has a certificate for another host',
    'tls',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    withCertificate(({ wrongHost }) => wrongHost),
  ],
  [
    'has a certificate of an unknown authority',
    'tls',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    withCertificate(({ stranger }) => stranger),
  ],
  [
    'wants a certificate of ours, and says so after our handshake (TLS 1.3)',
    'tls',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    withCertificate(({ server, ca }) => ({ ...server, ca: ca.cert, requestCert: true })),
  ],
]

test.each(FAULTS)(
  'an iSales that %s is 503 for the client, counts as %s, is logged once as %s, and never gets the password',
  async (_, reason, detail, open) => {
    const world = await open()
    await world.pass(125_000)

    expect(await world.tasks()).toMatchObject({
      status: 503,
      json: { code: 'no-token', sent: 'no' },
    })
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(world.exchanges())
    expect(world.exchanges()).toBeGreaterThan(8)
    expect(world.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { event: 'login-failed', reason, detail },
    ])
    expect(world.sim.state()).toMatchObject({ loginAttempts: 0, business: 0 })
    expect((await world.probe('/livez')).status).toBe(200)
    expect((await world.probe('/readyz')).status).toBe(503)
  },
)

test.each([
  ['http', 'the server there speaks TLS'],
  ['https', 'the server there speaks no TLS'],
])('%s in ISALES_URL to a port of the other scheme: the log names it', async (scheme, text) => {
  const { server: tls } = certificates
  const other = await createSimulator(scheme === 'http' ? { tls } : {})
  onTestFinished(() => other.close())
  const ISALES_URL = other.origin.replace(/^https?/, scheme)
  const world = await openTimedWorld({ ready: false, env: { ISALES_URL } })
  await world.pass(1000)
  const failed = world.lines.find(({ event }) => event === 'login-failed')
  expect(failed?.['detail']).toContain(text)
})

test('a variable that turns verification off in a running process turns nothing off', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const world = await withCertificate(({ expired }) => expired)()
  await world.pass(60_000)

  expect(world.exchanges()).toBeGreaterThan(3)
  expect(world.sim.state()).toMatchObject({ loginAttempts: 0, business: 0 })
})

test('when iSales comes back, the next attempt finds it', async () => {
  const world = await openTimedWorld({ ready: false, prepare: (sim) => sim.down() })
  await world.pass(10_000)
  expect((await world.probe('/readyz')).status).toBe(503)

  await world.sim.up()
  await world.pass(30_000)

  expect((await world.probe('/readyz')).status).toBe(200)
  expect((await world.tasks()).status).toBe(200)
})
