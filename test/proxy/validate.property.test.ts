import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validated } from './validated.ts'
import { head, RULES } from './request-head.ts'

const fieldName = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/)
const anyField = fc.tuple(
  fc.oneof(
    fieldName,
    fc.constantFrom('Host', 'Content-Length', 'Transfer-Encoding', 'Expect', 'Origin', 'TE'),
  ),
  fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 30 }), fc.constantFrom('5', 'chunked')),
)
const anyHead = fc.record({
  method: fc.oneof(fc.constantFrom('GET', 'POST', 'OPTIONS', 'TRACE'), fieldName),
  target: fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 40 }),
    fc.string({ maxLength: 20 }).map((rest) => `/rest/isales/${rest}`),
    fc.string({ maxLength: 20 }).map((rest) => `http://localhost/${rest}`),
  ),
  httpVersion: fc.constantFrom('1.1', '1.0', '0.9', '2.0'),
  rawHeaders: fc.array(anyField, { maxLength: 12 }).map((fields) => fields.flat()),
})

describe('whatever comes', () => {
  it('gets a verdict, and nothing is thrown', () => {
    fc.assert(
      fc.property(anyHead, (any) => {
        expect(validated(any, RULES)).toBeTypeOf('object')
      }),
      { numRuns: 2000 },
    )
  })

  it('what is valid stays under the prefix, however another server reads its path', () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '/',
      '%2e',
      '%2F',
      '%5c',
      '\\',
      ';',
      'a',
      '%00',
      '?',
      '#',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const target = `/rest/isales/${parts.join('')}`
        const valid = validated(head({ method: 'GET', target }), RULES)
        if ('refused' in valid) return
        const path = decodeURIComponent(valid.target.replace(/\?.*$/, '')).replaceAll('\\', '/')
        const seen = new URL(path.replaceAll(/;[^/]*/g, ''), 'http://x').pathname
        expect(seen.startsWith('/rest/isales/')).toBe(true)
        expect(seen).not.toContain('//')
      }),
      { numRuns: 5000 },
    )
  })

  it('what is valid has one framing', () => {
    const lengths = fc.array(fc.constantFrom('5', '05', '+5', '5,5', '', '6'), { maxLength: 3 })
    const codings = fc.array(fc.constantFrom('chunked', 'gzip', '', 'chunked, gzip'), {
      maxLength: 2,
    })
    fc.assert(
      fc.property(lengths, codings, (length, coding) => {
        const fields = [
          ...length.flatMap((value) => ['Content-Length', value]),
          ...coding.flatMap((value) => ['Transfer-Encoding', value]),
        ]
        const valid = validated(head({ rawHeaders: ['Host', 'localhost', ...fields] }), RULES)
        if ('refused' in valid) return
        expect(length.length + coding.length).toBeLessThanOrEqual(1)
        expect(valid.framing).toBe(coding.length === 1 ? 'chunked' : Number(length[0] ?? 0))
      }),
    )
  })
})
