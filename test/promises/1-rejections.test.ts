// Guarantee 1: if iSales ends a token early, no call notices, provided that a login succeeds within 2.5 s; the call's
// deadline is 2.8 s. A wrong decision costs at most 30 s of rejections. Here are its times; property 8 of the simulation and
// of `npm run truth` asks it of any calls. A rejection that no login can fix is in test/behaviour/forward-responses.test.ts.
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openTimedWorld, type TimedWorld } from '../support/timed-world.ts'
import { until } from '../support/until.ts'

const HEAD = '{"subCCNo":1,"vdnId":1,"padding":"'
const ROUND_TRIP = 100
/** 1 MiB to the byte. */
const LARGEST = `${HEAD.padEnd(1024 * 1024 - 2, 'x')}"}`

function endSession({ sim }: TimedWorld): void {
  sim.revoke()
  sim.revokeRefresh()
}

/** A world whose token iSales has ended, and a call of 1 MiB that waits for a login of so many milliseconds. */
async function callWhileLoginTakes(ms: number, headers: Readonly<Record<string, string>> = {}) {
  const world = await openTimedWorld()
  await world.tasks()
  endSession(world)
  world.sim.hang({ operation: 'business' })
  world.sim.hang({ operation: 'login' })
  const calling = { method: 'POST', body: LARGEST, headers }
  const response = world.request(INTERFACE_PATHS.getTask, calling)
  await until(() => world.sim.state().hanging === 1)
  await world.clock.advance(ROUND_TRIP)
  world.sim.release()
  await world.waiting(1)
  await until(() => world.sim.state().hanging === 1)
  await world.clock.advance(ms)
  world.sim.release()
  return response
}

test.each([
  ['of known length', {}],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
])('a call of 1 MiB %s sees nothing of a login that takes 2.5 s', async (_name, headers) => {
  expect(await callWhileLoginTakes(2500, headers)).toMatchObject({ status: 200 })
})

test('a call whose login takes longer is told before its deadline that it was not sent', async () => {
  const response = await callWhileLoginTakes(2799)

  expect(response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
})

test.each([0, 0.5, 0.9999])(
  'a token that iSales ends right after its grant is replaced before the deadline of calls, with jitter %d',
  async (random) => {
    const world = await openTimedWorld({ random: () => random })
    await world.tasks()
    endSession(world)
    expect(await world.tasks()).toMatchObject({ status: 200 })
    endSession(world)
    world.sim.hang({ operation: 'login' })
    const response = world.tasks()
    await world.waiting(1)

    // Renewals that rejections trigger keep a distance.
    await world.clock.advance(2200)
    await until(() => world.sim.state().hanging === 1)
    await world.clock.advance(250)
    world.sim.release()

    expect(await response).toMatchObject({ status: 200 })
  },
)

test('a dead token that public calls of iSales make look good is replaced within 30 s', async () => {
  const world = await openTimedWorld({ simulator: { switches: { forbiddenPath: 'refused' } } })
  // From now on, a rejection waits for confirmation.
  for (let refused = 0; refused < 2; refused += 1) {
    const relayed = world.request('/rest/isales/v1/openapi/obs/refused')
    await world.respondedOrWaiting(relayed)
    await world.pass(3000)
    await relayed
  }
  world.sim.revoke()
  const revokedAt = world.clock.now()
  const seconds = () => (world.clock.now() - revokedAt) / 1000

  const statuses: number[] = []
  while (statuses.at(-1) !== 200 && seconds() < 60) {
    const call = world.tasks()
    await world.respondedOrWaiting(call)
    await world.pass(1)
    // iSales answers this call without a look at its token.
    world.sim.failBusiness({ status: 200 })
    await world.request(INTERFACE_PATHS.getHoliDay)
    statuses.push((await call).status)
    await world.pass(899)
  }

  expect(statuses.length).toBeGreaterThan(10)
  expect(seconds()).toBeLessThan(30)
})

test('if all calls get a status that ISALES_REJECTED does not have, one login shows whether it ends tokens', async () => {
  const world = await openTimedWorld()
  world.sim.set({ rejection: 419 })
  const call = async () => (await world.tasks()).status
  await call()
  const rounds = [
    ['the first time', 3],
    ['then', 2],
  ] as const
  for (const [round, until419] of rounds) {
    endSession(world)
    for (let calls = 0; calls < until419; calls += 1) {
      expect([round, await call()]).toEqual([round, 419])
      await world.clock.advance(500)
    }
    await until(async () => (await call()) === 200)
    await world.clock.advance(31_000)
  }
  expect(world.sim.state().loginAttempts).toBe(3)
  const { findings } = await world.status()
  const facts = [
    ['status', 419],
    ['example', 'ISALES_REJECTED=401,403,419'],
  ]
  expect(findings.find(({ cause }) => cause === 'other-status')).toMatchObject({ facts })
})
