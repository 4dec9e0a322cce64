import { describe, expect, it } from 'vitest'
import { outageBudget, sendable } from '../../src/token/state.ts'
import { answered, DOWN, grant, live, REFUSED, START } from './support.ts'

const LOGIN = { do: 'exchange', operation: 'login' }
const REFRESH = { do: 'exchange', operation: 'refresh' }

describe('at the start', () => {
  it('a login is due at once', () => {
    expect(live().next()).toEqual(LOGIN)
  })

  it('nothing may be sent, and there is no outage budget', () => {
    const { state, now } = live()
    expect(sendable(state(), now())).toBeUndefined()
    expect(outageBudget(state(), now())).toBe(0)
  })
})

describe('while an exchange is under way', () => {
  it('nothing else is due, however long it takes', () => {
    const life = live().does({ type: 'started', operation: 'login' }).after(1e9)
    expect(life.next()).toEqual({ do: 'wait', until: Infinity })
  })

  it('the token at hand is sent', () => {
    const life = live().login(grant()).after(240_000)
    life.does({ type: 'started', operation: 'refresh' })
    expect(sendable(life.state(), life.now())?.generation).toBe(1)
  })

  it('the attempt remembers with which credentials it began', () => {
    const life = live().does({ type: 'started', operation: 'login' })
    expect(life.state().exchange).toEqual({ operation: 'login', startedAt: START, credentials: 1 })
  })
})

describe('an answer that nobody waits for', () => {
  it('changes nothing', () => {
    const life = live().login(grant())
    const before = life.state()
    expect(life.does(answered(grant({ token: 't2' }))).state()).toBe(before)
    expect(life.does(answered(REFUSED)).state()).toBe(before)
  })
})

describe('a token is renewed', () => {
  it.each([
    [300, 0.5, 240_000],
    [300, 0, 228_000],
    [300, 1, 252_000],
    [86_400, 0.5, 69_120_000],
    [20, 0.5, 16_000],
    [4, 0.5, 3200],
    [2, 0.5, 1600],
  ])('of %d s, with the random number %d, after %d ms', (lives, random, ms) => {
    const life = live().random(random).login(grant({ lives }))
    expect(life.wait()).toBeCloseTo(ms, 6)
  })

  it.each([1, 1.1, 1.25])(
    'of %d s after a second: never more than one exchange a second',
    (lives) => {
      expect(live().random(0).login(grant({ lives })).wait()).toBe(1000)
    },
  )

  it('counted from when the request was sent, not from when the answer came', () => {
    const life = live().does({ type: 'started', operation: 'login' }).after(2000)
    life.does(answered(grant({ lives: 300 })))
    expect(life.state().nextAt).toBeCloseTo(START + 240_000, 6)
    expect(life.state().lastSuccessAt).toBe(START + 2000)
  })

  it.each([
    [300, 295_000],
    [20, 18_000],
  ])(
    'of %d s before its last use after %d ms, even at a share of 0.95 and late jitter',
    (lives, ms) => {
      const life = live({ renewAt: 0.95 }).random(1).login(grant({ lives }))
      expect(life.wait()).toBe(ms)
    },
  )
})

describe('the next exchange', () => {
  it.each([
    ['a refresh while there is a refresh token', grant(), {}, REFRESH],
    ['a refresh when its end is not known', grant({ refreshLives: undefined }), {}, REFRESH],
    ['a login without a refresh token', grant({ refreshToken: null }), {}, LOGIN],
    ['a login when the refresh token has ended', grant({ refreshLives: 240 }), {}, LOGIN],
    ['a login when refreshing is off', grant(), { refreshing: false }, LOGIN],
  ] as const)('is %s', (_, given, rules, expected) => {
    expect(live(rules).login(given).after(240_000).next()).toEqual(expected)
  })

  it('waits for its time', () => {
    const life = live().login(grant()).after(239_999)
    expect(life.next()).toEqual({ do: 'wait', until: life.state().nextAt })
  })
})

describe('a token that nobody found rejected', () => {
  it.each([
    [0, true, 295_000],
    [294_999, true, 1],
    [295_000, false, 0],
    [400_000, false, 0],
  ])('after %d ms may be sent: %j, and the outage budget is %d ms', (ms, sent, budget) => {
    const life = live().login(grant()).after(ms)
    expect(sendable(life.state(), life.now()) !== undefined).toBe(sent)
    expect(outageBudget(life.state(), life.now())).toBe(budget)
  })
})

describe('acceptance', () => {
  it('proves the present token', () => {
    expect(live().login(grant()).accepted().state().session?.accepted).toBe(true)
  })

  it('a second time changes nothing', () => {
    const life = live().login(grant()).accepted()
    const before = life.state()
    expect(life.accepted().state()).toBe(before)
  })

  it.each([0, 2, 7])(
    'of generation %i, which is not the present one, changes nothing',
    (generation) => {
      const life = live().login(grant())
      const before = life.state()
      expect(life.accepted(generation).state()).toBe(before)
    },
  )

  it('before there is any token changes nothing', () => {
    const life = live()
    const before = life.state()
    expect(life.accepted(1).state()).toBe(before)
  })

  it('ends with the token', () => {
    const life = live()
      .login(grant())
      .accepted()
      .refresh(grant({ token: 't2' }))
    expect(life.state().session).toMatchObject({ generation: 2, accepted: false })
  })
})

describe('new credentials', () => {
  const changed = { type: 'credentials-changed' } as const

  it('are tried at once by a login, and the token at hand is kept', () => {
    const life = live().login(grant()).after(1000).does(changed)
    expect(life.next()).toEqual(LOGIN)
    expect(sendable(life.state(), life.now())?.generation).toBe(1)
  })

  it('end a back-off and forget what the old ones had met', () => {
    const life = live()
    for (let refusal = 0; refusal < 3; refusal += 1) life.login(REFUSED)
    expect(life.state()).toMatchObject({ backoff: 'guarded', refusals: 3, failures: 3 })
    life.does(changed)
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0, failures: 0 })
    expect(life.wait()).toBe(0)
    expect(life.login(REFUSED).wait()).toBe(5000)
  })

  it('are not blamed for an attempt that the old ones made', () => {
    const life = live().does({ type: 'started', operation: 'login' }).does(changed).after(500)
    life.does(answered(REFUSED))
    expect(life.state()).toMatchObject({ backoff: 'none', refusals: 0, failures: 0 })
    expect(life.next()).toEqual(LOGIN)
  })

  it('are tried even when the old ones have just been granted a token, which serves meanwhile', () => {
    const life = live().does({ type: 'started', operation: 'login' }).does(changed)
    life.does(answered(grant()))
    expect(sendable(life.state(), life.now())?.generation).toBe(1)
    expect(life.next()).toEqual(LOGIN)
    life.login(grant({ token: 't2' }))
    expect(life.wait()).toBeGreaterThan(0)
    expect(life.after(240_000).next()).toEqual(REFRESH)
  })
})

describe('after a transient failure', () => {
  it('the token at hand serves to its end', () => {
    const life = live().login(grant()).refresh(DOWN)
    for (let attempt = 0; attempt < 5; attempt += 1) life.login(DOWN)
    // Waited for: 0.25 s, 0.5 s, 1 s, 2 s, 4 s.
    expect(outageBudget(life.state(), life.now())).toBe(295_000 - 240_000 - 7750)
    expect(sendable(life.state(), life.now())?.generation).toBe(1)
  })
})
