import { describe, expect, it } from 'vitest'
import type { Adopted, Before, HeldBecause } from '../../src/token/obtain.ts'
import { failuresInRow, sendable } from '../../src/token/state.ts'
import { DOWN, ended, grant, live, REFUSED, START, unclear, type Life } from './support.ts'

const MINUTE = 60_000

function adopt(life: Life, changes: Partial<Adopted> = {}): Life {
  return life.does({
    type: 'adopted',
    grant: grant({ token: 'theirs' }),
    sentAt: life.now(),
    bought: false,
    ownSecret: true,
    loginDue: false,
    ...changes,
  })
}

function hold(life: Life, because: HeldBecause, refusals = 0): Life {
  life.does({ type: 'wanted', operation: 'login' })
  return life.does({ type: 'held', because, ms: MINUTE, refusals })
}

describe('a token that another replica obtained', () => {
  it('is used like an own one: sent, renewed at 80 %, and no failure is left', () => {
    const life = live().login(REFUSED).login(unclear(500)).after(1000)
    const failuresBefore = failuresInRow(life.state())
    adopt(life.does({ type: 'wanted', operation: 'login' }), { sentAt: life.now() - 400 })
    const { token } = life.state()
    expect(token).toMatchObject({ generation: 1, obtainedAt: life.now() - 400 })
    expect(life.state()).toMatchObject({
      request: undefined,
      backoff: 'none',
      failures: { refused: 0, unclear: 0 },
      refusals: 0,
      lastSuccessAt: life.now(),
    })
    expect(life.events()).toEqual([
      { type: 'adopted', at: life.now(), session: token, failuresBefore },
    ])
    expect(life.wait()).toBe(240_000 - 400)
    expect(life.next().operation).toBe('refresh')
  })

  it('counts as a login: without a refresh token, the former one is not kept', () => {
    const life = adopt(live().login(grant()), {
      grant: grant({ token: 'theirs', refreshToken: null }),
    })
    expect(life.state().token?.generation).toBe(2)
    expect(life.next().operation).toBe('login')
  })

  it('with another secret leaves our refusals, and is followed by a login with ours', () => {
    const life = adopt(live().login(REFUSED), { ownSecret: false, loginDue: true })
    expect(life.state().refusals).toBe(1)
    expect(life.next()).toEqual({ at: life.now(), operation: 'login' })
  })

  it.each([
    ['after a rejection here', true, true, 'brand-new'],
    ['after a rejection elsewhere', false, true, 'brand-new'],
    ['before its time came', false, false, 'replace'],
  ])('%s, and is rejected before it has worked: %s', (_, here, bought, verdict) => {
    const life = live().login(grant())
    if (here) life.rejected()
    adopt(life.after(100), { bought, sentAt: life.now() - 50 }).rejected()
    expect(life.events()).toMatchObject([{ type: 'token-rejected', verdict }])
  })

  it('after a rejection here is not replaced for the call that is rejected again', () => {
    const life = live().login(grant()).rejected(1, '/bad').rejected(1, '/tasks')
    adopt(life.after(100), { bought: true }).accepted(2, '/tasks').after(1).rejected(2, '/bad')
    expect(life.events()).toMatchObject([{ type: 'token-rejected', verdict: 'about-call' }])
  })

  it('makes no conflict of the rejections before it', () => {
    const life = live().login(grant())
    for (let time = 0; time < 5; time += 1) {
      life.accepted().after(1000).rejected()
      expect(life.events()).toMatchObject([{ verdict: 'replace' }])
      adopt(life, { bought: true })
    }
  })
})

describe('a token request that is held', () => {
  it.each<readonly [HeldBecause, number, string]>([
    ['busy', 0, 'none'],
    ['alone', 0, 'none'],
    ['held', 0, 'transient'],
    ['conflict', 0, 'conflict'],
    ['guarded', 2, 'rejected'],
    ['guarded', 3, 'guarded'],
  ])('because %s, after %i refusals, waits with the back-off %s', (because, refusals, backoff) => {
    const life = hold(live(), because, refusals)
    expect(life.state()).toMatchObject({ request: undefined, backoff, refusals })
    expect(life.wait()).toBe(MINUTE)
    expect(life.events()).toEqual([{ type: 'held', at: life.now(), because, ms: MINUTE }])
  })

  it('never waits for less than before', () => {
    const life = live().login(REFUSED).login(REFUSED).login(REFUSED)
    expect(hold(life, 'busy', 3).wait()).toBe(15 * MINUTE)
  })

  it('waits for nothing when the secret changed meanwhile', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'credentials-changed', refused: undefined })
    life.does({ type: 'held', because: 'guarded', ms: MINUTE, refusals: 3 })
    expect(life.state()).toMatchObject({ refusals: 0, backoff: 'none' })
    expect([life.next().at, life.events()]).toEqual([life.now(), []])
  })

  it.each([
    ['rejected before', true, undefined],
    ['good', false, 1],
  ])('for a conflict ends the use of a token that was %s with the next rejected call', (...row) => {
    const [, before, generation] = row
    const life = live().login(grant())
    if (before) life.rejected()
    hold(life, 'conflict').after(10).rejected()
    expect(sendable(life.state(), life.now())?.generation).toBe(generation)
  })
})

describe('a token request after failures of other replicas', () => {
  const NONE: Before = { failures: undefined, refusals: 0, alone: false }

  it.each<readonly [Partial<Before>, typeof DOWN, number]>([
    [{ failures: { kind: 'unclear', count: 3 } }, unclear(500), 4000],
    [{ failures: { kind: 'unreached', count: 3 } }, unclear(500), 500],
    [{ failures: { kind: 'unreached', count: 3 } }, DOWN, 4000],
    [{ refusals: 2 }, REFUSED, 15 * MINUTE],
  ])('goes on with their count: %j', (before, failure, wait) => {
    const life = live()
      .random(1)
      .begins('login', { ...NONE, ...before })
    expect(life.does(ended(failure)).wait()).toBe(wait)
  })

  it('goes on with its own where that is more', () => {
    const life = live().random(1).login(DOWN).login(DOWN).login(REFUSED).after(5000)
    life.begins('login', { failures: { kind: 'unreached', count: 1 }, refusals: 0, alone: false })
    expect(life.does(ended(DOWN)).wait()).toBe(2000)
    expect(life.state().refusals).toBe(1)
  })

  it.each([
    [true, REFUSED, 3, 15 * MINUTE, 'guarded'],
    [false, REFUSED, 1, 5000, 'rejected'],
    [true, DOWN, 0, 500, 'transient'],
  ] as const)('guards the account at the first refusal when alone: %j', (...row) => {
    const [alone, outcome, refusals, wait, backoff] = row
    const life = live()
      .random(1)
      .begins('login', { ...NONE, alone })
      .does(ended(outcome))
    expect(life.state()).toMatchObject({ refusals, backoff, token: undefined })
    expect([life.wait(), life.now()]).toEqual([wait, START])
  })

  it('keeps the secret with which it was wanted', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'credentials-changed', refused: undefined })
    life.does({ type: 'request-started', before: NONE }).does(ended(REFUSED))
    expect(life.state()).toMatchObject({ refusals: 0, backoff: 'none' })
  })
})
