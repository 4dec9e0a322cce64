import { describe, expect, it } from 'vitest'
import { createSimulator } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { simulate } from './caller.ts'

describe('the control port', () => {
  it('does what the object does', async () => {
    const { control, login, sim } = await simulate()
    expect((await control('failLogin', { status: 503, times: 1 })).json).toEqual({
      done: 'failLogin',
      value: null,
    })
    expect((await login()).status).toBe(503)
    await login()
    expect((await control('revoke')).json['value']).toBe(1)
    expect(sim.state().revoked).toBe(1)
    await control('set', { tokenLifetime: 'soon', rejection: 'result' })
    expect(sim.switches).toMatchObject({ tokenLifetime: 'soon', rejection: 'result' })
  })

  it.each([
    ['revokeRefresh', {}],
    ['wrongPassword', { password: 'x' }],
    ['unlock', {}],
    ['failRefresh', { status: 500, body: [], contentType: 'text/plain', retryAfter: '1' }],
    ['failBusiness', { status: 500, executed: false, times: 'always' }],
    ['hang', { operation: 'business', times: 2 }],
    ['release', {}],
    ['blackHole', { seconds: 1 }],
    ['reset', { operation: 'login', at: 'mid-body' }],
    ['slow', { operation: 'login', ms: 1 }],
    ['html', { operation: 'refresh' }],
    ['hugeBody', { operation: 'refresh' }],
    ['truncatedJson', { operation: 'refresh' }],
    ['redirect', { operation: 'refresh', location: '/' }],
    ['answerLogin', { body: null, seconds: 1 }],
    ['badToken', { kind: 'crlf', operation: 'refresh' }],
    ['adopt', { token: 'x' }],
    ['clear', {}],
    ['disconnect', {}],
    ['down', {}],
    ['up', {}],
  ])('knows %s', async (name, body) => {
    const { control } = await simulate()
    expect(await control(name, body)).toMatchObject({ status: 200, json: { done: name } })
  })

  it.each([
    ['failLogin', {}, 'status is missing'],
    ['failLogin', { status: 99 }, 'status cannot be 99'],
    ['failLogin', { status: 500, times: 0 }, 'times cannot be 0'],
    ['hang', { operation: 'tea' }, 'operation cannot be "tea"'],
    ['reset', { operation: 'login', at: 'dawn' }, 'at cannot be "dawn"'],
    ['badToken', { kind: 'toString' }, 'kind cannot be "toString"'],
    ['hang', { operation: 'login', toString: 1 }, 'toString is not known'],
    ['set', { nonsense: 1 }, 'nonsense is not known'],
    ['set', { rejection: 200 }, 'rejection cannot be 200'],
    ['set', { latency: -1 }, 'latency cannot be -1'],
    ['set', { omit: 'token' }, 'omit cannot be "token"'],
    ['set', { edition: 'latin' }, 'edition cannot be "latin"'],
    ['revoke', '[]', 'the body is not a JSON object'],
    ['revoke', '{', 'the body is not a JSON object'],
  ])('refuses %s %j: %s', async (name, body, error) => {
    const { control } = await simulate()
    expect(await control(name, body)).toMatchObject({ status: 400, json: { error } })
  })

  it('responds 404 and 405 to what is not there', async () => {
    const { control, sim } = await simulate()
    expect((await control('toString')).status).toBe(404)
    expect((await control('revoke/twice')).status).toBe(404)
    expect((await call(`${sim.controlUrl}/revoke`)).status).toBe(405)
    expect((await call(sim.controlUrl.replace('/control', '/other'))).status).toBe(404)
  })

  it('shows the state and the requests that were executed', async () => {
    const { granted, tasks, sim } = await simulate()
    await tasks((await granted()).token)
    const state = (await call(`${sim.controlUrl}/state`)).json
    expect(state).toEqual({ ...sim.state(), sockets: expect.any(Number) })
    const requests = (await call(`${sim.controlUrl}/requests`)).json
    expect(requests).toEqual(sim.requests())
    expect(requests).toHaveLength(1)
  })

  it('does not start with a switch that has none of its values', async () => {
    const switches = { lockAfter: 'never' } as never
    await expect(createSimulator({ switches })).rejects.toThrow('lockAfter cannot be "never"')
  })
})
