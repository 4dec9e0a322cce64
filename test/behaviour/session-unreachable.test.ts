import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Certificate } from '../../simulator/certificates.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { openTimedWorld } from './session-world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let certificates: Certificates
let folder: string
let caFile: string

beforeAll(async () => {
  certificates = makeCertificates()
  folder = temporaryDirectory()
  caFile = join(folder, 'ca.pem')
  await writeFile(caFile, certificates.ca.cert)
})

const UNREACHABLE: readonly (readonly [string, string])[] = [
  ['refuses connections', 'http://127.0.0.1:1'],
  // A label of 64 characters is no name; it fails without asking anybody.
  ['has a name that does not resolve', `https://${'x'.repeat(64)}.invalid`],
]

test.each(UNREACHABLE)(
  'an iSales that %s is 503 for the client, and unavailable',
  async (_, url) => {
    const world = await openTimedWorld({ ready: false, env: { ISALES_URL: url } })
    await world.pass(125_000)

    expect(await world.tasks()).toMatchObject({
      status: 503,
      json: { code: 'no-token', sent: 'no' },
    })
    const failures = 'isales_proxy_auth_failures_total{operation="login",reason="unavailable"}'
    expect(await world.metric(failures)).toBe(world.exchanges())
    expect(world.exchanges()).toBeGreaterThan(8)
    expect((await world.probe('/livez')).status).toBe(200)
    expect((await world.probe('/readyz')).status).toBe(503)
  },
)

const UNTRUSTED: readonly (readonly [string, (from: Certificates) => Certificate])[] = [
  ['has ended', ({ expired }) => expired],
  ['has not begun', ({ notYetValid }) => notYetValid],
  ['is by an authority that is not trusted', ({ stranger }) => stranger],
  ['is for another host', ({ wrongHost }) => wrongHost],
]

test.each(UNTRUSTED)(
  'an iSales whose certificate %s is 503 for the client, is told apart, and is never sent the password',
  async (_, choose) => {
    const world = await openTimedWorld({
      ready: false,
      simulator: { tls: choose(certificates) },
      env: { ISALES_CA_FILE: caFile },
    })
    await world.pass(125_000)

    expect(await world.tasks()).toMatchObject({ status: 503, json: { code: 'no-token' } })
    const failures = 'isales_proxy_auth_failures_total{operation="login",reason="tls"}'
    expect(await world.metric(failures)).toBe(world.exchanges())
    expect(world.sim.state()).toMatchObject({ loginAttempts: 0, business: 0 })
    expect(world.sim.state().connections).toBe(world.exchanges())
    expect((await world.probe('/livez')).status).toBe(200)
  },
)

test('an iSales whose certificate is trusted is logged in to', async () => {
  const world = await openTimedWorld({
    simulator: { tls: certificates.server },
    env: { ISALES_CA_FILE: caFile },
  })

  expect((await world.tasks()).status).toBe(200)
})

test('a proxy that was told to trust any certificate does not start', () => {
  const loaded = loadConfig({
    ISALES_URL: 'https://isales.example',
    ISALES_USER: 'obs',
    ISALES_PASSWORD: 'password',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  })

  expect(loaded).toMatchObject({
    ok: false,
    errors: [{ setting: 'NODE_TLS_REJECT_UNAUTHORIZED' }],
  })
})

test('when only the way of logins is broken, calls go on while the token is good', async () => {
  const world = await openTimedWorld({ simulator: { switches: { keepAlive: 60_000 } } })
  await world.tasks()
  for (const operation of ['login', 'refresh'] as const) {
    world.sim.reset({ operation, times: 'always' })
  }
  await world.pass(280_000)

  expect((await world.tasks()).status).toBe(200)
  const failures = 'isales_proxy_auth_failures_total{operation="login",reason="unavailable"}'
  expect(await world.metric(failures)).toBeGreaterThan(3)
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
