import { assert, integer, option, property, record, stringMatching } from 'fast-check'
import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { NO_ATTEMPTS, recordStart } from '../../src/token/login-guard.ts'
import { decodeState, encodeState, NO_STATE } from '../../src/token/stored-state.ts'
import type { SharedState } from '../../src/token/stored-state.ts'
import { credentialsOf, grant } from '../token/support.ts'

const KEY = new Secret('k'.repeat(32))
const OTHER_KEY = new Secret('x'.repeat(32))
const ORIGIN = 'https://isales.example:443'
const NOW = 1_020_000
/** Milliseconds that the store's clock is ahead. */
const OFFSET = 1e12
const NAME = 'f'.repeat(22)
const STATE: SharedState = {
  token: grant({ token: 'canary-token', refreshToken: 'canary-refresh', of: NAME }),
  records: new Map([[NAME, recordStart(NO_ATTEMPTS, NOW)]]),
  lease: { holder: 'a', until: NOW },
}
const sealerOf = (key = KEY, origin = ORIGIN, user = 'obs') => createSealer(key, origin, user)
const sealed = (state = STATE) => sealerOf().seal(encodeState(state, OFFSET))
const opened = (value: string, by = sealerOf()) => {
  const text = by.open(value)
  return text === undefined ? undefined : decodeState(text, OFFSET, NOW)
}
const credentials = credentialsOf('pw')

const revealed = (state: SharedState | undefined): unknown =>
  JSON.parse(
    JSON.stringify({ ...state, records: [...(state?.records ?? [])] }, (_, value: unknown) =>
      value instanceof Secret ? value.reveal() : value,
    ),
  )

it('opens the sealed state with the same key, origin and user', () => {
  const tokens = stringMatching(/^[\x21-\x7e]{1,200}$/)
  const lives = integer({ min: 1, max: 86_400 })
  const refreshLives = option(lives, { nil: undefined })
  const grants = record({ token: tokens, lives, refreshToken: option(tokens), refreshLives })
  const isOpened = property(grants, (given) => {
    const token = grant({ ...given, sentAt: NOW - 500, of: NAME })
    const state = { ...STATE, token }
    expect(revealed(opened(sealed(state)))).toEqual(revealed(state))
  })
  assert(isOpened)
  expect(opened(sealed(NO_STATE))).toEqual(NO_STATE)
})

it('is the same in every replica of this version', () => {
  const { entryName, nameOf } = sealerOf()
  const names = ['9n0g9kjfQXqOxzIRXv4t9w', 'Z790kKVvya28tZZxZV_hfw']
  expect([entryName, nameOf(credentials)]).toEqual(names)
  const value = 'DEIl9Y9tS53PIZYf96xJEZ0/zUaf1Vk2me/pbYegqQw0I7FNMEk9vdQezhVQ0s1XllvRs5Mt'
  expect(opened(Buffer.from(value, 'base64').toString('latin1'))).toEqual(NO_STATE)
})

it('shows nothing of the token, and seals differently every time', () => {
  expect(sealed()).not.toBe(sealed())
  expect(sealed()).not.toContain('canary')
})

it.each([
  ['another key', sealerOf(OTHER_KEY)],
  ['another user', sealerOf(KEY, ORIGIN, 'other')],
  ['another iSales', sealerOf(KEY, 'https://other.example')],
  ['parts that join to the same text', sealerOf(KEY, `${ORIGIN}","o`, 'bs')],
])('has another store key, and opens nothing, with %s', (_, other) => {
  expect(other.entryName).not.toBe(sealerOf().entryName)
  expect(opened(sealed(), other)).toBeUndefined()
})

it.each([
  [true, 'the same', {}, sealerOf()],
  [false, 'another password', { password: new Secret('pw2') }, sealerOf()],
  [false, 'another user', { user: 'other' }, sealerOf()],
  [false, 'the same text', { user: 'obs","p', password: new Secret('w') }, sealerOf()],
  [false, 'another key', {}, sealerOf(OTHER_KEY)],
  [false, 'another iSales', {}, sealerOf(KEY, 'https://other.example')],
])('credentials have the same name, %s, with %s', (isSame, _, changes, sealer) => {
  const name = sealerOf().nameOf(credentials)
  expect(name).toMatch(/^[\w-]{22}$/)
  expect(sealer.nameOf({ ...credentials, ...changes }) === name).toBe(isSame)
})

it('opens nothing with a changed byte, or that is cut off, empty or foreign', () => {
  const value = sealed()
  const positions = property(integer({ min: 0, max: value.length - 1 }), (at) => {
    const other = value[at] === 'A' ? 'B' : 'A'
    expect(opened(value.slice(0, at) + other + value.slice(at + 1))).toBeUndefined()
    expect(opened(value.slice(0, at))).toBeUndefined()
  })
  assert(positions, { numRuns: 300 })
  expect(['', 'A'.repeat(200)].map((text) => opened(text))).toEqual([undefined, undefined])
})

it('opens the longest token that iSales can grant, and nothing longer than 32 KiB', () => {
  const long = 't'.repeat(8192)
  const token = grant({ token: long, refreshToken: long, of: NAME })
  expect(opened(sealed({ ...STATE, token }))?.token?.token.reveal()).toHaveLength(8192)
  const longer = { ...token, of: 'f'.repeat(32 * 1024) }
  expect(opened(sealed({ ...STATE, token: longer }))).toBeUndefined()
})
