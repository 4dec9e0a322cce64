import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import type { SimulatorTls } from '../../simulator/index.ts'
import { builtProgram } from '../cli/program.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { within } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// A start takes a second on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

const start = builtProgram()
let certificates: Certificates
let directory: string

beforeAll(() => {
  certificates = makeCertificates()
  directory = temporaryDirectory()
  writeFileSync(join(directory, 'ca.pem'), certificates.ca.cert)
})
afterEach(() => vi.unstubAllEnvs())

/** A world whose first login has met what it meets. */
async function openBroken(env: Environment, tls?: SimulatorTls): Promise<TimedWorld> {
  const world = await openTimedWorld({
    ready: false,
    env,
    ...(tls === undefined ? {} : { simulator: { tls } }),
  })
  await world.settled()
  return world
}

const trusting = (tls: SimulatorTls): Promise<TimedWorld> =>
  openBroken({ ISALES_CA_FILE: join(directory, 'ca.pem') }, tls)

const FAULTS: readonly (readonly [string, string, string, () => Promise<TimedWorld>])[] = [
  [
    'refuses connections',
    'unavailable',
    'ECONNREFUSED',
    () => openBroken({ ISALES_URL: 'http://127.0.0.1:1' }),
  ],
  [
    'has a name that does not resolve',
    'unavailable',
    'ENOTFOUND',
    // A label of 64 characters is no name; it fails without asking anybody.
    () => openBroken({ ISALES_URL: `https://${'x'.repeat(64)}.invalid` }),
  ],
  [
    'has a certificate that has ended',
    'tls',
    'CERT_HAS_EXPIRED',
    () => trusting(certificates.expired),
  ],
  [
    'has a certificate for another host',
    'tls',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    () => trusting(certificates.wrongHost),
  ],
  [
    'has a certificate of an unknown authority',
    'tls',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    () => trusting(certificates.stranger),
  ],
]

test.each(FAULTS)(
  'an iSales that %s counts as %s, and the log says %s',
  async (_, reason, detail, open) => {
    const world = await open()

    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(1)
    expect(world.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { event: 'login-failed', reason, detail },
    ])
    expect((await world.probe('/livez')).status).toBe(200)
  },
)

test('a variable that turns verification off in a running process turns nothing off', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const world = await trusting(certificates.expired)
  await world.pass(60_000)

  expect(world.exchanges()).toBeGreaterThan(3)
  expect(world.sim.state()).toMatchObject({ loginAttempts: 0, business: 0 })
})

test('the program does not start with NODE_TLS_REJECT_UNAUTHORIZED=0, and says why', async () => {
  const program = start([], {
    ISALES_URL: 'http://127.0.0.1:1',
    ISALES_USER: 'obs',
    ISALES_PASSWORD: 'password',
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  })

  const end = await within(program.ended, 'the end of the program', 20_000)

  expect(end).toEqual({ code: 2, signal: null })
  const setting = 'NODE_TLS_REJECT_UNAUTHORIZED'
  expect(program.lines()).toMatchObject([{ event: 'setting-wrong', setting }])
})
