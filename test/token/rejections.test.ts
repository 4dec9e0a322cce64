import { describe, expect, it } from 'vitest'
import { dueAt, isCurable, sendable } from '../../src/token/state.ts'
import { DOWN, ended, grant, live, REFUSED, START, throttled, type Life } from './support.ts'

const LOGIN = { do: 'request', operation: 'login' }

/** The generation that is sent; undefined: none. */
function sent(life: Life): number | undefined {
  return sendable(life.state(), life.now())?.generation
}

/** What a rejection brings about. */
function verdict(life: Life, path = '/tasks'): string {
  const generation = life.state().token?.generation ?? 0
  const types = life
    .rejected(generation, path)
    .events()
    .map(({ type }) => type)
  if (types.includes('conflict')) return 'hold-off'
  const [event] = life.events()
  if (event?.type === 'token-rejected') return event.replacing ? 'replace' : 'relay'
  return isCurable(life.state(), generation, life.now()) ? 'known' : 'relay'
}

/** A token that served, was found rejected and was replaced, one second each; the call is sent again. */
function replaceOnce(life: Life, token: string, lives = 300): Life {
  return life.accepted().after(1000).rejected().refresh(grant({ token, lives }))
}

describe('a rejection', () => {
  it.each([true, false])('asks for a newer token; it served before: %j', (served) => {
    const life = live().login(grant())
    if (served) life.accepted()
    expect(verdict(life)).toBe('replace')
    expect(life.wait()).toBe(0)
  })

  it('leaves the token in use for other calls', () => {
    expect(sent(live().login(grant()).accepted().rejected())).toBe(1)
  })

  it('reported again asks for nothing more, whatever the path', () => {
    const life = live().login(grant()).accepted().rejected()
    expect(verdict(life)).toBe('known')
    expect(verdict(life, '/other')).toBe('known')
    expect(life.events()).toEqual([])
  })

  it.each([0, 2])('of generation %i, which is not the present one, changes nothing', (other) => {
    const life = live().login(grant()).accepted()
    const before = life.state()
    expect(life.rejected(other).state()).toBe(before)
    expect(life.accepted(other).state()).toBe(before)
  })

  it('of a token that has expired meanwhile changes nothing', () => {
    const life = live()
      .login(grant({ lives: 1 }))
      .after(900)
    expect(verdict(life)).toBe('known')
    expect(life.events()).toEqual([])
  })

  it.each([
    ['transient', DOWN, 250],
    ['rejected', REFUSED, 5000],
  ] as const)('does not cut a back-off short: %s', (backoff, failure, wait) => {
    const life = live().login(grant()).accepted().login(failure)
    expect(life.rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe(backoff)
  })
})

describe('a rejection that is about the call', () => {
  it('is recognized when a call that was sent later is accepted', () => {
    const life = live().login(grant()).after(1000).rejected(1, '/bad').after(1).accepted()
    expect(life.wait()).toBe(239_000 - 1)
    expect(verdict(life, '/bad')).toBe('relay')
  })

  it('is not recognized when the accepted call was sent before', () => {
    const life = live().login(grant()).after(1000)
    const sentAt = life.now() - 1
    life.rejected(1, '/bad')
    life.does({ type: 'accepted', generation: 1, path: '/tasks', sentAt })
    expect(life.wait()).toBe(0)
    expect(verdict(life, '/bad')).toBe('known')
  })

  it('is recognized when it is sent again with a token that works elsewhere', () => {
    const life = live().login(grant()).accepted().after(1000).rejected(1, '/bad')
    life
      .refresh(grant({ token: 't2' }))
      .after(1)
      .accepted()
    expect(verdict(life, '/bad')).toBe('relay')
    expect(life.state().rejections.early).toEqual([])
  })

  it('asks for no more tokens for 10 min while the token works elsewhere', () => {
    const life = live()
      .login(grant({ lives: 3600 }))
      .rejected(1, '/bad')
    const verdicts = Array.from({ length: 601 }, () => verdict(life.after(1000).accepted(), '/bad'))
    expect(new Set(verdicts.slice(0, 600))).toEqual(new Set(['relay']))
    expect(verdicts[600]).toBe('replace')
  })

  it('is doubted when the token has not worked elsewhere for 30 s', () => {
    const life = live().login(grant()).rejected(1, '/bad').after(1).accepted().after(29_999)
    expect(verdict(life, '/bad')).toBe('relay')
    expect(verdict(life.after(1), '/bad')).toBe('replace')
  })

  it.each(['/other', '/mixed'])(
    'is doubted for 500 ms on a path whose own calls are accepted, too; told by a call of %s',
    (first) => {
      const life = live().login(grant()).rejected(1, '/mixed').after(1).accepted(1, first)
      life.accepted(1, '/mixed').after(1)
      expect(verdict(life, '/mixed')).toBe('known')
      expect(life.wait()).toBe(500)
      life.after(1).accepted()
      expect(life.wait()).toBeGreaterThan(200_000)
      expect(life.state().rejections.early).toEqual([])
    },
  )

  it('is recognized of a call that is sent again, although others of its path were accepted meanwhile', () => {
    const life = live()
      .login(grant())
      .rejected(1, '/mixed')
      .refresh(grant({ token: 't2' }))
    life.accepted(2, '/mixed').after(1).rejected(2, '/mixed', true)
    expect(life.events()).toMatchObject([{ type: 'token-rejected', replacing: false }])
    expect(life.wait()).toBeGreaterThan(200_000)
    expect(life.state().rejections.early).toEqual([])
  })

  it('counts for no conflict when a newer token works, whichever comes first', () => {
    const life = live()
      .login(grant())
      .rejected(1, '/bad')
      .refresh(grant({ token: 't2' }))
    life.rejected(2, '/bad', true).after(1).accepted()
    expect(life.state().rejections.early).toEqual([])
  })

  it('is not told by a call that was sent before, nor with an older token', () => {
    const life = live().login(grant()).rejected(1, '/mixed').after(1).accepted(1, '/mixed')
    const sentAt = life.now()
    life.after(1).rejected(1, '/mixed')
    expect([life.events(), life.wait()]).toEqual([[], 500])
    life.does({ type: 'accepted', generation: 1, path: '/tasks', sentAt })
    expect(life.wait()).toBe(500)
    life.after(1).accepted(0)
    expect(life.wait()).toBe(499)
  })

  it('does not put off a renewal that is due in the meantime', () => {
    const life = live().login(grant()).rejected(1, '/mixed').after(1).accepted(1, '/mixed')
    life.after(239_899).accepted().after(1).rejected(1, '/mixed')
    life.after(1).accepted()
    expect(life.wait()).toBe(240_000 - (life.now() - START))
  })

  it('does not end the pause in which another replica asks', () => {
    const life = live().login(grant()).after(240_000).does({ type: 'wanted', operation: 'refresh' })
    life.does({ type: 'held', because: 'busy', ms: 300, refusals: 0 })
    expect(life.accepted().wait()).toBe(300)
  })

  it('does not hide a token that was revoked', () => {
    const life = live().login(grant()).rejected(1, '/bad').after(1).accepted().after(1000)
    expect(verdict(life)).toBe('replace')
  })

  it('is no conflict, however many paths it concerns', () => {
    const life = live().login(grant())
    for (let path = 0; path < 50; path += 1) {
      expect(verdict(life.after(100), `/bad/${path}`)).toBe('replace')
      life.after(1).accepted()
    }
    expect(life.state().backoff).toBe('none')
  })

  it('ends the attempts to renew while iSales cannot be logged in to', () => {
    const life = live().login(grant()).after(1000).rejected(1, '/bad').refresh(DOWN)
    expect(life.wait()).toBe(250)
    expect(life.after(10).accepted().wait()).toBe(239_000 - 10)
    expect(life.state().backoff).toBe('none')
  })

  it('ends a hold-off', () => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3')
      .accepted()
      .after(1000)
    expect(verdict(life, '/bad')).toBe('hold-off')
    life.after(1).accepted()
    expect(life.state().backoff).toBe('none')
    expect(life.wait()).toBe(240_000 - 1001)
  })

  it('is remembered of 1,000 paths', () => {
    const life = live().login(grant())
    for (let path = 0; path < 3000; path += 1) life.rejected(1, `/${path}`).after(1).accepted()
    expect(life.state().rejections.forbidden.size).toBe(1000)
    expect(verdict(life, '/2999')).toBe('relay')
    expect(verdict(life, '/0')).toBe('replace')
  })
})

describe('a brand-new token that is rejected', () => {
  it('within 30 s of the last replacement is relayed and asks for nothing', () => {
    const life = replaceOnce(live().login(grant()), 't2').after(29_999)
    const due = dueAt(life.state())
    expect(verdict(life)).toBe('relay')
    expect(dueAt(life.state())).toBe(due)
    expect(sent(life)).toBe(2)
  })

  it('later than that is replaced', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').after(30_000))).toBe('replace')
  })

  it('after an ordinary renewal is replaced', () => {
    const life = live()
      .login(grant())
      .after(240_000)
      .refresh(grant({ token: 't2' }))
    expect(verdict(life)).toBe('replace')
  })

  it('that served even once is no longer brand-new', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').accepted())).toBe('replace')
  })

  it('asks for a login once in 30 s when every token is rejected', () => {
    const life = live().login(grant({ token: 'first' }))
    let replaced = 0
    for (let call = 0; call < 6000; call += 1) {
      const now = verdict(life)
      expect(now).not.toBe('hold-off')
      if (now === 'replace') {
        replaced += 1
        life.login(grant({ token: `t${call}` }))
      }
      life.after(100)
    }
    expect(replaced).toBe(20)
  })
})

describe('the third early rejection in a minute', () => {
  function third(): Life {
    const life = replaceOnce(live().login(grant()), 't2')
    return replaceOnce(life, 't3').accepted().after(1000)
  }

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('holds the renewal off: random %d, %d ms', (random, holdOff) => {
    const life = third().random(random)
    expect(verdict(life)).toBe('hold-off')
    expect(life.wait()).toBeCloseTo(holdOff, 6)
    expect(life.state().backoff).toBe('conflict')
    expect(sent(life)).toBe(3)
  })

  it('gives the token up when a call that was sent in the hold-off is rejected, too', () => {
    const life = third().rejected().rejected()
    expect(sent(life)).toBe(3)
    expect(sent(life.after(1).rejected())).toBeUndefined()
    life.after(life.wait()).login(grant({ token: 't4' }))
    expect(sent(life)).toBe(4)
  })

  it('does not give it up for the rejections of calls that were sent before', () => {
    const life = third().rejected()
    const sentAt = life.now()
    life.after(50)
    const report = { type: 'rejected', generation: 3, status: 401, path: '/other' } as const
    expect(sent(life.does({ ...report, sentAt, again: false }))).toBe(3)
  })

  it('takes it up again when a call that was sent in the hold-off is accepted', () => {
    const life = third().rejected().after(1).rejected(3, '/other')
    expect(sent(life)).toBeUndefined()
    expect(sent(life.after(1).accepted())).toBe(3)
    expect(life.state().backoff).toBe('none')
  })

  it('is followed by one token request when the hold-off ends', () => {
    const life = third().rejected()
    life.after(life.wait()).refresh(grant({ token: 't4' }))
    expect(life.state().backoff).toBe('none')
    expect(sent(life)).toBe(4)
  })

  it('does not count rejections that are a minute old', () => {
    const life = replaceOnce(live().login(grant()), 't2')
    expect(verdict(replaceOnce(life, 't3').accepted().after(59_000))).toBe('replace')
    expect(life.state().rejections.early).toHaveLength(2)
  })

  it('is held off again while the conflict lasts', () => {
    const life = third().random(0).rejected().after(5000)
    const next = life
      .login(grant({ token: 't4' }))
      .accepted()
      .after(1000)
    expect(verdict(next)).toBe('hold-off')
  })

  it.each([
    ['shorter than the hold-off', 7000, 0.5, 32_500],
    ['longer than the hold-off', 20_000, 0, 20_000],
  ])('during a back-off that is %s waits for the longer', (_, retryAfter, random, wait) => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3', 50).accepted()
    life.login(throttled(retryAfter))
    expect(life.random(random).rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe('transient')
  })

  it.each([
    ['refused', REFUSED],
    ['for another reason', DOWN],
    ['with the rejected token again', grant({ token: 't3' })],
  ])('is not cut short by a token request in flight that fails: %s', (_, outcome) => {
    const life = third().does({ type: 'request-started', operation: 'refresh' }).random(0)
    life.rejected().does(ended(outcome))
    expect(life.wait()).toBe(5000)
    expect(life.after(5000).next()).toEqual(LOGIN)
  })
})

describe('the rejected token that comes back', () => {
  function rejectedOnce(): Life {
    return live().login(grant()).accepted().after(1000).rejected()
  }

  it('by a refresh counts as refused, and a login follows', () => {
    const life = rejectedOnce().refresh(grant())
    expect(life.state().token?.generation).toBe(1)
    expect(life.next()).toEqual(LOGIN)
  })

  it('by a refresh, in the header that carries the refresh token, counts as well', () => {
    const life = live({ isalesTokenField: 'refreshToken' }).login(grant()).accepted().after(1000)
    life.rejected().refresh(grant({ token: 't2', refreshToken: 'r1' }))
    expect(life.next()).toEqual(LOGIN)
  })

  it('by a login is taken: nothing else can be done', () => {
    expect(sent(rejectedOnce().login(grant()))).toBe(2)
  })

  it('by a refresh is taken when it was not rejected', () => {
    const life = live().login(grant()).after(240_000)
    life.refresh(grant({ lives: 60 }))
    expect(life.state().token).toMatchObject({ generation: 2, lifetime: 60_000 })
    expect(life.wait()).toBeCloseTo(48_000, 6)
  })
})
