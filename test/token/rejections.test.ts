import { describe, expect, it } from 'vitest'
import { dueAt, isCurable, sendable } from '../../src/token/state.ts'
import { DOWN, ended, grant, live, REFUSED, START, throttled, type Life } from './support.ts'

const MINUTE = 60_000

/** The generation that is sent; undefined: none. */
function sent(life: Life): number | undefined {
  return sendable(life.state(), life.now())?.generation
}

/** What a rejection brings about: what is reported of it, or whether its caller waits. */
function verdict(life: Life, path = '/tasks', again = false): string {
  const generation = life.state().token?.generation ?? 0
  life.rejected(generation, path, again)
  for (const event of life.events()) {
    if (event.type === 'token-rejected')
      return life.events().length > 1 ? 'conflict' : event.verdict
  }
  return isCurable(life.state(), generation, life.now()) ? 'wait' : 'relay'
}

/** A token that served, was found rejected and was replaced, one second each; the call is sent again. */
function replaceOnce(life: Life, token: string, lives = 300): Life {
  return life.accepted().after(1000).rejected().refresh(grant({ token, lives }))
}

/** A token of which one path was found rejected, and then another was accepted. */
function forbid(path: string, lives = 3600): Life {
  return live().login(grant({ lives })).rejected(1, path).after(1).accepted()
}

/** A path that had a rejected and an accepted call. */
function mix(path: string): Life {
  return live().login(grant()).rejected(1, path).after(1).accepted(1, path).after(1)
}

describe('a rejection', () => {
  it.each([true, false])(
    'asks for a newer token while others use this one; it served: %j',
    (served) => {
      const life = live().login(grant())
      if (served) life.accepted()
      expect(verdict(life)).toBe('replace')
      expect([life.wait(), sent(life)]).toEqual([0, 1])
    },
  )

  it('that is reported again asks for nothing more, whatever the path', () => {
    const life = live().login(grant()).accepted().rejected()
    expect([verdict(life), verdict(life, '/other')]).toEqual(['wait', 'wait'])
  })

  it.each([0, 2])('of generation %i, which is not the present one, changes nothing', (other) => {
    const life = live().login(grant()).accepted()
    const before = life.state()
    expect(life.rejected(other).state()).toBe(before)
    expect(life.accepted(other).state()).toBe(before)
  })

  it.each([
    [899, 'replace'],
    [900, 'wait'],
  ])('of a token of 1 s after %i ms: %s', (ms, expected) => {
    const life = live()
      .login(grant({ lives: 1 }))
      .after(ms)
    expect(verdict(life)).toBe(expected)
  })

  it.each([
    ['transient', DOWN, 250],
    ['rejected', REFUSED, 5000],
  ] as const)('does not cut a back-off short: %s', (backoff, failure, wait) => {
    const life = live().login(grant()).accepted().login(failure)
    expect(life.rejected().wait()).toBe(wait)
    expect(life.state().backoff).toBe(backoff)
  })

  it('is remembered of 1,000 paths', () => {
    const life = live().login(grant())
    for (let path = 0; path < 1001; path += 1) life.rejected(1, `/${path}`)
    expect(life.state().rejections.suspects.size).toBe(1000)
  })
})

describe('a rejection that is about the call', () => {
  it.each([
    [-1, 'wait', 0],
    [0, 'wait', 0],
    [1, 'about-call', 238_998],
  ])('is recognized by an accepted call that was sent %i ms after it: %s', (ms, expected, wait) => {
    const life = live().login(grant()).after(1000).rejected(1, '/bad')
    const sentAt = life.now() + ms
    life.after(2).does({ type: 'accepted', generation: 1, path: '/tasks', sentAt })
    expect(life.wait()).toBe(wait)
    expect(verdict(life, '/bad')).toBe(expected)
  })

  it('leaves the renewal that a later one asked for', () => {
    const life = live().login(grant()).rejected(1, '/before').after(1)
    const sentAt = life.now()
    life.rejected(1, '/after').does({ type: 'accepted', generation: 1, path: '/tasks', sentAt })
    expect([life.wait(), verdict(life, '/before')]).toEqual([0, 'wait'])
    expect(life.after(1).accepted().wait()).toBeGreaterThan(200_000)
  })

  it('is recognized when it is sent again with a token that works elsewhere', () => {
    const life = live().login(grant()).accepted().after(1000).rejected(1, '/bad')
    life
      .refresh(grant({ token: 't2' }))
      .after(1)
      .accepted()
    expect(verdict(life, '/bad')).toBe('about-call')
  })

  it('is recognized when it is sent again although others of its path were accepted meanwhile', () => {
    const life = live()
      .login(grant())
      .rejected(1, '/mixed')
      .refresh(grant({ token: 't2' }))
    life.accepted(2, '/mixed').after(1)
    expect(verdict(life, '/mixed', true)).toBe('about-call')
    expect(life.wait()).toBeGreaterThan(200_000)
    // The next one may be about the token, too.
    expect([verdict(life, '/mixed'), life.wait()]).toEqual(['wait', 500])
  })

  it('is not recognized by a token that has not worked yet', () => {
    expect(verdict(live().login(grant()), '/bad', true)).toBe('replace')
  })

  it.each([
    [599_999, 'about-call'],
    [600_000, 'replace'],
  ])('asks for no more tokens while the token works elsewhere: after %i ms %s', (ms, expected) => {
    const life = forbid('/bad').after(ms).accepted()
    expect(verdict(life, '/bad')).toBe(expected)
  })

  it.each([
    [29_999, 'about-call'],
    [30_000, 'replace'],
  ])('is doubted when the token has not worked for %i ms: %s', (ms, expected) => {
    expect(verdict(forbid('/bad').after(ms), '/bad')).toBe(expected)
  })

  it('does not hide a token that was revoked', () => {
    expect(verdict(forbid('/bad').after(1000))).toBe('replace')
  })

  it.each(['/other', '/mixed'])(
    'waits 500 ms for an accepted call where its path has accepted calls, too; found by %s',
    (first) => {
      const life = live().login(grant()).rejected(1, '/mixed').after(1).accepted(1, first)
      life.accepted(1, '/mixed').after(1)
      for (let time = 0; time < 2; time += 1) {
        expect([verdict(life, '/mixed'), life.wait()]).toEqual(['wait', 500])
        expect(life.after(1).accepted().after(1).wait()).toBeGreaterThan(200_000)
      }
    },
  )

  it('waits for no call that was sent before, nor with an older token', () => {
    const life = mix('/mixed')
    const sentAt = life.now() - 1
    life.rejected(1, '/mixed').does({ type: 'accepted', generation: 1, path: '/tasks', sentAt })
    expect(life.after(1).accepted(0).wait()).toBe(499)
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

  it('is no conflict, however many paths it concerns; 1,000 are remembered', () => {
    const life = live().login(grant({ lives: 86_400 }))
    for (let path = 0; path < 1500; path += 1) {
      expect(verdict(life, `/${path}`)).toBe('replace')
      life.after(1).accepted()
    }
    expect(life.state().backoff).toBe('none')
    expect(life.state().rejections.forbidden.size).toBe(1000)
    expect(verdict(life, '/1499')).toBe('about-call')
    expect(verdict(life, '/0')).toBe('replace')
  })

  it.each([
    [1000, 'none'],
    [239_750, 'transient'],
  ])(
    'ends the attempts to renew, and while no renewal is due (%i ms) their back-off: %s',
    (ms, backoff) => {
      const life = live().login(grant()).after(ms).rejected(1, '/bad').refresh(DOWN)
      expect(life.wait()).toBe(250)
      expect(life.after(250).accepted().wait()).toBe(Math.max(0, 240_000 - ms - 250))
      expect(life.state().backoff).toBe(backoff)
    },
  )

  it('leaves a back-off that protects the account', () => {
    const life = live().login(grant()).rejected().login(REFUSED)
    const wait = life.wait()
    expect(life.after(1).accepted().state().backoff).toBe('rejected')
    expect(life.rejected().wait()).toBe(wait - 1)
  })
})

describe('a brand-new token that is rejected', () => {
  it.each([
    [29_999, 'brand-new'],
    [30_000, 'replace'],
  ])('%i ms after the last replacement: %s', (ms, expected) => {
    const life = replaceOnce(live().login(grant()), 't2').after(ms)
    const due = dueAt(life.state())
    const isRelayed = expected === 'brand-new'
    expect([verdict(life), dueAt(life.state()) === due, sent(life)]).toEqual([
      expected,
      isRelayed,
      2,
    ])
  })

  it('after an ordinary renewal is replaced', () => {
    const life = live()
      .login(grant())
      .after(240_000)
      .refresh(grant({ token: 't2' }))
    expect(verdict(life)).toBe('replace')
  })

  it('is no longer brand-new once it has served', () => {
    expect(verdict(replaceOnce(live().login(grant()), 't2').accepted())).toBe('replace')
  })

  it('is found to work by a later call: the rejection was about the first', () => {
    const life = replaceOnce(live().login(grant()), 't2')
    expect(verdict(life, '/bad')).toBe('brand-new')
    expect(verdict(life.after(1).accepted(), '/bad')).toBe('relay')
  })
})

describe('the third early rejection in a minute', () => {
  /** One that is accepted, and rejected next. */
  function third(between = 1000): Life {
    const life = replaceOnce(live().login(grant()), 't2')
    return replaceOnce(life, 't3').accepted().after(between)
  }

  it.each([
    [0, 5000],
    [0.5, 32_500],
    [0.999, 59_945],
  ])('holds the renewal off: random %d, %d ms', (random, holdOff) => {
    const life = third().random(random)
    expect(life.rejected().events()).toEqual([
      { type: 'token-rejected', at: life.now(), generation: 3, status: 401, verdict: 'replace' },
      { type: 'conflict', at: life.now(), holdOff },
    ])
    expect([life.wait(), life.state().backoff, sent(life)]).toEqual([holdOff, 'conflict', 3])
  })

  it.each([
    [58_999, 'conflict'],
    [59_000, 'replace'],
  ])('counts those of one minute: %i ms after the second, %s', (between, expected) => {
    expect(verdict(third(between))).toBe(expected)
  })

  it.each([
    ['that was sent before', 0, '/other', 3],
    ['that was sent in the hold-off', 1, '/other', undefined],
    ['on a path that is forbidden', 1, '/bad', 3],
  ])('ends the use of the token with another rejected call %s', (_, ms, path, generation) => {
    const first = replaceOnce(forbid('/bad', 300), 't2')
    const life = replaceOnce(first, 't3').accepted().after(1000).rejected()
    const sentAt = life.now() + ms
    life
      .after(50)
      .does({ type: 'rejected', generation: 3, status: 401, path, sentAt, again: false })
    expect(sent(life)).toBe(generation)
    expect(sent(life.after(life.wait()).login(grant({ token: 't4' })))).toBe(4)
    expect(life.state().backoff).toBe('none')
  })

  it('does not count those that were about their calls, and counts the others', () => {
    const life = replaceOnce(live().login(grant()), 't2').accepted()
    life
      .rejected(2, '/bad')
      .refresh(grant({ token: 't3' }))
      .accepted(3, '/other')
    expect(verdict(life, '/bad')).toBe('about-call')
    expect(verdict(life)).toBe('replace')
    life.refresh(grant({ token: 't4' })).accepted()
    expect(verdict(life)).toBe('conflict')
  })

  it('does not count one whose call was rejected with the next token, too, before that worked', () => {
    const life = live()
      .login(grant())
      .rejected(1, '/bad')
      .refresh(grant({ token: 't2' }))
    expect(verdict(life, '/bad')).toBe('brand-new')
    expect(verdict(replaceOnce(life.after(1), 't3').accepted())).toBe('replace')
  })

  it('takes the token up again when a call that was sent in the hold-off is accepted', () => {
    const life = third().rejected().after(1).rejected(3, '/other')
    expect(sent(life)).toBeUndefined()
    expect(sent(life.after(1).accepted())).toBe(3)
    expect([life.state().backoff, life.wait()]).toEqual(['none', 240_000 - 1002])
  })

  it('ends the conflict when a call that was sent in the hold-off is accepted', () => {
    const life = third().random(0.999).rejected().after(1).accepted().after(MINUTE)
    life.rejected().login(grant({ token: 't4' }))
    expect(verdict(life)).toBe('brand-new')
  })

  it.each([
    [MINUTE - 1, 'conflict'],
    [MINUTE, 'brand-new'],
  ])('makes a conflict that lasts a minute more: %i ms after the hold-off, %s', (ms, expected) => {
    const life = third()
      .random(0)
      .rejected()
      .after(5000 + ms)
      .login(grant({ token: 't4' }))
    expect(verdict(life)).toBe(expected)
  })

  it.each([
    ['shorter', 7000, 0.5, 32_500],
    ['longer', 20_000, 0, 20_000],
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
    const life = third().begins('refresh').random(0)
    life.rejected().does(ended(outcome))
    expect(life.next()).toEqual({ at: life.now() + 5000, operation: 'login' })
  })
})

describe('the rejected token that comes back', () => {
  const rejectedOnce = (): Life => live().login(grant()).accepted().after(1000).rejected()

  it('by a refresh counts as refused, with a reason of its own, and a login follows', () => {
    const life = rejectedOnce().refresh(grant())
    const failure = { kind: 'refused', reason: 'rejected', detail: 'the rejected token came back' }
    expect(life.events()).toMatchObject([{ type: 'failed', failure }])
    expect(life.state().token?.generation).toBe(1)
    expect(life.next()).toEqual({ at: life.now(), operation: 'login' })
  })

  it('by a refresh, in the header that carries the refresh token, counts as well', () => {
    const life = live({ isalesTokenField: 'refreshToken' }).login(grant()).accepted().after(1000)
    life.rejected().refresh(grant({ token: 't2', refreshToken: 'r1' }))
    expect(life.next().operation).toBe('login')
  })

  it('by a login is taken: nothing else can be done', () => {
    expect(sent(rejectedOnce().login(grant()))).toBe(2)
  })

  it('by a refresh is taken when it was not rejected', () => {
    const life = live()
      .login(grant())
      .after(240_000)
      .refresh(grant({ lives: 60 }))
    expect(life.state().token).toMatchObject({ generation: 2, lifetime: 60_000 })
  })
})

describe('what is reported of rejections', () => {
  it.each([
    [1, 'replace'],
    [2, 'brand-new'],
  ])('is each kind once for each token: generation %i, %s', (generation, expected) => {
    const life = live().login(grant())
    if (generation === 2) life.rejected().refresh(grant({ token: 't2' }))
    expect(life.rejected().events()).toEqual([
      { type: 'token-rejected', at: life.now(), generation, status: 401, verdict: expected },
    ])
    expect(life.rejected().events()).toEqual([])
  })

  it('hides no rejected token behind a rejection that is about its call', () => {
    const life = forbid('/bad')
      .rejected()
      .refresh(grant({ token: 't2' }))
    const verdicts = ['/bad', '/bad', '/tasks', '/bad'].map((path) => verdict(life, path))
    expect(verdicts).toEqual(['about-call', 'relay', 'brand-new', 'relay'])
  })

  it('is a doubted one when its renewal begins, once', () => {
    const life = mix('/mixed').rejected(1, '/mixed').after(500)
    expect(life.does({ type: 'wanted', operation: 'refresh' }).events()).toEqual([
      { type: 'token-rejected', at: life.now(), generation: 1, status: 401, verdict: 'replace' },
    ])
    life.does({ type: 'held', because: 'busy', ms: 300, refusals: 0 }).after(300)
    expect(life.does({ type: 'wanted', operation: 'refresh' }).events()).toEqual([])
  })

  it('is nothing of a doubted one when another call is accepted in time', () => {
    const life = mix('/mixed').rejected(1, '/mixed').after(1).accepted().after(240_000)
    expect(life.does({ type: 'wanted', operation: 'refresh' }).events()).toEqual([])
  })

  it('is a conflict that does not rename the back-off of a refusal', () => {
    const life = replaceOnce(replaceOnce(live().login(grant()), 't2'), 't3').accepted()
    life.does({ type: 'renew-asked' }).login(REFUSED)
    expect(life.rejected().events()).toMatchObject([{}, { type: 'conflict', holdOff: 32_500 }])
    expect(life.state().backoff).toBe('rejected')
  })
})
