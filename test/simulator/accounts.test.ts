import { describe, expect, it } from 'vitest'
import type { changeSwitches } from '../../simulator/switches.ts'
import { grantOf, loggedIn, simulate } from './caller.ts'

// Forms of the token and of refreshes are in test/cli/live-check.test.ts.

/** Logins as `SECOND PASSWORD STATUS`. */
const NEVER = Array.from({ length: 9 }, (_, second) => `${second} wrong 403`)

it.each<[Parameters<typeof changeSwitches>[0], logins: readonly string[], state: object]>([
  [
    { lockAfter: 2, lockPolicy: 'row' },
    ['0 wrong 403', '1 right 200', '2 wrong 403', '3 wrong 401', '90000 right 401'],
    { locks: 1, locked: true },
  ],
  [
    { lockAfter: 2, lockPolicy: 'window', lockWindow: 900, lockLasts: 60 },
    // The last login is after the window.
    [
      '0 wrong 403',
      '899.999 right 200',
      '899.999 wrong 401',
      '959.998 right 401',
      '959.999 right 200',
      '1799.999 wrong 403',
    ],
    { locks: 1, locked: false },
  ],
  // Without a policy, either of them locks.
  [
    { lockAfter: 2 },
    ['0 wrong 403', '1 right 200', '2 wrong 401', '902 wrong 401', '2000 right 401'],
    { locked: true },
  ],
  [{ lockAfter: 0 }, NEVER, { locks: 0, wrongPasswords: 9 }],
])('the account is locked by %j', async (switches, logins, state) => {
  let now = 0
  const { login, sim } = await simulate({ switches, now: () => now })
  for (const each of logins) {
    const [second, password = ''] = each.split(' ')
    now = Number(second) * 1000
    const { status } = await login(password === 'right' ? sim.switches.password : password)
    expect(`${second} ${password} ${status}`).toBe(each)
  }
  expect(sim.state()).toMatchObject(state)
  sim.unlock()
  expect(sim.state().locked).toBe(false)
})

describe('a token', () => {
  it('is valid until it expires, by the given clock', async () => {
    let now = 0
    const switches = { tokenLifetime: 20, refreshLifetime: 60 }
    const client = await loggedIn({ switches, now: () => now })
    const { granted, tasks, refresh, sim, token, refreshToken } = client
    sim.set({ tokenLives: 1 })
    const short = await granted()
    sim.set({ tokenLives: null, tokenLifetime: 'soon' })
    const unread = await granted()
    for (const [end, good] of [
      [1000, short.token],
      [20_000, token],
      [300_000, unread.token],
    ] as const) {
      now = end - 1
      expect((await tasks(good)).status).toBe(200)
      now = end
      expect((await tasks(good)).status).toBe(401)
    }
    expect((await refresh(refreshToken)).status).toBe(403)
  })

  it.each([
    ['extended', 20, 30_000],
    ['remaining', 10, 20_000],
    ['unextended', 20, 20_000],
  ] as const)('is %s by a second login', async (sameToken, stated, end) => {
    let now = 0
    const switches = { sameToken, tokenLifetime: 20 }
    const { login, granted, tasks } = await simulate({ switches, now: () => now })
    const first = await granted()
    now = 10_000
    const second = await login()
    expect(grantOf(second)).toEqual(first)
    expect(second.json.resultData?.['tokenExpirationTime']).toBe(stated)
    now = end - 1
    expect((await tasks(first.token)).status).toBe(200)
    now = end
    expect((await tasks(first.token)).status).toBe(401)
  })

  it('stays valid after a refresh, as does the refresh token, unless switches change that', async () => {
    const { refresh, tasks, sim, token, refreshToken } = await loggedIn()
    const next = grantOf(await refresh(refreshToken))
    expect([next.token === token, next.refreshToken]).toEqual([false, refreshToken])
    expect([(await tasks(token)).status, (await tasks(next.token)).status]).toEqual([200, 200])
    sim.set({ rotate: true, refreshEndsOld: true })
    const last = grantOf(await refresh(refreshToken))
    expect((await refresh(refreshToken)).status).toBe(403)
    expect([(await tasks(next.token)).status, (await tasks(last.token)).status]).toEqual([401, 200])
    expect((await refresh(last.refreshToken)).status).toBe(200)
    expect(sim.state()).toMatchObject({ refreshes: 3, refreshesRejected: 1, logins: 1 })
  })
})
