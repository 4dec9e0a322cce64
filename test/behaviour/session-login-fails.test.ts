import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createSimulator, type Simulator } from '../../simulator/index.ts'
import type { Environment } from '../../src/config/load.ts'
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

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Milliseconds between the attempts. Of those that may lock the account, 4 begin in 15 min. */
const REFUSED = [5000, 10_000, 15 * MINUTE, 4 * HOUR]
const UNCLEAR = [5000, 10_000, 8 * MINUTE]
const UNTOUCHED = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
const always = { operation: 'login', times: 'always' } as const
const WRONG = { ISALES_PASSWORD: 'out-of-date' }
const GATEWAY = '{"timestamp":"2026-03-01T12:00:00Z","status":403,"error":"Forbidden"}'

const fails = (status: number, body?: string) => (sim: Simulator) =>
  sim.failLogin({ status, ...(body !== undefined && { body }), times: 'always' })
const refuses = (loginRejection: Simulator['switches']['loginRejection']) => (sim: Simulator) =>
  sim.set({ lockAfter: 0, loginRejection })

type Row = [string, string, readonly number[], (sim: Simulator) => unknown, Environment?]
const FAULTS: Row[] = [
  ['a 400', 'rejected', REFUSED, refuses(400), WRONG],
  ['a 401', 'rejected', REFUSED, refuses(401), WRONG],
  ['a 403', 'rejected', REFUSED, refuses(403), WRONG],
  ['a 403 with the JSON of a gateway', 'rejected', REFUSED, fails(403, GATEWAY)],
  ['a result', 'result', REFUSED, refuses('result'), WRONG],
  ['a 500 in the shape of iSales', 'result', REFUSED, refuses(500), WRONG],
  ['a 403 with a page', 'malformed', UNCLEAR, fails(403, '<html>')],
  [
    'a 200 without a result',
    'malformed',
    UNCLEAR,
    (sim) => sim.answerLogin({ body: {}, times: 'always' }),
  ],
  ['bad JSON', 'malformed', UNCLEAR, (sim) => sim.truncatedJson(always)],
  ['a reset', 'unavailable', UNCLEAR, (sim) => sim.reset(always)],
  ['no response', 'timeout', UNCLEAR, (sim) => sim.hang(always), { ISALES_LOGIN_TIMEOUT: '1s' }],
  ['a 503', 'unavailable', UNTOUCHED, fails(503)],
  ['a 500 with a page', 'unavailable', UNTOUCHED, fails(500, '<html>')],
  ['a 404', 'malformed', UNTOUCHED, fails(404)],
]

test.each(FAULTS)(
  'a login that gets %s (%s) is tried again by its back-off, is 503 for the client, and works in the end',
  async (...row) => {
    const [, reason, waits, prepare, env = {}] = row
    const world = await openTimedWorld({ ready: false, prepare, env })

    await world.pass(waits === UNTOUCHED ? 125_000 : 15 * MINUTE - 1)
    expect(world.exchanges()).toBeLessThanOrEqual(waits === UNTOUCHED ? 20 : 4)
    await world.pass(waits === REFUSED ? 9 * HOUR : 0)

    expect(world.waits().slice(0, waits.length)).toEqual(waits)
    expect(Math.max(...world.waits())).toBe(waits.at(-1))
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(world.exchanges())
    const response = await world.tasks()
    expect(response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
    expect(response.header('Retry-After')).toBe('5')
    const first = waits === REFUSED ? 'error login-rejected' : 'error login-failed'
    const guarded = waits === UNTOUCHED ? [] : ['error guarded']
    expect(world.said()).toEqual([first, ...guarded])
    world.sim.clear()
    if (env === WRONG) world.sim.set({ password: WRONG.ISALES_PASSWORD })
    await world.pass(waits.at(-1) ?? 0)
    expect((await world.tasks()).status).toBe(200)
  },
)

test.each([
  ['is refused', 'rejected', (sim: Simulator) => sim.wrongPassword()],
  ['gets a 503', 'unavailable', fails(503)],
  ['gets a reset', 'unavailable', (sim: Simulator) => sim.reset(always)],
])(
  'a login that %s while the token is good costs the client nothing until that ends',
  async (_, lastFailure, fault) => {
    const world = await openTimedWorld()
    await world.tasks()
    world.sim.revokeRefresh()
    fault(world.sim)

    await world.pass(294_000)

    expect((await world.tasks()).status).toBe(200)
    expect((await world.probe('/readyz')).status).toBe(200)
    await world.pass(1000)
    const response = world.tasks()
    await world.jump(2500)
    expect(await response).toMatchObject({ status: 503, json: { code: 'no-token' } })
    const { status, json } = await world.probe('/readyz')
    expect([status, json]).toMatchObject([503, { reason: 'no-token', lastFailure }])
  },
)

test('an iSales that is ill after the password had worked for hours is left alone by no guard', async () => {
  const world = await openTimedWorld({ env: { LOGIN_REJECTED_ATTEMPTS: '1' } })
  world.sim.revoke()
  const ill = { status: 500, body: '{"result":500}', times: 'always' } as const
  world.sim.failLogin(ill)
  world.sim.failRefresh(ill)
  await world.pass(255_000)
  expect(await world.metric('isales_proxy_auth_backoff_state{state="guarded"}')).toBe(0)
  world.sim.clear()
  await world.pass(20_000)
  expect((await world.tasks()).status).toBe(200)
})

test('a request that comes shortly before the next attempt waits for it', async () => {
  const world = await openTimedWorld({ ready: false, prepare: fails(503) })
  await world.pass(250)
  world.sim.clear()

  const response = world.tasks()
  await world.waiting(1)
  await world.pass(500)

  expect((await response).status).toBe(200)
})

test.each([
  ['42', 42],
  ['Sun, 01 Mar 2026 12:00:30 GMT', 30],
  ['86400', 300],
])('a login that gets 429 with Retry-After %j is tried again after %d s', async (...row) => {
  const [retryAfter, seconds] = row
  const prepare = (sim: Simulator) => sim.failLogin({ status: 429, retryAfter })
  const world = await openTimedWorld({ ready: false, prepare })
  await world.pass(seconds * 1000 - 1)
  expect(world.exchanges()).toBe(1)
  await world.pass(1)
  expect((await world.tasks()).status).toBe(200)
})

const at = (ISALES_URL: string) => (): Promise<TimedWorld> =>
  openTimedWorld({ ready: false, env: { ISALES_URL } })
const withTls = (choose: (from: Certificates) => SimulatorTls) => (): Promise<TimedWorld> =>
  openTimedWorld({
    ready: false,
    simulator: { tls: choose(certificates) },
    env: { ISALES_CA_FILE: caFile },
  })

test.each<readonly [string, string, string, () => Promise<TimedWorld>]>([
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
    withTls(({ expired }) => expired),
  ],
  [
    'wants a certificate of ours, and says so after our handshake (TLS 1.3)',
    'tls',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    withTls(({ server, ca }) => ({ ...server, ca: ca.cert, requestCert: true })),
  ],
])(
  'an iSales that %s is 503 for the client, counts as %s, is logged once as %s, and never gets the password',
  async (_, reason, detail, open) => {
    // In a running process it turns nothing off.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
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
  const world = await at(other.origin.replace(/^https?/, scheme))()
  await world.pass(1000)
  const failed = world.lines.find(({ event }) => event === 'login-failed')
  expect(failed?.['detail']).toContain(text)
})
