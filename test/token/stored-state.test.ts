import { describe, expect, it } from 'vitest'
import { HOUR, MINUTE } from '../../src/clock.ts'
import { NO_ATTEMPTS, recordGrant, type AttemptRecord } from '../../src/token/login-guard.ts'
import { decodeState, encodeState, FORMAT, NO_STATE } from '../../src/token/stored-state.ts'
import { grant, START as NOW } from './support.ts'

const GOOD = recordGrant(NO_ATTEMPTS, NO_ATTEMPTS, { sentAt: NOW, now: NOW })
const decode = (state: object) => decodeState(JSON.stringify({ version: FORMAT, ...state }), 7, NOW)

it.each([
  ['holder', { holder: 'a', until: NOW + 7 }, { holder: 'a', until: NOW }],
  ['instant', { holder: 'a', until: '1' }, {}],
  ['start of a refresh', { holder: 'a', until: 7, refreshingSince: 8 }, { refreshingSince: 1 }],
  ['field of another version', { holder: 'a', until: 7, other: 1 }, { until: 0 }],
])('a stored lease with its %s is read or not', (_, lease, expected) => {
  const { lease: found = {} } = decode({ entries: {}, lease }) ?? {}
  expect(found).toMatchObject(expected)
})

it('a stored token of before the store clock was set back is as new as possible', () => {
  const text = encodeState({ ...NO_STATE, token: grant({ sentAt: NOW + HOUR }) }, 7)
  expect(decodeState(text, 7, NOW)?.token?.sentAt).toBe(NOW)
})

it('the same state is a different text each time', () => {
  expect(encodeState(NO_STATE, 0)).not.toBe(encodeState(NO_STATE, 0))
})

describe('stored records', () => {
  const counts = { attempts: 4, rejections: 2, lastCode: 'password' } as const
  const record: AttemptRecord = { ...NO_ATTEMPTS, ...counts, pauseFrom: NOW }
  const stored = { ...counts, pauseFrom: NOW + 7, grantedAt: null, knownGoodUntil: null }
  const parse = (value: unknown) => decode({ entries: { one: stored, other: value } })?.records

  it('use another clock', () => {
    const records = new Map(Object.entries({ one: record, other: GOOD }))
    const text = encodeState({ ...NO_STATE, records }, 7)
    expect(JSON.parse(text)).toMatchObject({ entries: { one: stored } })
    expect(decodeState(text, 7, NOW)).toEqual({ ...NO_STATE, records })
  })

  it('are the 20 latest', () => {
    const names = Array.from({ length: 21 }, (_, hours) => `${hours}h`)
    const records = names.map((name, hours) => {
      const at = NOW + hours * HOUR
      const one = hours % 2 === 0 ? { ...GOOD, grantedAt: at } : { ...record, pauseFrom: at }
      return [name, one] as const
    })
    const text = encodeState({ ...NO_STATE, records: new Map(records) }, 7)
    const kept = Object.keys((JSON.parse(text) as { entries: object }).entries)
    expect(kept.toSorted()).toEqual(names.slice(1).toSorted())
  })

  it.each([
    ['pauseFrom', 10.5 * MINUTE, NOW + 10.5 * MINUTE],
    ['pauseFrom', HOUR, NOW + 10.5 * MINUTE],
    ['grantedAt', 1, NOW],
    ['knownGoodUntil', 24 * HOUR, NOW + 24 * HOUR],
    ['knownGoodUntil', 25 * HOUR, NOW + 24 * HOUR],
  ])('from before the clock was set back are as late as possible: %s + %d', (name, ms, at) => {
    const parsed = parse({ ...stored, [name]: NOW + 7 + ms })?.get('other')
    expect(parsed).toMatchObject({ [name]: at })
  })

  it.each([
    [{}, true],
    [{ attempts: 1e6 }, true],
    [{ attempts: 1e6 + 1 }, false],
    [{ attempts: 0.5 }, false],
    [{ attempts: -1 }, false],
    [{ pauseFrom: '1' }, false],
    [{ pauseFrom: null }, true],
    [{ grantedAt: '1' }, false],
    [{ knownGoodUntil: undefined }, false],
    [{ lastCode: undefined }, true],
    [{ lastCode: 'toString' }, true],
    [{ other: 1 }, true],
  ])('with %j in a record are readable: %s', (change, isReadable) => {
    expect(parse({ ...stored, ...change }) !== undefined).toBe(isReadable)
  })

  it.each([[null], ['text'], [[]]])('are unreadable with %j', (value) => {
    expect([parse(value), decode({ entries: value })]).toEqual([undefined, undefined])
  })
})
