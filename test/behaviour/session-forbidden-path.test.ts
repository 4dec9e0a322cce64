import { expect, test } from 'vitest'
import { INTERFACE_PATHS, type Simulator } from '../../simulator/index.ts'
import type { CallResponse } from '../support/call.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

// Three minutes with 20 calls a second take 45 s, so they are run by hand: docs/reliability.md.
const FULL_SIZE = process.env['FULL_SIZE'] === 'true'
const SECONDS = FULL_SIZE ? 180 : 45
const GOOD_CALLS_A_SECOND = FULL_SIZE ? 20 : 4

const nothing = (): void => undefined

interface Calls {
  readonly seconds?: number
  readonly everySecond?: (sim: Simulator) => void
}

/** Calls a path that iSales always refuses once a second, beside good calls. */
async function callBoth(
  world: TimedWorld,
  { seconds = SECONDS, everySecond = nothing }: Calls = {},
) {
  const good: number[] = []
  const bad: CallResponse[] = []
  for (let second = 0; second < seconds; second += 1) {
    everySecond(world.sim)
    const forbidden = world.request(`${INTERFACE_PATHS.getHoliDay}?page=${second}`, {
      method: 'POST',
      body: '{}',
    })
    for (let call = 0; call < GOOD_CALLS_A_SECOND; call += 1) {
      good.push((await world.tasks()).status)
      await world.jump(1000 / GOOD_CALLS_A_SECOND)
    }
    bad.push(await forbidden)
  }
  return { good: new Set(good), bad }
}

const REFUSALS = {
  'a 403': { forbiddenStatus: 403 },
  'a 401': { forbiddenStatus: 401 },
  'a page of a gateway': { forbiddenStatus: 403, forbiddenBody: 'html' },
} as const

const hangLogin = (sim: Simulator): void => {
  for (const operation of ['login', 'refresh'] as const) sim.hang({ operation, times: 'always' })
}

/** Ends each login 3 s after it has begun. */
function endSlowLogins(): (sim: Simulator) => void {
  let seconds = 0
  return (sim) => {
    seconds = sim.state().hanging > 0 ? seconds + 1 : 0
    if (seconds > 3) sim.release()
  }
}

const breakLogin = (sim: Simulator): void => {
  for (const operation of ['login', 'refresh'] as const) sim.reset({ operation, times: 'always' })
}

/** What happens to the login before the calls, and each second. */
type Row = readonly [
  keyof typeof REFUSALS,
  string,
  (sim: Simulator) => void,
  (sim: Simulator) => void,
]
const ROWS: readonly Row[] = [
  ['a 403', 'works', nothing, nothing],
  ['a 401', 'works', nothing, nothing],
  ['a page of a gateway', 'works', nothing, nothing],
  ['a 403', 'is down', breakLogin, nothing],
  ['a 403', 'hangs', hangLogin, nothing],
  ['a 401', 'takes 3 s', hangLogin, endSlowLogins()],
]

test.each(ROWS)(
  'a path that always gets %s is relayed as iSales sent it and disturbs no other call, while the login %s',
  async (name, _, before, everySecond) => {
    const refusal = REFUSALS[name]
    const world = await openTimedWorld({
      simulator: { switches: { forbiddenPath: 'business/isholiday', ...refusal } },
    })
    before(world.sim)

    const { good, bad } = await callBoth(world, { everySecond })

    expect(good).toEqual(new Set([200]))
    const statuses = new Set(bad.map(({ status }) => status))
    expect(statuses).toEqual(new Set([refusal.forbiddenStatus]))
    expect(bad.filter(({ json }) => 'sent' in json)).toEqual([])
    expect(world.exchanges() - 1).toBeLessThanOrEqual(2)
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(0)
    expect(await world.metric('isales_proxy_auth_backoff_state{state="conflict"}')).toBe(0)
  },
  120_000,
)

test('beside a path that is always forbidden, a revoked token is still healed', async () => {
  const world = await openTimedWorld({
    simulator: { switches: { forbiddenPath: 'business/isholiday' } },
  })
  await callBoth(world, { seconds: 5 })

  world.sim.revoke()

  expect((await world.tasks()).status).toBe(200)
  expect(await world.metric('isales_proxy_replays_total{outcome="healed"}')).toBe(1)
})

test.each([
  ['a page of a gateway', (sim: Simulator) => sim.html({ operation: 'business', status: 502 })],
  ['a page of a portal', (sim: Simulator) => sim.html({ operation: 'business', status: 200 })],
  ['a failure of iSales', (sim: Simulator) => sim.failBusiness({ status: 500 })],
])('%s does not prove that a rejected token works', async (_, spoil) => {
  const world = await openTimedWorld()
  await world.tasks()
  world.sim.revoke()
  for (const operation of ['refresh', 'login'] as const) world.sim.hang({ operation })
  const rejected = world.tasks()
  await world.waiting(1)
  await world.jump(10)
  spoil(world.sim)
  await world.request(INTERFACE_PATHS.getHoliDay, { method: 'POST', body: '{}' })

  world.sim.release()

  expect((await rejected).status).toBe(200)
})

test('a page with 403 is of a gateway: it is relayed, asks for no token and proves none', async () => {
  const world = await openTimedWorld({
    simulator: {
      switches: {
        forbiddenPath: 'business/isholiday',
        forbiddenStatus: 403,
        forbiddenBody: 'html',
      },
    },
  })

  const page = await world.request(INTERFACE_PATHS.getHoliDay, { method: 'POST', body: '{}' })

  expect(page.status).toBe(403)
  expect(page.header('Content-Type')).toContain('text/html')
  expect(world.exchanges()).toBe(1)
  expect(world.said()).toEqual(['info logged-in'])
})
