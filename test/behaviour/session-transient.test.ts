import { expect, test } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import { openTimedWorld } from './session-world.ts'

const always = { operation: 'login', times: 'always' } as const
const FAULTS: readonly (readonly [string, string, (sim: Simulator) => void])[] = [
  ['500', 'unavailable', (sim) => sim.failLogin({ status: 500, times: 'always' })],
  ['502', 'unavailable', (sim) => sim.failLogin({ status: 502, times: 'always' })],
  ['503', 'unavailable', (sim) => sim.failLogin({ status: 503, times: 'always' })],
  ['HTML', 'malformed', (sim) => sim.html(always)],
  ['bad JSON', 'malformed', (sim) => sim.truncatedJson(always)],
  ['huge JSON', 'malformed', (sim) => sim.hugeBody(always)],
  ['a redirect', 'malformed', (sim) => sim.redirect(always)],
  ['an empty 204', 'malformed', (sim) => sim.failLogin({ ...always, status: 204, body: '' })],
  ['no token', 'malformed', (sim) => sim.badToken({ kind: 'missing', times: 'always' })],
  ['a token with CRLF', 'malformed', (sim) => sim.badToken({ kind: 'crlf', times: 'always' })],
  ['a reset', 'unavailable', (sim) => sim.reset(always)],
  ['a reset in the answer', 'unavailable', (sim) => sim.reset({ ...always, at: 'mid-body' })],
]

test.each(FAULTS)(
  'a login that meets %s is tried again with jitter, 0.5 s doubling to 30 s',
  async (_, reason, fault) => {
    const world = await openTimedWorld({ ready: false, prepare: fault })

    await world.pass(125_000)

    const halves = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
    expect(world.waits().slice(0, halves.length)).toEqual(halves)
    expect(Math.max(...world.waits())).toBe(15_000)
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(world.exchanges())
    expect(await world.tasks()).toMatchObject({ status: 503, json: { code: 'no-token' } })
    expect(world.said()).toEqual(['error login-failed'])
    world.sim.clear()
    await world.pass(15_000)
    expect((await world.tasks()).status).toBe(200)
  },
)

test.each(FAULTS)(
  'a login that meets %s while the token is good costs the client nothing',
  async (_, reason, fault) => {
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

  const answer = world.tasks()
  await world.waiting(1)
  await world.pass(500)

  expect((await answer).status).toBe(200)
})
