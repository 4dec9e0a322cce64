import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret, withoutLogin } from '../../src/config/secret.ts'

const CANARY = 'canary-secret'
const secret = new Secret(CANARY)
/** Past the compiler. */
const mistaken = secret as unknown as string

describe('a secret', () => {
  it('gives its text to whoever reveals it', () => {
    expect(secret.reveal()).toBe(CANARY)
  })

  it.each<[string, () => string]>([
    ['a template', () => `password=${mistaken}`],
    ['concatenation', () => 'x'.concat(mistaken)],
    ['a conversion', () => String(secret)],
    ['a primitive', () => secret[Symbol.toPrimitive]()],
    ['JSON', () => JSON.stringify({ secret })],
    ['inspect', () => inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
    ['format', () => format('%s %o %j', secret, secret, secret)],
    ['the cause of an error', () => inspect(new Error('x', { cause: secret }))],
    ['an assertion', () => inspect(Object.entries({ secret }))],
  ])('shows nothing of it in %s', (_, show) => {
    expect(show()).toContain('[redacted]')
    expect(show()).not.toContain(CANARY)
  })

  it.each<[string, () => string]>([
    ['its properties', () => JSON.stringify(Object.getOwnPropertyDescriptors(secret))],
    ['a copy', () => inspect(Object.assign({}, secret))],
    ['a structured clone', () => inspect(structuredClone(secret), { showHidden: true })],
  ])('has nothing of it in %s', (_, show) => {
    expect(show()).not.toContain(CANARY)
  })
})

it.each([
  ['http://me:canary-secret@proxy:3128/', 'http://[redacted]@proxy:3128/'],
  ['http://canary-secret@proxy', 'http://[redacted]@proxy'],
  ['redis://u:canary-secret@@h', 'redis://[redacted]@h'],
  ['one,http://u:canary-secret,\n 2@h', 'one,http://[redacted]@h'],
  ['http://u:canary-secret@one, http://u:canary-secret@two', 'http://[redacted]@two'],
  ['obs@site', 'obs@site'],
  ['http://proxy:3128', 'http://proxy:3128'],
])('a text is shown without the login of a URL: %j', (text, shown) => {
  expect(withoutLogin(text)).toBe(shown)
})
