import { describe, expect, it } from 'vitest'
import { credentialsChanged, isInFlight, renewAsked } from '../../src/token/lifecycle.ts'
import { whyOf } from '../../src/token/logins.ts'
import { aged, DOWN, due, grant, live, REFUSED, waits } from './support.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('an operator who asks for a login', () => {
  it('gets one now, whatever the back-off is, and the count goes on', () => {
    const life = live()
    waits(life, REFUSED, 4)
    expect(due(life.does(renewAsked, undefined))).toBe('login')
    expect(life.state.asked).toMatchObject({ guarded: true, end: undefined })
    expect(life.login(REFUSED).wait()).toBe(4 * HOUR)
    expect(life.state.asked.end).toEqual({
      outcome: 'refused',
      reason: 'rejected',
      retryIn: 4 * HOUR,
    })
  })

  it('ends a pause once a minute: another one waits, and is told so', () => {
    const life = live()
    waits(life, REFUSED, 4)
    life.does(renewAsked, undefined).login(REFUSED).after(1000)
    expect(life.does(renewAsked, undefined).wait()).toBe(MINUTE - 1000)
    expect(life.event).toMatchObject({
      type: 'renew-asked',
      asked: { outcome: 'deferred', reason: 'asked-before', retryIn: MINUTE - 1000 },
    })
    expect(life.login(REFUSED).event).toMatchObject({ asked: { outcome: 'refused' } })
  })

  it('who asks again and again with the right password gets a login each 3 s', () => {
    const life = live().does(renewAsked, undefined).login(grant()).does(renewAsked, undefined)
    expect([life.wait(), life.state.asked.end]).toEqual([3000, undefined])
  })

  it.each([
    ['granted', grant({ token: 't2' })],
    ['refused', REFUSED],
  ])('gets a login and no refresh, also after a refresh in flight that is %s', (_, outcome) => {
    const life = aged().begins('refresh').does(renewAsked, undefined).ends(outcome)
    expect(due(life)).toBe('login')
    expect(life.login(grant({ token: 't3' })).wait()).toBe(240_000)
    expect(due(life.does(renewAsked, undefined).after(3000))).toBe('login')
  })

  it('is not answered by a refresh that comes before the login', () => {
    const life = aged().does(renewAsked, undefined).login(grant())
    life.does(renewAsked, undefined).begins('refresh')
    expect(life.state.request).toMatchObject({ asked: false })
    life.ends(DOWN)
    expect([life.event, life.state.asked.end]).toMatchObject([{ asked: undefined }, undefined])
    life.begins('refresh').ends(grant({ token: 't3' }))
    expect([life.event, life.state.asked.end]).toMatchObject([{ asked: undefined }, undefined])
    expect([life.next().operation, whyOf(life.state)]).toEqual(['login', 'operator'])
  })
})

describe('a login in flight', () => {
  it('is the only one', () => {
    const life = live()
    expect(isInFlight(life.state)).toBe(false)
    expect(life.begins('login').next()).toEqual({ at: Infinity, operation: 'login' })
    expect(isInFlight(life.state)).toBe(true)
  })

  it.each([
    ['granted', grant()],
    ['refused', REFUSED],
    ['failed', DOWN],
  ])('with the present secret is what an operator asks for: %s', (outcome, ends) => {
    const life = live().begins('login').does(renewAsked, undefined).ends(ends)
    expect(life.state.asked).toMatchObject({ number: 2, guarded: false, end: { outcome } })
    expect(due(life)).toBeUndefined()
    life.after(HOUR).begins('login').ends(DOWN)
    expect(life.state.asked).toMatchObject({ end: { outcome } })
  })

  it('with a former secret is not: both are answered by the next', () => {
    const life = live().begins('login').does(credentialsChanged, undefined)
    life.does(renewAsked, undefined).ends(REFUSED)
    expect([life.state.asked.end, due(life)]).toEqual([undefined, 'login'])
    expect(life.login(grant()).event).toMatchObject({ asked: { outcome: 'granted' } })
    expect(due(life)).toBeUndefined()
  })
})
