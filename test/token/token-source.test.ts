import { expect, it } from 'vitest'
import { createRegister } from '../../src/token/register.ts'
import { createTokenSource } from '../../src/token/token-source.ts'
import type { CurrentToken } from '../../src/token/token.ts'
import { manualClock } from '../support/manual-clock.ts'
import { credentialsOf, grant, REFUSED, RULES } from './support.ts'

/** Opens a source whose logins succeed; iSales has ended the session of every refresh. */
async function open() {
  const clock = manualClock()
  const events: string[] = []
  const source = createTokenSource({
    register: createRegister(clock),
    rules: RULES,
    clock,
    random: () => 0.5,
    client: {
      login: async () => grant({ token: `at ${clock.now()}`, sentAt: clock.now() }),
      refresh: async () => REFUSED,
    },
    credentials: credentialsOf('p'),
    observe: ({ type }) => events.push(type),
  })
  source.start()
  await clock.advance(0)
  /** iSales rejects a call with this token, and accepts its replay if `isCured`. */
  const reject = (token: CurrentToken | undefined, isCured: boolean): void => {
    if (token === undefined) throw new Error('no token')
    const call = { status: 401, rejected: undefined, replays: 0, deadline: clock.now() + 2800 }
    void source.reject(token, call).then((decision) => {
      if (isCured && decision.type === 'replay')
        source.accept(decision.token, clock.now(), decision.rejected)
    })
  }
  return { clock, events, current: source.current, reject }
}

it('a renewal that ends the token of calls in flight is not effective, and no conflict', async () => {
  const { clock, events, current, reject } = await open()
  for (let second = 0; second < 60; second += 1) {
    const token = current()
    reject(token, false)
    await clock.advance(1000)
    // Another call was in flight during the renewal.
    if (current() !== token) reject(token, true)
    await clock.advance(0)
  }
  expect(events).toContain('token-rejected')
  expect(events).not.toContain('conflict')
})

it('while iSales ends every token within a second, at most 40 token requests are sent in a minute', async () => {
  const { clock, events, current, reject } = await open()
  const sent = () => events.filter((type) => type === 'request-started').length
  for (let minute = 0; minute < 5; minute += 1) {
    const before = sent()
    for (let quarter = 0; quarter < 240; quarter += 1) {
      reject(current(), true)
      await clock.advance(250)
    }
    expect(sent() - before).toBeGreaterThan(10)
    expect(sent() - before).toBeLessThanOrEqual(40)
  }
})
