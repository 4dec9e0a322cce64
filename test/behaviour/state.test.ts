import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

/** The same state wherever an operator or a program looks. */
async function stateOf(world: TimedWorld) {
  const status = (await call(`${world.admin}/status.json`)).json as Record<string, unknown>
  const page = (await call(world.admin)).text
  expect(page).toContain(`<h1>${String(status['title'])}</h1>`)
  expect(await world.metric(`isales_proxy_state{state="${String(status['state'])}"}`)).toBe(1)
  return {
    state: status['state'],
    authenticated: await world.metric('isales_proxy_authenticated'),
    budget: await world.metric('isales_proxy_outage_budget_seconds'),
    ready: (await world.probe('/readyz')).status,
  }
}

function eventsOf({ lines }: TimedWorld, name: string) {
  return lines.filter(({ event }) => event === name)
}

test('iSales is gone while the token lives: the state follows the calls, and so does the log', async () => {
  const world = await openTimedWorld()
  await world.tasks()
  expect(await stateOf(world)).toMatchObject({ state: 'healthy', authenticated: 1, ready: 200 })

  await world.sim.down()
  const calls = Array.from({ length: 9 }, () => world.tasks())
  await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === calls.length)
  await world.clock.advance(3000)
  for (const ended of calls) expect((await ended).json).toMatchObject({ sent: 'no' })

  // The token is still valid: removing the pod from its Service would fix nothing.
  expect(await stateOf(world)).toMatchObject({ state: 'failing', authenticated: 1, ready: 200 })
  const began = eventsOf(world, 'finding-began').filter(({ finding }) => finding === 'failed')
  expect(began.at(-1)).toMatchObject({
    level: 'error',
    code: 'IsalesProxyCallsFailing',
    cause: 'connection-refused',
  })

  await world.sim.up()
  for (let times = 0; times < 20; times += 1) await world.tasks()
  await world.pass(61_000)
  expect(await stateOf(world)).toMatchObject({ state: 'healthy', authenticated: 1, ready: 200 })
  const ended = eventsOf(world, 'finding-ended').map(({ finding }) => finding)
  expect(ended).toEqual(expect.arrayContaining(['failed']))
})
