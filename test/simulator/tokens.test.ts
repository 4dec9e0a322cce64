import { describe, expect, it } from 'vitest'
import { REFRESH_PATH } from '../../simulator/index.ts'
import { grantOf, loggedIn, simulate } from './caller.ts'

describe('a token', () => {
  it('is good until its life ends, by the clock that was passed in', async () => {
    let now = 0
    const switches = { tokenLifetime: 20, refreshLifetime: 60 }
    const { tasks, refresh, token, refreshToken } = await loggedIn({ switches, now: () => now })
    now = 19_999
    expect((await tasks(token)).status).toBe(200)
    now = 20_000
    expect((await tasks(token)).status).toBe(401)
    now = 59_999
    expect((await refresh(refreshToken)).status).toBe(200)
    now = 59_999 + 60_000
    expect((await refresh(refreshToken)).status).toBe(403)
  })

  it('can live shorter than was said, and 300 s when that cannot be read', async () => {
    let now = 0
    const { granted, tasks, sim } = await simulate({ now: () => now })
    sim.set({ tokenLives: 1 })
    const short = await granted()
    sim.set({ tokenLives: null, tokenLifetime: 'soon' })
    const unread = await granted()
    now = 1000
    expect((await tasks(short.token)).status).toBe(401)
    now = 299_999
    expect((await tasks(unread.token)).status).toBe(200)
    now = 300_000
    expect((await tasks(unread.token)).status).toBe(401)
  })

  it.each([
    [401, 401],
    [403, 403],
    ['result', 200],
  ] as const)('that was revoked is refused with %s', async (rejection, status) => {
    const { tasks, refresh, sim, token, refreshToken } = await loggedIn({ switches: { rejection } })
    expect(sim.revoke()).toBe(1)
    expect(await tasks(token)).toMatchObject({
      status,
      json: { result: rejection === 'result' ? 7 : rejection },
    })
    expect(sim.state()).toMatchObject({ revoked: 1, businessRejected: 1, business: 0 })
    expect((await refresh(refreshToken)).status).toBe(200)
  })

  it.each([
    ['extended', 20, 30_000, 200],
    ['remaining', 10, 20_000, 401],
    ['unextended', 20, 20_000, 401],
  ] as const)('comes back %s from a second login', async (sameToken, said, at, status) => {
    let now = 0
    const switches = { sameToken, tokenLifetime: 20 }
    const { login, granted, tasks } = await simulate({ switches, now: () => now })
    const first = await granted()
    now = 10_000
    const second = await login()
    expect(grantOf(second)).toEqual(first)
    expect(second.json.resultData?.['tokenExpirationTime']).toBe(said)
    now = at - 1
    expect((await tasks(first.token)).status).toBe(200)
    now = at
    expect((await tasks(first.token)).status).toBe(sameToken === 'extended' ? 401 : status)
    expect((await granted()).token).not.toBe(first.token)
  })

  it('stands where each edition wants it, or where a switch says', async () => {
    const { tasks, sim, token, refreshToken } = await loggedIn()
    const tried = async () => [
      (await tasks(token, 'Authorization')).status,
      (await tasks(refreshToken, 'Authorization')).status,
      (await tasks(token, 'Authentication')).status,
      (await tasks(refreshToken, 'Authentication')).status,
    ]
    expect(await tried()).toEqual([200, 401, 401, 401])
    sim.set({ edition: 'chinese' })
    expect(await tried()).toEqual([401, 401, 401, 200])
    sim.set({ businessToken: 'token' })
    expect(await tried()).toEqual([401, 401, 200, 401])
    sim.set({ acceptHeaders: ['Authorization', 'Authentication'] })
    expect(await tried()).toEqual([200, 401, 200, 401])
    sim.revoke()
    sim.set({ edition: 'chinese', businessToken: null })
    expect(await tried()).toEqual([401, 401, 401, 401])
  })

  it('needs the scheme that is set, in any case, or none', async () => {
    const { post, sim, token } = await loggedIn({ switches: { scheme: 'Token' } })
    const ask = async (authorization: string) =>
      (await post('/rest/isales/v1/openapi/obs/business/tasks', {}, { authorization })).status
    expect(await ask(`token ${token}`)).toBe(200)
    expect(await ask(`Bearer ${token}`)).toBe(401)
    sim.set({ scheme: '' })
    expect(await ask(token)).toBe(200)
  })

  it('can be made good without a login', async () => {
    const { tasks, sim } = await simulate()
    sim.adopt({ token: 'mine' })
    expect((await tasks('mine')).status).toBe(200)
  })
})

describe('refresh', () => {
  it('responds as login does, and leaves the old token its life', async () => {
    const { refresh, tasks, sim, token, refreshToken } = await loggedIn()
    const next = grantOf(await refresh(refreshToken))
    expect(next.token).not.toBe(token)
    expect(next.refreshToken).toBe(refreshToken)
    expect((await tasks(token)).status).toBe(200)
    expect((await tasks(next.token)).status).toBe(200)
    expect(sim.state()).toMatchObject({ refreshes: 1, refreshAttempts: 1, logins: 1 })
  })

  it('ends the old token when switched so', async () => {
    const { refresh, tasks, token, refreshToken } = await loggedIn({
      switches: { refreshEndsOld: true },
    })
    await refresh(refreshToken)
    expect((await tasks(token)).status).toBe(401)
  })

  it('takes a refresh token once when it rotates', async () => {
    const { refresh, sim, refreshToken } = await loggedIn({ switches: { rotate: true } })
    const next = grantOf(await refresh(refreshToken))
    expect(next.refreshToken).not.toBe(refreshToken)
    expect((await refresh(refreshToken)).status).toBe(403)
    expect((await refresh(next.refreshToken)).status).toBe(200)
    expect(sim.state().refreshesRejected).toBe(1)
  })

  it('requires a header with either token, unless switched off', async () => {
    const { refresh, sim, token, refreshToken } = await loggedIn()
    expect((await refresh(refreshToken, {})).status).toBe(403)
    expect((await refresh(refreshToken, { authentication: 'Bearer other' })).status).toBe(403)
    expect((await refresh(refreshToken, { authentication: `Bearer ${token}` })).status).toBe(200)
    sim.set({ refreshHeader: false })
    expect((await refresh(refreshToken, {})).status).toBe(200)
  })

  it('reads the refresh token from the header alone when switched so', async () => {
    const { post, refresh, token, refreshToken } = await loggedIn({
      switches: { refreshBody: false },
    })
    expect((await refresh('ignored', { authentication: `Bearer ${token}` })).status).toBe(403)
    const authentication = `Bearer ${refreshToken}`
    expect((await post(REFRESH_PATH, undefined, { authentication })).status).toBe(200)
  })

  it.each([
    [400, 400],
    ['result', 200],
  ] as const)('refuses with %s after the refresh tokens were revoked', async (how, status) => {
    const { refresh, tasks, sim, token, refreshToken } = await loggedIn({
      switches: { refreshRejection: how },
    })
    expect(sim.revokeRefresh()).toBe(1)
    expect((await refresh(refreshToken)).status).toBe(status)
    expect((await tasks(token)).status).toBe(200)
  })

  it.each([[undefined], [5], [null], ['unknown']])(
    'refuses the refresh token %j',
    async (refreshToken) => {
      const { post } = await simulate()
      const response = await post(REFRESH_PATH, { refreshToken }, { authentication: 'Bearer x' })
      expect(response.status).toBe(403)
    },
  )
})
