import { describe, expect, it } from 'vitest'
import type { Adopted, HeldBecause } from '../../src/token/obtain.ts'
import { ended, grant, live, REFUSED, unclear, DOWN, START, type Life } from './support.ts'

const LOGIN = { do: 'request', operation: 'login' }
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

describe('a token that another replica obtained', () => {
  it('is used like an own one: sent, renewed at 80 %, and no failure is left', () => {
    const life = live().login(REFUSED).login(unclear(500)).after(1000)
    const { failures } = life.state()
    life.does({ type: 'wanted', operation: 'login' })
    adopt(life, { sentAt: life.now() - 400 })
    const { token } = life.state()
    expect(token).toMatchObject({ generation: 1, obtainedAt: life.now() - 400 })
    expect(life.state()).toMatchObject({
      request: undefined,
      backoff: 'none',
      failures: 0,
      failuresByKind: { refused: 0, unclear: 0, unreached: 0, egress: 0 },
      refusals: 0,
      loginDue: false,
      refreshSpent: false,
      lastSuccessAt: life.now(),
    })
    expect(life.wait()).toBe(240_000 - 400)
    expect(life.events()).toEqual([
      { type: 'adopted', at: life.now(), session: token, failuresBefore: failures },
    ])
  })

  it('counts as a login: without a refresh token, the former one is not kept', () => {
    const life = adopt(live().login(grant({ refreshToken: 'r1' })), {
      grant: grant({ token: 'theirs', refreshToken: null }),
    })
    expect(life.state().token?.generation).toBe(2)
    expect(life.after(240_000).next()).toEqual(LOGIN)
  })

  it('with another secret leaves our refusals, and is followed by a login with ours', () => {
    const life = adopt(live().login(REFUSED), { ownSecret: false, loginDue: true })
    expect(life.state()).toMatchObject({ refusals: 1, refreshSpent: true })
    expect(life.next()).toEqual(LOGIN)
  })

  it('that was renewed after a rejection ends the suspicion, and the rejected call is no conflict', () => {
    const life = live().login(grant()).rejected().after(100)
    adopt(life, { bought: true, sentAt: life.now() - 50 })
    expect(life.state().rejections).toMatchObject({
      renewing: false,
      early: [],
      replaced: { generation: 1, at: life.now() },
    })
  })

  it.each([
    [true, { at: START + 50, generation: 1, paths: new Set() }],
    [false, undefined],
  ])(
    'that a rejection elsewhere asked for (%j) excuses late rejections here',
    (bought, replaced) => {
      const life = live().login(grant())
      const before = life.state().rejections.replaced
      adopt(life.after(100), { bought, sentAt: START + 50 })
      expect(life.state().rejections.replaced).toEqual(replaced ?? before)
    },
  )
})

describe('a token request that is held', () => {
  it.each<readonly [HeldBecause, number, string]>([
    ['busy', 0, 'none'],
    ['alone', 0, 'none'],
    ['held', 0, 'transient'],
    ['conflict', 0, 'conflict'],
    ['guarded', 1, 'rejected'],
    ['guarded', 2, 'rejected'],
    ['guarded', 3, 'guarded'],
    ['guarded', 4, 'guarded'],
  ])('because %s, after %i refusals, waits with the back-off %s', (because, refusals, backoff) => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'held', because, ms: MINUTE, refusals })
    expect(life.state()).toMatchObject({ request: undefined, backoff, refusals })
    expect(life.wait()).toBe(MINUTE)
    expect(life.events()).toEqual([{ type: 'held', at: life.now(), because, ms: MINUTE }])
  })

  it('never waits for less than before', () => {
    const life = live().login(REFUSED).does({ type: 'wanted', operation: 'login' })
    expect(life.does({ type: 'held', because: 'busy', ms: 100, refusals: 1 }).wait()).toBe(5000)
  })

  it('is forgotten when the secret changed meanwhile', () => {
    const life = live().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'credentials-changed', refused: undefined })
    life.does({ type: 'held', because: 'guarded', ms: MINUTE, refusals: 3 })
    expect(life.state()).toMatchObject({ request: undefined, refusals: 0, backoff: 'none' })
    expect([life.wait(), life.events()]).toEqual([0, []])
  })
})

describe('a token request after failures of other replicas', () => {
  const after = (kind: 'unclear' | 'unreached', count: number, refusals = 0) =>
    live()
      .random(1)
      .does({
        type: 'request-started',
        operation: 'login',
        before: { failures: { kind, count }, refusals, alone: false },
      })

  it('goes on with their count', () => {
    expect(
      after('unclear', 3)
        .does(ended(unclear(500)))
        .wait(),
    ).toBe(4000)
    expect(
      after('unreached', 3)
        .does(ended(unclear(500)))
        .wait(),
    ).toBe(500)
    expect(after('unreached', 3).does(ended(DOWN)).wait()).toBe(4000)
    expect(after('unreached', 1, 2).does(ended(REFUSED)).wait()).toBe(15 * MINUTE)
  })

  it.each([
    [true, REFUSED, 3, 15 * MINUTE, 'guarded'],
    [false, REFUSED, 1, 5000, 'rejected'],
    [true, DOWN, 0, 500, 'transient'],
  ] as const)('guards the account at the first refusal when alone: %j', (...row) => {
    const [alone, outcome, refusals, wait, backoff] = row
    const life = live()
      .random(1)
      .does({
        type: 'request-started',
        operation: 'login',
        before: { failures: undefined, refusals: 0, alone },
      })
    life.does(ended(outcome))
    expect(life.state()).toMatchObject({ refusals, backoff })
    expect(life.wait()).toBe(wait)
  })
})

describe('a conflict that another replica found', () => {
  it('ends the sending of a rejected token with the next call that is rejected, as an own one does', () => {
    const life = live().login(grant()).rejected().does({ type: 'wanted', operation: 'login' })
    life.does({ type: 'held', because: 'conflict', ms: MINUTE, refusals: 0 })
    expect(life.state().rejections.givenUp).toBe(false)
    life.after(10).rejected()
    expect(life.state().rejections.givenUp).toBe(true)
  })

  it('leaves a token that no call found rejected', () => {
    const life = live().login(grant()).does({ type: 'wanted', operation: 'refresh' })
    life.does({ type: 'held', because: 'conflict', ms: MINUTE, refusals: 0 })
    expect(life.state().rejections.heldSince).toBe(undefined)
  })
})
