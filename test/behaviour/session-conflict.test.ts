import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

/** Another instance logs in as the same user; iSales then ends every session but its. */
async function loginElsewhere({ sim }: TimedWorld): Promise<void> {
  const { user, password } = sim.switches
  const body = JSON.stringify({ user, passwd: password })
  const { status } = await call(`${sim.origin}${LOGIN_PATH}`, { method: 'POST', body })
  if (status !== 200) throw new Error(`the other login got ${status}`)
}

test('another instance of the same user is noticed, logged, and not fought over', async () => {
  const world = await openTimedWorld({ simulator: { switches: { singleSession: true } } })
  await world.tasks()
  for (let time = 0; time < 2; time += 1) {
    await loginElsewhere(world)
    await world.pass(1000)
    expect((await world.tasks()).status).toBe(200)
  }
  expect(world.sim.state().logins).toBe(5)

  await loginElsewhere(world)
  const rejected = await world.tasks()

  // It was sent, so it gets the rejection as iSales sent it.
  expect(rejected.status).toBe(401)
  expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(1)
  expect(await world.metric('isales_proxy_auth_backoff_state{state="conflict"}')).toBe(1)
  expect(world.said().at(-1)).toBe('warn conflict')
  expect(world.lines.find(({ event }) => event === 'conflict')).toMatchObject({
    // 5 to 60 s, with even jitter.
    holdOffSeconds: 32.5,
  })
  // The next one shows that the token is dead; those after it are not sent.
  await world.jump(1)
  expect((await world.tasks()).status).toBe(401)
  const sent = world.sim.state().businessRejected
  const refused = await world.tasks()
  expect(refused).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
  expect(world.sim.state().businessRejected).toBe(sent)
  expect((await world.probe('/readyz')).status).toBe(503)
  await world.pass(30_500)
  expect(world.sim.state().logins).toBe(6)
  // One that comes shortly before the hold-off ends waits for the new token.
  const waited = world.tasks()
  await world.waiting(1)
  await world.pass(2000)
  expect((await waited).status).toBe(200)
  expect(world.sim.state().logins).toBe(7)
})
