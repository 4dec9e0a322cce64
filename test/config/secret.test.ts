import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'

const CANARY = 'canary-secret'
const secret = new Secret(CANARY)

describe('a secret', () => {
  it('gives its text to whoever reveals it', () => {
    expect(secret.reveal()).toBe(CANARY)
  })

  it.each<[string, () => string]>([
    ['a template', () => `${secret}`],
    ['concatenation', () => '' + String(secret)],
    ['a primitive', () => String(secret[Symbol.toPrimitive]())],
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
    ['a spread', () => inspect({ ...secret })],
    ['a structured clone', () => inspect(structuredClone({ ...secret }))],
  ])('has nothing of it in %s', (_, show) => {
    expect(show()).not.toContain(CANARY)
  })
})
