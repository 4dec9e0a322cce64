import { TLSSocket, type ConnectionOptions } from 'node:tls'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { listenerTls, makeCertificates, type Certificates } from '../support/certificates.ts'
import { connectRaw, exchangeRaw, requestText, type RawTarget } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openWorld, REQUIRE } from '../support/world.ts'
import { temporaryFiles } from '../support/temporary.ts'

const made = makeCertificates()
const ca = made.ca.cert
const OLD = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const
const REFUSED = /broke|ended|ECONNRESET|EPROTO|alert/
const BODY = JSON.stringify({ subCCNo: 1, vdnId: 1 })

const tasks = (fields: readonly string[] = ['Host: localhost']) =>
  requestText(`POST ${INTERFACE_PATHS.getTask} HTTP/1.1`, fields, BODY)

/** Opens an HTTPS listener; `install` replaces its files by renaming, like a renewed Secret. */
async function openHttps(clientCa?: string, names?: string) {
  const file = temporaryFiles()
  const install = (pair: Certificates['server']) => listenerTls(file, pair)
  const world = await openWorld({
    env: {
      ...install(made.server),
      ...(clientCa === undefined ? {} : { LISTEN_CLIENT_CA_FILE: file('ca.crt', clientCa) }),
      LISTEN_CLIENT_NAMES: names,
    },
  })
  const { port } = world
  const target = (tls: ConnectionOptions = {}): RawTarget => ({ port, tls: { ca, ...tls } })
  return { world, target, install, file }
}

async function nameServed(target: RawTarget): Promise<unknown> {
  const client = await connectRaw(target)
  const { socket } = client
  const name = socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : undefined
  client.destroy()
  return name
}

test('over HTTPS, new connections get a renewed certificate, and no connection is dropped', async () => {
  const { world, target, install } = await openHttps()
  const open = await connectRaw(target({ maxVersion: 'TLSv1.2' }))
  await open.send(tasks())
  expect((await open.read()).status).toBe(200)
  const end = 'isales_proxy_certificate_expiry_timestamp_seconds{certificate="listener"}'
  expect(await world.metric(end)).toBeGreaterThan(Date.now() / 1000)
  install(made.renewed)
  await until(async () => (await nameServed(target())) === 'renewed.example')
  await open.send(tasks())
  expect((await open.read()).status).toBe(200)
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'clients that do not trust the certificate are shown at once, also without an alert over %s',
  async (maxVersion) => {
    const { world, target } = await openHttps()
    for (let n = 0; n < 5; n += 1)
      await expect(connectRaw(target({ ca: [], maxVersion }))).rejects.toThrow('certificate')
    const counted = 'isales_proxy_requests_total{outcome="handshake",cause="not-trusted"}'
    await until(async () => (await world.metric(counted)) === 5)
    const [{ finding, cause }] = (await world.status()).findings
    expect([finding, cause]).toEqual(['handshake', 'not-trusted'])
  },
)

test('with a client CA, only its certificates are admitted, and refused clients are logged and counted', async () => {
  const { world, target } = await openHttps(ca)
  expect((await exchangeRaw(target(made.client), tasks())).status).toBe(200)
  for (const options of [{}, made.strangerClient, made.expiredClient, OLD])
    await expect(exchangeRaw(target(options), tasks())).rejects.toThrow(REFUSED)
  for (let n = 0; n < 3; n += 1) await expect(exchangeRaw(world, tasks())).rejects.toThrow(REFUSED)
  // A port probe.
  const probe = await connectRaw(world)
  probe.destroy()
  const counted = (labels = '') => world.metric(`isales_proxy_requests_total${labels}`)
  await until(async () => (await counted('{outcome="handshake",cause="half-sent"}')) === 1)
  expect(await counted('{outcome="handshake",cause="plain-http"}')).toBe(3)
  // Every handshake is counted once, like the call.
  expect([await counted('{outcome="handshake"}'), await counted()]).toEqual([8, 9])
  const logged = world.lines.filter(({ event }) => event === 'client-handshake-failed')
  expect(logged.map(({ level, reason, count }) => [level, reason, count])).toEqual([
    ['warn', 'no-certificate', 1],
    ['warn', 'unknown-ca', 1],
    ['warn', 'bad-certificate', 1],
    ['warn', 'protocol', 1],
    ['warn', 'plain-http', 1],
  ])
  expect(logged.at(-1)?.['detail']).toContain('Clients send plain HTTP')
  expect(world.sim.requests()).toHaveLength(1)
})

test('with LISTEN_CLIENT_NAMES, only certificates with a listed name are admitted, and none after its CA is withdrawn', async () => {
  const named = await openHttps(ca, 'CTI OBS 2, CTI-obs')
  const first = await connectRaw(named.target(made.client))
  const session = new Promise<Buffer>((resolve) => first.socket.once('session', resolve))
  await first.send(tasks())
  expect((await first.read()).status).toBe(200)
  // A resumed session also has the certificate.
  const resumed = named.target({ ...made.client, session: await session })
  expect((await exchangeRaw(resumed, tasks())).status).toBe(200)
  named.file('ca.crt', made.strangerCa.cert)
  await named.world.app.renew()
  await named.world.logged('files-reloaded')
  await expect(exchangeRaw(resumed, tasks())).rejects.toThrow(REFUSED)

  for (const name of ['obs', 'other.example', '*']) {
    const { world, target } = await openHttps(ca, name)
    await expect(exchangeRaw(target(made.client), tasks())).rejects.toThrow(REFUSED)
    const failures = 'isales_proxy_requests_total'
    expect(await world.metric(`${failures}{outcome="handshake",cause="client-name"}`)).toBe(1)
    const logged = { event: 'client-handshake-failed', reason: 'client-name' }
    expect(world.lines).toContainEqual(expect.objectContaining(logged))
    expect(world.sim.requests()).toEqual([])
  }
})

test('beyond loopback, calls need a login unless UNSAFE_LISTEN is set, and refused clients are logged with their address', async () => {
  const network = { LISTEN: '0.0.0.0:0' }
  const world = await openWorld({ env: { ...network, ...REQUIRE } })
  expect((await exchangeRaw(world, tasks())).status).toBe(401)
  expect(world.sim.requests()).toEqual([])
  const body = '{"user":"cti","passwd":"wrong"}'
  const login = requestText(`POST ${LOGIN_PATH} HTTP/1.1`, ['Host: localhost'], body)
  expect((await exchangeRaw(world, login)).status).toBe(403)
  expect((await exchangeRaw(world, tasks(['Host: other.example']))).status).toBe(421)
  const client: unknown = expect.stringMatching(/^(?:::ffff:)?127\.0\.0\.1$/)
  for (const event of ['obs-login-refused', 'client-refused'])
    expect(world.lines).toContainEqual(expect.objectContaining({ event, client }))
  await expect(openWorld({ env: network })).rejects.toThrow('"setting":"LISTEN"')
  const unsafe = await openWorld({ env: { ...network, UNSAFE_LISTEN: 'true' } })
  expect((await exchangeRaw(unsafe, tasks())).status).toBe(200)
})
