import { assert, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import type { SharedRecord } from '../../src/sharing/record.ts'

const KEY = new Secret('k'.repeat(32))
const ACCOUNT = { origin: 'https://isales.example:443', user: 'obs' }
const RECORD: SharedRecord = {
  token: new Secret('canary-token'),
  lifetimeMs: 3_600_000,
  assumed: false,
  refreshToken: new Secret('canary-refresh'),
  totalMs: 86_400_000,
  fingerprint: 'f'.repeat(22),
  bought: false,
}
const seal = createSeal(KEY, ACCOUNT)

describe('sealing', () => {
  it('gives the record again to whoever has the key, the origin and the user', () => {
    const { id, sealed } = seal.close(RECORD)
    expect(id).toMatch(/^[\w-]{22}$/)
    expect(sealed.startsWith(`${id}.`)).toBe(true)
    const opened = createSeal(KEY, ACCOUNT).open(sealed)
    expect(opened?.id).toBe(id)
    expect(opened?.record.token.reveal()).toBe('canary-token')
    expect(opened?.record.refreshToken?.reveal()).toBe('canary-refresh')
  })

  it('shows nothing of the record, and looks different each time', () => {
    const [one, other] = [seal.close(RECORD).sealed, seal.close(RECORD).sealed]
    expect(one).not.toBe(other)
    const bytes = Buffer.from(one.slice(23), 'base64url').toString('latin1')
    expect(`${one}${bytes}`).not.toContain('canary')
  })

  it.each([
    ['another key', createSeal(new Secret('x'.repeat(32)), ACCOUNT)],
    ['another user', createSeal(KEY, { ...ACCOUNT, user: 'other' })],
    ['another iSales', createSeal(KEY, { ...ACCOUNT, origin: 'https://other.example' })],
    [
      'parts that join to the same text',
      createSeal(KEY, { origin: `${ACCOUNT.origin}","o`, user: 'bs' }),
    ],
  ])('is another place with another fingerprint, and opens nothing, with %s', (_, other) => {
    const { sealed } = seal.close(RECORD)
    expect(other.place).not.toBe(seal.place)
    expect(other.fingerprint(new Secret('pw'))).not.toBe(seal.fingerprint(new Secret('pw')))
    expect(other.open(sealed)).toBeUndefined()
  })

  it('names a password the same each time, and another one differently', () => {
    expect(seal.fingerprint(new Secret('pw'))).toBe(
      createSeal(KEY, ACCOUNT).fingerprint(new Secret('pw')),
    )
    expect(seal.fingerprint(new Secret('pw'))).not.toBe(seal.fingerprint(new Secret('pw2')))
    expect(seal.fingerprint(new Secret('pw'))).toMatch(/^[\w-]{22}$/)
    expect(seal.place).toMatch(/^[\w-]{22}$/)
  })

  it('opens nothing in which one character was changed, the id included', () => {
    const { sealed } = seal.close(RECORD)
    assert(
      property(integer({ min: 0, max: sealed.length - 2 }), (at) => {
        const changed =
          sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
        expect(seal.open(changed)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it('opens nothing that was cut off', () => {
    const { sealed } = seal.close(RECORD)
    assert(
      property(integer({ min: 0, max: sealed.length - 2 }), (length) => {
        expect(seal.open(sealed.slice(0, length))).toBeUndefined()
      }),
    )
  })

  it.each([
    ['nothing', ''],
    ['an id alone', 'i'.repeat(22)],
    ['bytes of somebody else', `${'i'.repeat(22)}.${'A'.repeat(200)}`],
    ['a megabyte', `${'i'.repeat(22)}.${'A'.repeat(1024 * 1024)}`],
    ['no base64', `${'i'.repeat(22)}.${'\u{1F600}'.repeat(50)}`],
  ])('opens no record that is %s', (_, text) => {
    expect(seal.open(text)).toBeUndefined()
  })

  it('opens the longest record that can be granted', () => {
    const long = new Secret('t'.repeat(8192))
    const { sealed } = seal.close({ ...RECORD, token: long, refreshToken: long })
    expect(seal.open(sealed)?.record.token.reveal()).toHaveLength(8192)
  })
})
