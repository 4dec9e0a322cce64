import { describe, expect, it } from 'vitest'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { simulate } from './caller.ts'

describe('login', () => {
  it('responds as published', async () => {
    const { login, sim } = await simulate()
    const { status, json } = await login()
    expect(status).toBe(200)
    expect(json).toEqual({
      result: 0,
      resultData: {
        token: expect.any(String),
        tokenExpirationTime: 300,
        refreshToken: expect.any(String),
        refreshExpirationTime: 3600,
      },
    })
    expect(sim.state()).toMatchObject({ logins: 1, loginAttempts: 1, loginsRejected: 0 })
    expect(sim.issued()).toEqual([json.resultData?.['token'], json.resultData?.['refreshToken']])
  })

  it.each([
    [403, 403, { result: 403 }],
    [400, 400, { result: 400 }],
    ['result', 200, { result: 7 }],
  ] as const)('refuses a wrong password with %s', async (loginRejection, status, json) => {
    const { login, sim } = await simulate({ switches: { loginRejection } })
    expect(await login('wrong')).toMatchObject({ status, json })
    expect(sim.state()).toMatchObject({ logins: 0, loginsRejected: 1, wrongPasswords: 1 })
  })

  it('refuses an unknown user, and locks nobody for it', async () => {
    const { login, sim } = await simulate({ switches: { lockAfter: 1 } })
    expect((await login('x', 'nobody')).status).toBe(403)
    expect(sim.state()).toMatchObject({ loginsRejected: 1, wrongPasswords: 0, locks: 0 })
  })

  it.each([
    ['no JSON', 'POST', 'nonsense'],
    ['a list', 'POST', '[]'],
    ['a GET', 'GET', undefined],
    ['a body over 1 MiB', 'POST', JSON.stringify({ user: 'x'.repeat(1024 * 1024) })],
  ])('refuses %s with 400', async (_, method, body) => {
    const { sim } = await simulate()
    const calling = { method, ...(body === undefined ? {} : { body }) }
    expect((await call(sim.origin + LOGIN_PATH, calling)).status).toBe(400)
  })

  it('locks the account after wrong passwords in a row, until it is unlocked', async () => {
    const { login, sim } = await simulate({ switches: { lockAfter: 2, lockPolicy: 'row' } })
    await login('wrong')
    await login()
    await login('wrong')
    expect(sim.state()).toMatchObject({ locks: 0, locked: false })
    await login('wrong')
    expect(sim.state()).toMatchObject({ locks: 1, locked: true })
    expect((await login()).status).toBe(401)
    await login('wrong')
    expect(sim.state().locks).toBe(1)
    sim.unlock()
    expect((await login()).status).toBe(200)
  })

  it('locks the account for a while after wrong passwords within a window', async () => {
    let now = 0
    const switches = { lockAfter: 2, lockPolicy: 'window', lockWindow: 900, lockLasts: 60 } as const
    const { login, sim } = await simulate({ switches, now: () => now })
    await login('wrong')
    now = 899_999
    expect((await login()).status).toBe(200)
    await login('wrong')
    expect(sim.state()).toMatchObject({ locks: 1, locked: true })
    now += 59_999
    expect((await login()).status).toBe(401)
    now += 1
    expect((await login()).status).toBe(200)
  })

  it('forgets a wrong password when the window is over', async () => {
    let now = 0
    const switches = { lockAfter: 2, lockPolicy: 'window' } as const
    const { login, sim } = await simulate({ switches, now: () => now })
    await login('wrong')
    now = 900_000
    await login('wrong')
    expect(sim.state().locks).toBe(0)
  })

  it('locks by either policy unless one is chosen', async () => {
    let now = 0
    const { login, sim } = await simulate({ switches: { lockAfter: 2 }, now: () => now })
    await login('wrong')
    await login()
    await login('wrong')
    expect(sim.state().locked).toBe(true)
    now = 900_000
    expect(sim.state().locked).toBe(false)
    await login('wrong')
    now = 2_000_000
    expect((await login()).status).toBe(401)
  })

  it.each([
    ['json', 'application/json;charset=UTF-8', '{"result":500}'],
    ['html', 'text/html', expect.stringContaining('<html>')],
    ['empty', undefined, ''],
  ] as const)('refuses a wrong password with a body of %s', async (rejectionBody, type, text) => {
    const { login } = await simulate({ switches: { loginRejection: 500, rejectionBody } })
    const response = await login('wrong')
    expect(response).toMatchObject({ status: 500, text })
    expect(response.header('content-type')).toBe(type)
  })

  it('never locks with lockAfter 0', async () => {
    const { login, sim } = await simulate({ switches: { lockAfter: 0 } })
    for (let attempt = 0; attempt < 20; attempt += 1) await login('wrong')
    expect(sim.state()).toMatchObject({ locks: 0, wrongPasswords: 20 })
  })

  it.each([['300'], ['soon'], [null], [0], [-5], [1e12], [[1]]])(
    'says that a token lives %j',
    async (tokenLifetime) => {
      const { login } = await simulate({ switches: { tokenLifetime } })
      expect((await login()).json.resultData?.['tokenExpirationTime']).toEqual(tokenLifetime)
    },
  )

  it('leaves out what `omit` names, and writes the result as text', async () => {
    const switches = { omit: ['refreshToken', 'tokenExpirationTime'], resultAs: 'string' } as const
    const { login, sim } = await simulate({ switches })
    const { json } = await login()
    expect(json.result).toBe('0')
    expect(Object.keys(json.resultData ?? {})).toEqual(['token', 'refreshExpirationTime'])
    sim.set({ omit: ['resultData'] })
    expect((await login()).json).toEqual({ result: '0' })
  })

  it('ends the first session with a second login when only one is allowed', async () => {
    const { granted, tasks, refresh, sim } = await simulate()
    const first = await granted()
    await granted()
    expect((await tasks(first.token)).status).toBe(200)
    sim.set({ singleSession: true })
    const third = await granted()
    expect((await tasks(first.token)).status).toBe(401)
    expect((await refresh(first.refreshToken)).status).toBe(403)
    expect((await tasks(third.token)).status).toBe(200)
  })
})
