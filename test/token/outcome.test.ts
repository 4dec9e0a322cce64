import { describe, expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { sendable } from '../../src/token/state.ts'
import { answered, DOWN, grant, live, REFUSED, type Life } from './support.ts'

const LOGIN = { do: 'exchange', operation: 'login' }
const REFRESH = { do: 'exchange', operation: 'refresh' }

function failing(status: number): AuthFailure {
  return { reason: 'rejected', status, detail: `status ${status}` }
}

/** A token that is due for renewal. */
function due(): Life {
  return live().login(grant()).after(240_000)
}

describe('a refused refresh', () => {
  it.each([
    failing(400),
    failing(401),
    failing(403),
    { reason: 'result', status: 200, detail: 'result 7' } as const,
  ])('is followed by a login at once: %j', (failure) => {
    const life = due().refresh(failure)
    expect(life.next()).toEqual(LOGIN)
    expect(life.state()).toMatchObject({ refusals: 0, failures: 0, backoff: 'none' })
  })

  it('says nothing about the refresh token that the login brings', () => {
    const life = due()
      .refresh(REFUSED)
      .login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).next()).toEqual(REFRESH)
  })

  it.each([404, 405])('with %i ends refreshing for this process', (status) => {
    const life = due().refresh(failing(status))
    expect(life.next()).toEqual(LOGIN)
    life.login(grant({ token: 't2', refreshToken: 'r2' }))
    expect(life.after(240_000).next()).toEqual(LOGIN)
    life.does({ type: 'credentials-changed' }).login(grant({ token: 't3' }))
    expect(life.after(240_000).next()).toEqual(LOGIN)
  })

  it('with another status than 404 or 405 later does not begin refreshing again', () => {
    const life = due().refresh(failing(404)).login(grant()).refresh(failing(403))
    expect(life.state().refreshMissing).toBe(true)
  })
})

describe('a refresh that went astray', () => {
  it.each([
    DOWN,
    { reason: 'timeout', detail: 'no whole answer in time' },
    { reason: 'tls', detail: 'CERT_HAS_EXPIRED' },
    { reason: 'malformed', status: 200, detail: 'body is not a JSON object' },
    { reason: 'unavailable', status: 502, detail: 'status 502' },
  ] as const)('is followed by a login after the back-off: %j', (failure) => {
    const life = due().refresh(failure)
    expect(life.state()).toMatchObject({ backoff: 'transient', failures: 1, refusals: 0 })
    expect(life.wait()).toBe(250)
    expect(life.after(250).next()).toEqual(LOGIN)
  })

  it('waits as iSales told', () => {
    const throttled = { reason: 'throttled', status: 429, retryAfter: 7000, detail: 'status 429' }
    const life = due().refresh(throttled as AuthFailure)
    expect(life.wait()).toBe(7000)
    expect(life.after(7000).next()).toEqual(LOGIN)
  })
})

describe('a grant', () => {
  it('ends every back-off', () => {
    const life = live().login(REFUSED).login(DOWN).login(grant())
    expect(life.state()).toMatchObject({ backoff: 'none', failures: 0, refusals: 0 })
  })

  it('of the same token takes its new lifetime', () => {
    const life = due().refresh(grant({ lives: 60 }))
    expect(life.state().session).toMatchObject({ generation: 2, lifetime: 60_000 })
    expect(life.wait()).toBeCloseTo(48_000, 6)
  })

  it('of the same token with less and less life never makes more than one exchange a second', () => {
    const life = live().login(grant({ lives: 300 }))
    let exchanges = 0
    for (let left = 300; left > 0; exchanges += 1) {
      const wait = life.wait()
      left -= wait / 1000
      expect(wait).toBeGreaterThanOrEqual(1000)
      life.after(wait).login(grant({ lives: Math.max(1, Math.ceil(left)) }))
    }
    expect(exchanges).toBeLessThan(10)
  })
})

describe('a refresh that gives the rejected token back', () => {
  it('counts as refused, and a login follows at once', () => {
    const life = live().login(grant()).accepted().after(1000).rejected().refresh(grant())
    expect(life.state().session?.generation).toBe(1)
    expect(sendable(life.state(), life.now())).toBeUndefined()
    expect(life.next()).toEqual(LOGIN)
  })

  it('in the field that carries the refresh token is seen as well', () => {
    const life = live({ tokenField: 'refreshToken' }).login(grant()).accepted().after(1000)
    life.rejected().refresh(grant({ token: 't2', refreshToken: 'r1' }))
    expect(life.next()).toEqual(LOGIN)
    expect(life.login(grant({ token: 't3', refreshToken: 'r3' })).wait()).toBeGreaterThan(0)
  })

  it('by a login is taken: nothing else can be done', () => {
    const life = live().login(grant()).accepted().after(1000).rejected().login(grant())
    expect(sendable(life.state(), life.now())?.generation).toBe(2)
  })

  it('does not count when the token was not rejected', () => {
    const life = due().refresh(grant())
    expect(sendable(life.state(), life.now())?.generation).toBe(2)
  })
})

describe('a hold-off that begins while an attempt is under way', () => {
  function held(): Life {
    const life = live()
    for (const token of ['t1', 't2', 't3']) {
      life.login(grant({ token })).accepted().after(1000)
      if (token !== 't3') life.rejected()
    }
    return life.does({ type: 'started', operation: 'refresh' }).random(0).rejected()
  }

  it.each([
    ['refused', REFUSED],
    ['transient', DOWN],
    ['that gives the token back', grant({ token: 't3' })],
  ])('is not cut short by a failure: %s', (_, outcome) => {
    const life = held()
    expect(life.state()).toMatchObject({ backoff: 'conflict', heldGeneration: 3 })
    expect(life.wait()).toBe(5000)
    life.does(answered(outcome))
    expect(life.wait()).toBe(5000)
    expect(life.after(5000).next()).toEqual(LOGIN)
  })

  it('ends with a success', () => {
    const life = held().does(answered(grant({ token: 't4' })))
    expect(life.state()).toMatchObject({ backoff: 'none', heldGeneration: 0 })
  })
})
