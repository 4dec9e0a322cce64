import { describe, expect, it } from 'vitest'
import { REFRESH_PATH } from '../../simulator/index.ts'
import type { changeSwitches } from '../../simulator/switches.ts'
import { grantOf, loggedIn, simulate } from './caller.ts'

describe('login', () => {
  it.each([
    [{}, 403, '{"result":403}'],
    [{ loginRejection: 400 }, 400, '{"result":400}'],
    [{ loginRejection: 'result' }, 200, '{"result":7}'],
    [{ loginRejection: 500, rejectionBody: 'html' }, 500, expect.stringContaining('<html>')],
    [{ loginRejection: 500, rejectionBody: 'empty' }, 500, ''],
  ] as const)('with %j refuses a wrong password with %s, %s', async (switches, status, text) => {
    const { login, sim } = await simulate({ switches })
    expect(await login('wrong')).toMatchObject({ status, text })
    expect(sim.state()).toMatchObject({ logins: 0, loginsRejected: 1, wrongPasswords: 1 })
  })
})

describe('the account is locked', () => {
  /** How each login ends, at its second; the password is right or wrong. */
  const ends = async (
    switches: Parameters<typeof changeSwitches>[0],
    logins: readonly (readonly [second: number, password: 'right' | 'wrong', status: number])[],
  ) => {
    let now = 0
    const { login, sim } = await simulate({ switches, now: () => now })
    for (const [second, password, status] of logins) {
      now = second * 1000
      const given = password === 'right' ? sim.switches.password : password
      expect([second, (await login(given)).status]).toEqual([second, status])
    }
    return sim
  }

  it('after wrong passwords in a row until it is unlocked, or within a window for a while', async () => {
    const row = await ends({ lockAfter: 2, lockPolicy: 'row' }, [
      [0, 'wrong', 403],
      [1, 'right', 200],
      [2, 'wrong', 403],
      [3, 'wrong', 401],
      [90_000, 'right', 401],
    ])
    expect(row.state()).toMatchObject({ locks: 1, locked: true })
    row.unlock()
    expect(row.state().locked).toBe(false)
    const switches = { lockAfter: 2, lockPolicy: 'window', lockWindow: 900, lockLasts: 60 } as const
    const window = await ends(switches, [
      [0, 'wrong', 403],
      [899.999, 'right', 200],
      [899.999, 'wrong', 401],
      [959.998, 'right', 401],
      [959.999, 'right', 200],
      // The window is over.
      [1799.999, 'wrong', 403],
    ])
    expect(window.state()).toMatchObject({ locks: 1, locked: false })
  })

  it('by either policy unless one is chosen, and never with lockAfter 0', async () => {
    await ends({ lockAfter: 2 }, [
      [0, 'wrong', 403],
      [1, 'right', 200],
      [2, 'wrong', 401],
      [902, 'wrong', 401],
      [2000, 'right', 401],
    ])
    const wrong = Array.from({ length: 9 }, (_, second) => [second, 'wrong', 403] as const)
    expect((await ends({ lockAfter: 0 }, wrong)).state()).toMatchObject({ locks: 0 })
  })
})

describe('a token', () => {
  it('is good until its life ends, by the clock that was passed in', async () => {
    let now = 0
    const switches = { tokenLifetime: 20, refreshLifetime: 60 }
    const { granted, tasks, refresh, sim, token, refreshToken } = await loggedIn({
      switches,
      now: () => now,
    })
    sim.set({ tokenLives: 1 })
    const short = await granted()
    sim.set({ tokenLives: null, tokenLifetime: 'soon' })
    const unread = await granted()
    const statusAt = async (instant: number, good: string) => {
      now = instant
      return (await tasks(good)).status
    }
    expect([await statusAt(999, short.token), await statusAt(1000, short.token)]).toEqual([
      200, 401,
    ])
    expect([await statusAt(19_999, token), await statusAt(20_000, token)]).toEqual([200, 401])
    now = 60_000
    expect((await refresh(refreshToken)).status).toBe(403)
    expect(await statusAt(299_999, unread.token)).toBe(200)
    expect(await statusAt(300_000, unread.token)).toBe(401)
  })

  it.each([
    ['extended', 20, 30_000],
    ['remaining', 10, 20_000],
    ['unextended', 20, 20_000],
  ] as const)('comes back %s from a second login', async (sameToken, said, end) => {
    let now = 0
    const switches = { sameToken, tokenLifetime: 20 }
    const { login, granted, tasks } = await simulate({ switches, now: () => now })
    const first = await granted()
    now = 10_000
    const second = await login()
    expect(grantOf(second)).toEqual(first)
    expect(second.json.resultData?.['tokenExpirationTime']).toBe(said)
    now = end - 1
    expect((await tasks(first.token)).status).toBe(200)
    now = end
    expect((await tasks(first.token)).status).toBe(401)
    expect((await granted()).token).not.toBe(first.token)
  })

  it('stands where each edition wants it, or where a switch says, after the scheme in any case', async () => {
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
    sim.adopt({ token: 'mine' })
    sim.set({ edition: 'english' })
    expect((await tasks('mine')).status).toBe(200)
    sim.set({ scheme: 'bearEr' })
    expect((await tasks('mine')).status).toBe(200)
    sim.set({ scheme: 'Token' })
    expect((await tasks('mine')).status).toBe(401)
  })
})

describe('refresh', () => {
  it('leaves the old token its life and the refresh token its use, unless switched otherwise', async () => {
    const { refresh, tasks, sim, token, refreshToken } = await loggedIn()
    const next = grantOf(await refresh(refreshToken))
    expect([next.token === token, next.refreshToken]).toEqual([false, refreshToken])
    expect([(await tasks(token)).status, (await tasks(next.token)).status]).toEqual([200, 200])
    sim.set({ rotate: true, refreshEndsOld: true })
    const last = grantOf(await refresh(refreshToken))
    expect(last.refreshToken).not.toBe(refreshToken)
    expect((await refresh(refreshToken)).status).toBe(403)
    expect([(await tasks(next.token)).status, (await tasks(last.token)).status]).toEqual([401, 200])
    expect((await refresh(last.refreshToken)).status).toBe(200)
    expect(sim.state()).toMatchObject({ refreshes: 3, refreshesRejected: 1, logins: 1 })
  })

  it('requires a header with either token unless switched off, or takes the refresh token from it alone', async () => {
    const { post, refresh, sim, token, refreshToken } = await loggedIn()
    expect((await refresh(refreshToken, {})).status).toBe(403)
    expect((await refresh(refreshToken, { authentication: 'Bearer other' })).status).toBe(403)
    expect((await refresh(refreshToken, { authentication: `Bearer ${token}` })).status).toBe(200)
    sim.set({ refreshHeader: false })
    expect((await refresh(refreshToken, {})).status).toBe(200)
    sim.set({ refreshBody: false })
    const authentication = `Bearer ${refreshToken}`
    expect((await post(REFRESH_PATH, undefined, { authentication })).status).toBe(200)
    expect((await refresh(refreshToken, { authentication: `Bearer ${token}` })).status).toBe(403)
  })

  it.each([
    [undefined, 403, 403],
    [5, 400, 400],
    [null, 'result', 200],
    ['unknown', 401, 401],
  ] as const)('refuses the refresh token %j with %s', async (refreshToken, how, status) => {
    const { post } = await simulate({ switches: { refreshRejection: how } })
    const response = await post(REFRESH_PATH, { refreshToken }, { authentication: 'Bearer x' })
    expect(response.status).toBe(status)
  })
})
