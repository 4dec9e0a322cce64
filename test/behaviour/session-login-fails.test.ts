import { expect, test } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import type { Environment } from '../../src/config/load.ts'
import { openTimedWorld } from './session-world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Milliseconds between attempts. At most 4 attempts that may lock the account begin within 15 min. */
const REFUSED = [5000, 10_000, 15 * MINUTE]
const UNCLEAR = [5000, 10_000, 2.5 * MINUTE, 12.5 * MINUTE]
const UNTOUCHED = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
const WRONG = { ISALES_PASSWORD: 'out-of-date' }

const fails = (status: number, body?: string) => (sim: Simulator) =>
  sim.failLogin({ status, ...(body !== undefined && { body }), times: 'always' })
const hangs = (sim: Simulator) => sim.hang({ operation: 'login', times: 'always' })
const refuses = (loginRejection: Simulator['switches']['loginRejection']) => (sim: Simulator) =>
  sim.set({ lockAfter: 0, loginRejection })

type Row = [string, string, readonly number[], (sim: Simulator) => unknown, Environment?]
const FAULTS: Row[] = [
  ['a 403', 'rejected', [...REFUSED, 4 * HOUR], refuses(403), WRONG],
  ['a result', 'result', REFUSED, refuses('result'), WRONG],
  ['a 403 with a page', 'malformed', UNCLEAR, fails(403, '<html>')],
  ['no response', 'timeout', UNCLEAR, hangs],
  ['a 503', 'unavailable', UNTOUCHED, fails(503)],
]

test.each(FAULTS)(
  'a login that gets %s (%s) is tried again by its back-off, is 503 for the client, and works in the end',
  async (...row) => {
    const [, reason, waits, prepare, env = {}] = row
    const world = await openTimedWorld({ ready: false, prepare, env })

    await world.pass(waits === UNTOUCHED ? 125_000 : 15 * MINUTE - 1)
    expect(world.exchanges()).toBeLessThanOrEqual(waits === UNTOUCHED ? 20 : 4)
    await world.pass(waits.includes(4 * HOUR) ? 5 * HOUR : 0)

    expect(world.waits().slice(0, waits.length)).toEqual(waits)
    expect(Math.max(...world.waits())).toBe(waits.at(-1))
    const failures = `isales_proxy_auth_failures_total{operation="login",reason="${reason}"}`
    expect(await world.metric(failures)).toBe(world.exchanges())
    const response = await world.tasks()
    expect(response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
    expect(response.header('Retry-After')).toBe('5')
    expect(world.said()).toEqual([])
    const began = world.lines.filter(({ event }) => event === 'finding-began')
    const state = waits.includes(15 * MINUTE) ? 'login-rejected' : 'unauthenticated'
    expect(began).toMatchObject([{ level: 'error', finding: 'login', state }])
    world.sim.clear()
    if (env === WRONG) world.sim.set({ password: WRONG.ISALES_PASSWORD })
    await world.pass(waits.at(-1) ?? 0)
    expect((await world.tasks()).status).toBe(200)
  },
)
