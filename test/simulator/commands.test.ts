import { describe, expect, it } from 'vitest'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { loggedIn, simulate } from './caller.ts'

const CREDENTIALS = JSON.stringify({ user: 'obs', passwd: 'simulated-password' })
const LOGIN = `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: ${CREDENTIALS.length}\r\n\r\n${CREDENTIALS}`

describe('faults', () => {
  it('occur `times` times, in order, until they are cleared', async () => {
    const { login, sim } = await simulate()
    sim.failLogin({ status: 500, times: 2 })
    sim.failLogin({ status: 503, retryAfter: 7 })
    sim.failLogin({ status: 429, times: 'always' })
    const failed = []
    for (let attempt = 0; attempt < 5; attempt += 1) failed.push(await login())
    expect(failed.map(({ status }) => status)).toEqual([500, 500, 503, 429, 429])
    expect(failed[2]?.header('retry-after')).toBe('7')
    sim.clear()
    expect(sim.state().faultsWaiting).toBe(0)
    expect((await login()).status).toBe(200)
  })

  it('end after `seconds`, by the given clock', async () => {
    let now = 0
    const { login, sim } = await simulate({ now: () => now })
    sim.failLogin({ status: 404, seconds: 16 })
    now = 15_999
    expect([(await login()).status, (await login()).status]).toEqual([404, 404])
    now = 16_000
    expect((await login()).status).toBe(200)
    sim.failLogin({ status: 404, seconds: 16, times: 1 })
    expect([(await login()).status, (await login()).status]).toEqual([404, 200])
  })

  // Tests of the proxy rely on the number of executed calls.
  it.each([
    [{ status: 500 }, 1],
    [{ status: 500, executed: false }, 0],
    [{ status: 401 }, 0],
    [{ status: 403 }, 0],
  ])('respond to a business call with %j and execute %i of it', async (failure, executed) => {
    const { tasks, sim, token } = await loggedIn()
    sim.failBusiness(failure)
    expect((await tasks(token)).status).toBe(failure.status)
    expect(sim.state().business).toBe(executed)
  })

  it.each([
    ['before-head', true, 'in the head'],
    ['after-head', false, 'in the body'],
    ['mid-body', false, 'in the body'],
  ] as const)('lose the connection %s of an executed login', async (at, reset, where) => {
    const { sim } = await simulate()
    sim.reset({ operation: 'login', at })
    const client = await connectRaw(sim)
    await client.send(LOGIN)
    await expect(client.read()).rejects.toThrow(where)
    expect((await client.closed()).reset).toBe(reset)
    expect(client.received() > 0).toBe(!reset)
    expect(sim.state().logins).toBe(1)
  })

  it('drop every connection', async () => {
    const { sim } = await simulate()
    const client = await connectRaw(sim)
    await until(() => sim.state().sockets === 1)
    expect(sim.disconnect()).toBe(1)
    await client.closed()
  })
})

describe('the control port', () => {
  it('runs the commands of the object, and shows its state', async () => {
    const { control, granted, login, tasks, sim } = await simulate()
    expect((await control('failLogin', { status: 503, times: 1 })).json).toEqual({
      done: 'failLogin',
      value: null,
    })
    expect((await login()).status).toBe(503)
    await tasks((await granted()).token)
    expect((await control('revoke')).json['value']).toBe(1)
    await control('set', { tokenLifetime: 'soon', rejection: 'result' })
    expect(sim.switches).toMatchObject({ tokenLifetime: 'soon', rejection: 'result' })
    const state = (await call(`${sim.controlUrl}/state`)).json
    expect(state).toEqual({ ...sim.state(), sockets: expect.any(Number) })
    const requests = (await call(`${sim.controlUrl}/requests`)).json
    expect(requests).toEqual(sim.requests())
    expect(requests).toHaveLength(1)
  })

  it.each([
    ['failLogin', {}, 'status is missing'],
    ['failLogin', { status: 500, times: 0 }, 'times cannot be 0'],
    ['hang', { operation: 'tea' }, 'operation cannot be "tea"'],
    ['badToken', { kind: 'toString' }, 'kind cannot be "toString"'],
    ['hang', { operation: 'login', toString: 1 }, 'toString is not known'],
    ['set', { nonsense: 1 }, 'nonsense is not known'],
    ['set', { rejection: 200 }, 'rejection cannot be 200'],
    ['revoke', '[]', 'the body is not a JSON object'],
    ['revoke', '{', 'the body is not a JSON object'],
  ])('refuses %s %j: %s', async (name, body, error) => {
    const { control } = await simulate()
    expect(await control(name, body)).toMatchObject({ status: 400, json: { error } })
  })
})
