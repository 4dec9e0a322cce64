// What log, metrics and the status page are given: every member of every event.
import { describe, expect, it } from 'vitest'
import { DOWN, ended, grant, live, REFUSED, START, unclear, type Life } from './support.ts'

function start(life: Life, operation: 'login' | 'refresh' = 'login'): Life {
  return life.does({ type: 'request-started', operation })
}

describe('a token request', () => {
  it.each(['login', 'refresh'] as const)('tells when it begins: %s', (operation) => {
    expect(start(live(), operation).events()).toEqual([
      { type: 'request-started', operation, at: START },
    ])
  })

  it('tells nothing while it is only wanted', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    expect(life.events()).toEqual([])
    expect(life.state().request).toMatchObject({ operation: 'login', startedAt: START })
  })

  it.each([
    [0, grant(), false],
    [2, grant({ lives: undefined }), true],
  ])('tells what it gave, after %i failures', (failures, outcome, lifetimeAssumed) => {
    const life = live()
    for (let n = 0; n < failures; n += 1) life.login(DOWN)
    start(life.after(1000)).after(70).does(ended(outcome))
    expect(life.events()).toEqual([
      {
        type: 'granted',
        operation: 'login',
        at: life.now(),
        durationMs: 70,
        session: life.state().token,
        failuresBefore: failures,
        sameToken: false,
        lifetimeAssumed,
      },
    ])
    expect(life.state()).toMatchObject({ lastSuccessAt: life.now(), failures: 0 })
  })

  it.each([
    ['t1', true],
    ['t2', false],
  ])('tells whether the same token came again: %s, %j', (token, sameToken) => {
    const life = live().login(grant()).refresh(grant({ token }))
    expect(life.events()).toMatchObject([{ operation: 'refresh', sameToken }])
    expect(life.state().token?.generation).toBe(2)
  })

  it.each([
    [REFUSED, 'rejected', 5000],
    [unclear(500), 'transient', 375],
    [DOWN, 'transient', 250],
  ] as const)(
    'tells why it failed, and when the next one comes: %j',
    (failure, backoff, retryIn) => {
      const life = start(live()).after(70).does(ended(failure))
      expect(life.events()).toEqual([
        {
          type: 'failed',
          operation: 'login',
          at: life.now(),
          durationMs: 70,
          failure,
          failuresInRow: 1,
          backoff,
          retryIn,
          outageBudget: 0,
        },
      ])
      expect(life.state().lastFailure).toEqual({ at: life.now(), operation: 'login', failure })
    },
  )

  it('tells how long the present token bridges a failure', () => {
    const life = start(live().login(grant()).after(240_000), 'refresh').does(ended(REFUSED))
    expect(life.events()).toMatchObject([
      { operation: 'refresh', failuresInRow: 0, backoff: 'none', retryIn: 0, outageBudget: 55_000 },
    ])
    expect(start(life).does(ended(DOWN)).events()).toMatchObject([
      { operation: 'login', failuresInRow: 1, backoff: 'transient', outageBudget: 55_000 },
    ])
  })

  it('that ends twice tells it once', () => {
    const life = live().login(grant())
    const before = life.state()
    expect(life.does(ended(REFUSED)).events()).toEqual([])
    expect(life.state()).toBe(before)
  })

  it('that gives the rejected token again counts as refused, with a reason of its own', () => {
    const life = live().login(grant()).rejected().refresh(grant())
    expect(life.events()).toMatchObject([
      {
        type: 'failed',
        failure: { kind: 'refused', reason: 'rejected', detail: 'the rejected token came back' },
      },
    ])
  })
})

describe('failures in a row', () => {
  it('are counted by their kind', () => {
    const life = live().login(DOWN).login(unclear(500)).login(unclear(500)).login(REFUSED)
    expect(life.state()).toMatchObject({
      failures: 4,
      failuresByKind: { unreached: 1, unclear: 2, refused: 1, egress: 0 },
    })
    expect(life.login(grant()).state()).toMatchObject({
      failures: 0,
      failuresByKind: { unreached: 0, unclear: 0, refused: 0, egress: 0 },
    })
  })

  it('end with a changed secret', () => {
    const life = live().login(DOWN).does({ type: 'credentials-changed', refused: undefined })
    expect(life.events()).toEqual([{ type: 'credentials-changed', at: life.now() }])
    expect(life.state()).toMatchObject({
      credentials: 2,
      loginDue: true,
      refreshSpent: true,
      failures: 0,
      failuresByKind: { unreached: 0, unclear: 0, refused: 0, egress: 0 },
    })
  })
})

describe('a rejected business call', () => {
  it.each([
    [false, true],
    [true, false],
  ])('tells of its token once, whatever was done (brand-new: %j)', (isBrandNew, replacing) => {
    const life = live().login(grant())
    if (isBrandNew) life.rejected().refresh(grant({ token: 't2' }))
    const generation = isBrandNew ? 2 : 1
    expect(life.rejected().events()).toEqual([
      { type: 'token-rejected', at: life.now(), generation, status: 401, replacing },
    ])
    expect(life.rejected().events()).toEqual([])
  })

  it('tells of a conflict and of its hold-off', () => {
    const life = live().login(grant()).accepted()
    for (const token of ['t2', 't3']) life.rejected().refresh(grant({ token })).accepted().after(10)
    expect(life.rejected().events()).toEqual([
      { type: 'token-rejected', at: life.now(), generation: 3, status: 401, replacing: true },
      { type: 'conflict', at: life.now(), holdOff: 32_500 },
    ])
    expect(life.state().backoff).toBe('conflict')
  })

  it('in a conflict does not rename the back-off of a refusal', () => {
    const life = live().login(grant()).accepted()
    for (const token of ['t2', 't3']) life.rejected().refresh(grant({ token })).accepted().after(10)
    life.does({ type: 'renew-asked' }).login(REFUSED)
    expect(life.rejected().events()).toMatchObject([{}, { holdOff: 32_500 }])
    expect(life.state().backoff).toBe('rejected')
  })
})

describe('an accepted business call', () => {
  it('marks its token as working, once', () => {
    const life = live().login(grant())
    expect(life.state().token?.accepted).toBe(false)
    expect(life.accepted().state().token?.accepted).toBe(true)
    const before = life.state()
    expect(life.accepted().state()).toBe(before)
    expect(life.accepted(2).state()).toBe(before)
  })

  it.each([
    [239_999, 'none'],
    [240_000, 'transient'],
  ])('ends a back-off only while no renewal is due: %i ms old, %s', (age, backoff) => {
    const life = live().login(grant()).rejected().refresh(DOWN)
    expect(life.state().backoff).toBe('transient')
    life.after(START + age - life.now())
    expect(life.accepted().state().backoff).toBe(backoff)
  })

  it('leaves a back-off that protects the account', () => {
    const life = live().login(grant()).rejected().login(REFUSED)
    const wait = life.wait()
    expect(life.after(1).accepted().state().backoff).toBe('rejected')
    expect(life.rejected().wait()).toBe(wait - 1)
  })
})

describe('what changes nothing that anybody must know', () => {
  it.each([
    { type: 'used' },
    { type: 'renew-asked' },
    { type: 'accepted', generation: 1, path: '/tasks', sentAt: START },
  ] as const)('is told to nobody: %j', (event) => {
    expect(live().login(grant()).does(event).events()).toEqual([])
  })

  it.each([
    { type: 'rejected', generation: 0, status: 401, path: '/tasks', sentAt: START, again: false },
    { type: 'accepted', generation: 0, path: '/tasks', sentAt: START },
    { type: 'held', because: 'busy', ms: 0, refusals: 0 },
  ] as const)('may come before the first token: %j', (event) => {
    const life = live()
    const before = life.state()
    expect(life.does(event).state()).toEqual(before)
    expect(life.events()).toEqual([])
  })
})
