import { format, inspect } from 'node:util'
import { expect, it } from 'vitest'
import { Secret, withoutLogin } from '../../src/config/secret.ts'

const CANARY = 'canary-secret'
const secret = new Secret(CANARY)
/** Deceives the compiler. */
const mistaken = secret as unknown as string

it.each<[string, boolean, () => string]>([
  ['a template', true, () => `password=${mistaken}`],
  ['a conversion', true, () => String(secret)],
  ['JSON', true, () => JSON.stringify({ secret })],
  ['inspect', true, () => inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
  ['format', true, () => format('%s %o %j', secret, secret, secret)],
  ['the cause of an error', true, () => inspect(new Error('x', { cause: secret }))],
  ['its properties', false, () => JSON.stringify(Object.getOwnPropertyDescriptors(secret))],
  ['a copy', false, () => inspect(Object.assign({}, secret))],
  ['a structured clone', false, () => inspect(structuredClone(secret), { showHidden: true })],
])('a secret is not shown in %s', (_, isMarked, show) => {
  expect(show().includes('[redacted]')).toBe(isMarked)
  expect(show()).not.toContain(CANARY)
})

it.each([
  ['http://me:canary-secret@proxy:3128/', 'http://[redacted]@proxy:3128/'],
  ['redis://u:canary-secret@@h', 'redis://[redacted]@h'],
  ['one,http://u:canary-secret,\n 2@h', 'one,http://[redacted]@h'],
  ['http://u:canary-secret@one, http://u:canary-secret@two', 'http://[redacted]@two'],
  ['obs@site', 'obs@site'],
])('a text is shown without the login of a URL: %j', (text, shown) => {
  expect(withoutLogin(text)).toBe(shown)
})
