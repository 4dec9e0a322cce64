import { describe, expect, it } from 'vitest'
import { BAD_TOKENS, INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import type { BadToken } from '../../simulator/index.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { loggedIn, simulate } from './caller.ts'

const CREDENTIALS = JSON.stringify({ user: 'obs', passwd: 'simulated-password' })
const LOGIN = `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: ${CREDENTIALS.length}\r\n\r\n${CREDENTIALS}`

describe('faults', () => {
  it('fail as often as `times` says, in the order given, until cleared', async () => {
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

  it('keep login, refresh and business apart', async () => {
    const { granted, refresh, tasks, sim } = await simulate()
    sim.failRefresh({ status: 404 })
    sim.failBusiness({ status: 500 })
    const { token, refreshToken } = await granted()
    expect((await refresh(refreshToken)).status).toBe(404)
    expect((await refresh(refreshToken)).status).toBe(200)
    expect((await tasks(token)).status).toBe(500)
    expect((await tasks(token)).status).toBe(200)
  })

  it.each([
    [500, 1],
    [401, 0],
    [403, 0],
  ])('respond to a business call with %i and execute %i of it', async (status, executed) => {
    const { tasks, sim, token } = await loggedIn()
    sim.failBusiness({ status })
    expect((await tasks(token)).status).toBe(status)
    expect(sim.state()).toMatchObject({ business: executed, businessRejected: 1 - executed })
  })

  it('respond with any body and type', async () => {
    const { tasks, sim } = await simulate()
    sim.failBusiness({ status: 200, body: { result: 7 }, executed: false })
    expect(await tasks('none')).toMatchObject({ status: 200, json: { result: 7 } })
    sim.failBusiness({ status: 502, body: '<b>bad</b>', contentType: 'text/html' })
    const { text, header } = await tasks('none')
    expect([text, header('content-type')]).toEqual(['<b>bad</b>', 'text/html'])
    sim.failBusiness({ status: 500, body: undefined })
    expect((await tasks('none')).text).toBe('')
  })

  it('respond to a login with anything', async () => {
    const { login, sim } = await simulate()
    for (const body of [null, 5, 'text', [], { result: 0 }, { result: 'x', resultData: [] }]) {
      sim.answerLogin({ body })
      const { status, text } = await login()
      expect([status, text]).toEqual([200, typeof body === 'string' ? body : JSON.stringify(body)])
    }
    expect(sim.state()).toMatchObject({ loginAttempts: 6, logins: 0 })
  })

  it.each(Object.keys(BAD_TOKENS) as BadToken[])('give a token that is %s', async (kind) => {
    const { login, sim } = await simulate()
    sim.badToken({ kind })
    expect((await login()).json.resultData?.['token']).toEqual(BAD_TOKENS[kind])
    expect((await login()).json.resultData?.['token']).not.toEqual(BAD_TOKENS[kind])
  })

  it('give a bad token from a refresh', async () => {
    const { refresh, sim, refreshToken } = await loggedIn()
    sim.badToken({ kind: 'crlf', operation: 'refresh' })
    expect((await refresh(refreshToken)).json.resultData?.['token']).toBe(BAD_TOKENS.crlf)
  })

  it('hang until released', async () => {
    const { tasks, sim, token } = await loggedIn()
    sim.hang({ operation: 'business' })
    const hanging = tasks(token)
    await until(() => sim.state().hanging === 1)
    expect(sim.state().business).toBe(1)
    expect((await tasks(token)).status).toBe(200)
    expect(sim.release()).toBe(1)
    expect((await hanging).status).toBe(200)
  })

  it('ignore calls of every operation until the client leaves', async () => {
    const { granted, sim } = await simulate()
    await granted()
    sim.blackHole({ times: 1 })
    const client = await connectRaw(sim)
    await client.send(LOGIN)
    await until(() => sim.state().loginAttempts === 2)
    expect(sim.state()).toMatchObject({ logins: 1, inFlight: 1, faultsWaiting: 2 })
    client.destroy()
    await until(() => sim.state().inFlight === 0)
    expect(sim.state().aborted).toBe(1)
  })

  it('forget a hanging call whose client is gone', async () => {
    const { sim } = await simulate()
    sim.hang({ operation: 'login' })
    const client = await connectRaw(sim)
    await client.send(LOGIN)
    await until(() => sim.state().hanging === 1)
    client.destroy()
    await until(() => sim.state().hanging === 0)
    expect(sim.release()).toBe(0)
    expect(sim.state()).toMatchObject({ aborted: 1, logins: 1 })
  })

  it.each([
    ['before-head', true, 'in the head'],
    ['after-head', false, 'in the body'],
    ['mid-body', false, 'in the body'],
  ] as const)('lose the connection %s', async (at, reset, where) => {
    const { sim } = await simulate()
    sim.reset({ operation: 'login', at })
    const client = await connectRaw(sim)
    await client.send(LOGIN)
    await expect(client.read()).rejects.toThrow(where)
    expect((await client.closed()).reset).toBe(reset)
    expect(client.received() > 0).toBe(!reset)
    expect(sim.state().logins).toBe(1)
  })

  it('are slow', async () => {
    const { login, sim } = await simulate()
    sim.slow({ operation: 'login', ms: 60 })
    const before = performance.now()
    expect((await login()).status).toBe(200)
    expect(performance.now() - before).toBeGreaterThan(55)
  })

  it('send a page where JSON belongs, with 200 or another status', async () => {
    const { login, sim } = await simulate()
    sim.html({ operation: 'login' })
    const { status, header, text } = await login()
    expect([status, header('content-type')]).toEqual([200, 'text/html'])
    expect(text).toMatch(/^<!DOCTYPE html>/)
    sim.html({ operation: 'login', status: 403 })
    expect(await login()).toMatchObject({ status: 403, text })
  })

  it('end after so many seconds, by the clock that was passed in', async () => {
    let now = 0
    const { login, sim } = await simulate({ now: () => now })
    sim.failLogin({ status: 404, seconds: 16 })
    now = 15_999
    expect((await login()).status).toBe(404)
    expect((await login()).status).toBe(404)
    now = 16_000
    expect((await login()).status).toBe(200)
    sim.failLogin({ status: 404, seconds: 16, times: 1 })
    expect((await login()).status).toBe(404)
    expect((await login()).status).toBe(200)
  })

  it('send over 64 KiB of valid JSON', async () => {
    const { login, tasks, sim } = await simulate()
    sim.hugeBody({ operation: 'login' })
    const { text, json } = await login()
    expect(text.length).toBeGreaterThan(64 * 1024)
    expect((await tasks(String(json.resultData?.['token']))).status).toBe(200)
  })

  it('cut JSON in the middle, in whole HTTP', async () => {
    const { login, sim } = await simulate()
    sim.truncatedJson({ operation: 'login' })
    const { status, text } = await login()
    expect(status).toBe(200)
    expect(text).toMatch(/^\{"result":0,/)
    expect(() => JSON.parse(text) as unknown).toThrow('JSON')
  })

  it('redirect', async () => {
    const { login, post, sim } = await simulate()
    sim.redirect({ operation: 'login' })
    sim.redirect({ operation: 'refresh', location: 'https://elsewhere.example/' })
    expect((await login()).header('location')).toBe('/elsewhere')
    const { status, header } = await post(REFRESH_PATH, {})
    expect([status, header('location')]).toEqual([302, 'https://elsewhere.example/'])
    expect(sim.state()).toMatchObject({ logins: 0, refreshAttempts: 1 })
  })

  it('change the password', async () => {
    const { login, sim } = await simulate()
    const old = sim.switches.password
    sim.wrongPassword()
    expect((await login(old)).status).toBe(403)
    sim.wrongPassword({ password: 'next' })
    expect((await login('next')).status).toBe(200)
  })

  it('spoil the streamed responses, too', async () => {
    const { business, sim, token } = await loggedIn()
    sim.failBusiness({ status: 401 })
    const path = INTERFACE_PATHS.getTask.replace('business/tasks', 'echo?bytes=9')
    expect((await business(path, token, {})).status).toBe(401)
    expect((await business(path, token, {})).text).toHaveLength(9)
    sim.reset({ operation: 'business', at: 'mid-body' })
    await expect(business(path, token, {})).rejects.toThrow('aborted')
  })

  it('can execute a login and respond that it failed', async () => {
    const { login, sim } = await simulate()
    sim.failLogin({ status: 500, executed: true })
    expect((await login()).status).toBe(500)
    expect(sim.state().logins).toBe(1)
  })
})
