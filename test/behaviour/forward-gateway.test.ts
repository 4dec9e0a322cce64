import { expect, it } from 'vitest'
import { get, loginResponse, openStand, post } from '../proxy/stand.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'

it('calls that are always refused, on a path whose others are accepted, are relayed and buy two tokens at most', async () => {
  const stand = await openStand({
    respond: ({ body }) =>
      body.toString() === 'bad' ? responseBytes('no', { status: '403 No' }) : responseBytes('ok'),
  })
  const good = new Set<number>()
  for (let round = 0; round < 20; round += 1) {
    const inFlight = { bad: true }
    const bad = stand.exchange(post('bad')).finally(() => (inFlight.bad = false))
    while (inFlight.bad) good.add((await stand.exchange(post('good'))).status)
    expect(await bad).toMatchObject({ status: 403, text: 'no' })
  }
  expect(good).toEqual(new Set([200]))
  expect(stand.logins() - 1).toBeLessThanOrEqual(2)
  expect(await stand.metric('session_conflicts_total')).toBe(0)
})

it('Retry-After is bounded for clients', async () => {
  const stand = await openStand({
    login: (n) =>
      n === 1 ? loginResponse(n, 1) : responseBytes('{"result":7}', { status: '403 No' }),
    env: { LOGIN_REJECTED_ATTEMPTS: '1', CLIENT_DEADLINE: '1s' },
  })
  await until(() => stand.logins() === 2)
  await until(async () => (await stand.metric('authenticated')) === 0)
  const response = await stand.exchange(get())
  expect(response.status).toBe(503)
  expect(response.header('retry-after')).toBe('5')
})
