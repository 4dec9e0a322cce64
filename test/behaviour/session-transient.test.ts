import { expect, test } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import { openTimedWorld } from './session-world.ts'

const always = { operation: 'login', times: 'always' } as const
const UNTOUCHED = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
/** iSales may have counted the attempt as a wrong password: at most 4 in 15 min. */
const UNCLEAR = [5000, 10_000, 480_000]

type Row = readonly [string, string, readonly number[], (sim: Simulator) => void]
const FAULTS: readonly Row[] = [
  ['503', 'unavailable', UNTOUCHED, (sim) => sim.failLogin({ status: 503, times: 'always' })],
  [
    'an HTML 500',
    'unavailable',
    UNTOUCHED,
    (sim) => sim.failLogin({ status: 500, body: '<html>', times: 'always' }),
  ],
  [
    'an HTML 403',
    'malformed',
    UNCLEAR,
    (sim) => sim.failLogin({ status: 403, body: '<html>', times: 'always' }),
  ],
  ['404', 'malformed', UNTOUCHED, (sim) => sim.failLogin({ status: 404, times: 'always' })],
  ['bad JSON', 'malformed', UNCLEAR, (sim) => sim.truncatedJson(always)],
  ['huge JSON', 'malformed', UNCLEAR, (sim) => sim.hugeBody(always)],
  [
    'a token with CRLF',
    'malformed',
    UNCLEAR,
    (sim) => sim.badToken({ kind: 'crlf', times: 'always' }),
  ],
  ['a reset', 'unavailable', UNCLEAR, (sim) => sim.reset(always)],
  [
    'a reset in the response',
    'unavailable',
    UNCLEAR,
    (sim) => sim.reset({ ...always, at: 'mid-body' }),
  ],
]

test.each(FAULTS)(
  'a login that meets %s (%s) is tried again, and nobody is blamed for a wrong password',
  async (_, reason, waits, fault) => {
    const world = await openTimedWorld({ ready: false, prepare: fault })

    await world.pass(waits === UNCLEAR ? 900_000 : 125_000)

    expect(world.waits().slice(0, waits.length)).toEqual(waits)
    expect(Math.max(...world.waits())).toBe(waits.at(-1))
    const most = waits === UNCLEAR ? 4 : 100
    expect(world.sim.state().loginAttempts).toBeLessThanOrEqual(most)
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(world.exchanges())
    expect(await world.tasks()).toMatchObject({ status: 503, json: { code: 'no-token' } })
    const guarded = waits === UNCLEAR ? ['error guarded'] : []
    expect(world.said()).toEqual(['error login-failed', ...guarded])
    world.sim.clear()
    await world.pass(waits.at(-1) ?? 0)
    expect((await world.tasks()).status).toBe(200)
  },
)

test.each(FAULTS.filter(([name]) => ['503', 'an HTML 403', 'a reset'].includes(name)))(
  'a login that meets %s (%s) while the token is good costs the client nothing',
  async (_, reason, _waits, fault) => {
    const world = await openTimedWorld()
    world.sim.revokeRefresh()
    fault(world.sim)

    await world.pass(294_000)

    expect((await world.tasks()).status).toBe(200)
    expect((await world.probe('/readyz')).status).toBe(200)
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBeGreaterThan(5)
    expect(world.said()).toEqual(['info logged-in', 'warn refresh-refused', 'warn renewal-failed'])
  },
)

test('a request that comes shortly before the next attempt waits for it', async () => {
  const world = await openTimedWorld({
    ready: false,
    prepare: (sim) => sim.failLogin({ status: 503, times: 2 }),
  })
  await world.pass(250)

  const response = world.tasks()
  await world.waiting(1)
  await world.pass(500)

  expect((await response).status).toBe(200)
})
