import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRequestHeaders, responseHeaders } from '../../src/proxy/headers.ts'
import {
  ENDS_HERE,
  lineOf,
  name,
  NEVER,
  nominated,
  OURS,
  pairs,
  plain,
  TOKEN_SETS,
  type Lines,
} from './header-lines.ts'

const line = lineOf(name)
const lines = fc.array(line, { maxLength: 20 })

interface RequestFields {
  readonly fields: Lines
  readonly tokenHeaders: readonly string[]
  readonly httpVersion: string
  readonly contentLength: string | undefined
  readonly maxForwards: number
}

describe('whatever headers a client sends', () => {
  const request = fc.record({
    fields: lines,
    tokenHeaders: fc.constantFrom(...TOKEN_SETS),
    httpVersion: fc.constantFrom('1.0', '1.1'),
    contentLength: fc.constantFrom(undefined, '5'),
    maxForwards: fc.constantFrom(-1, 3),
  })

  const send = ({ fields, tokenHeaders, ...rest }: RequestFields): Lines =>
    pairs(
      createRequestHeaders({ tokenHeaders, pseudonym: 'us' })({
        rawHeaders: fields.flat(),
        credential: 'Bearer good',
        requestId: 'id-1',
        ...rest,
      }),
    )

  it('nothing hop-by-hop and nothing that Connection names goes on', () => {
    fc.assert(
      fc.property(request, (any) => {
        const ours = any.tokenHeaders.map((field) => field.toLowerCase())
        const gone = new Set([...ENDS_HERE, ...nominated(any.fields)])
        for (const own of [...OURS, ...ours]) gone.delete(own)
        for (const [field] of send(any)) expect(gone).not.toContain(field.toLowerCase())
      }),
      { numRuns: 2000 },
    )
  })

  it('the token is there once in each token header, and what they sent as one is nowhere', () => {
    fc.assert(
      fc.property(request, (any) => {
        const out = send(any)
        for (const header of any.tokenHeaders) {
          const found = out.filter(([field]) => plain(field) === plain(header))
          expect(found).toEqual([[header, 'Bearer good']])
        }
        const credentials = out.filter(([field]) =>
          /^authori[sz]ation$|^authentication$/i.test(field),
        )
        for (const [, value] of credentials) expect(value).toBe('Bearer good')
      }),
      { numRuns: 2000 },
    )
  })

  it('the length and the id are ours, once or not at all', () => {
    fc.assert(
      fc.property(request, (any) => {
        const values = (field: string): readonly string[] =>
          send(any)
            .filter(([sent]) => plain(sent) === plain(field))
            .map(([, value]) => value)
        expect(values('content-length')).toEqual(any.contentLength === undefined ? [] : ['5'])
        expect(values('x-request-id')).toEqual(['id-1'])
        expect(values('max-forwards')).toEqual(any.maxForwards === -1 ? [] : ['2'])
        expect(values('transfer-encoding')).toEqual([])
        expect(values('host')).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  it('what goes on is what came, in its order, and ours behind it', () => {
    fc.assert(
      fc.property(request, (any) => {
        const own = any.tokenHeaders.length + 2
        const more = Number(any.contentLength !== undefined) + Number(any.maxForwards > 0)
        const out = send(any)
        const theirs = out.slice(0, out.length - own - more)
        let from = 0
        for (const sent of theirs) {
          const at = any.fields.findIndex(
            ([field, value], i) => i >= from && field === sent[0] && value === sent[1],
          )
          expect(at).toBeGreaterThanOrEqual(from)
          from = at + 1
        }
        // Nothing else is lost: every field that neither ends here nor is named is there.
        const ends = [...ENDS_HERE, ...NEVER, ...OURS.slice(1), ...any.tokenHeaders]
        const dropped = new Set(ends.map(plain))
        const named = nominated(any.fields)
        const kept = any.fields.filter(
          ([field]) => !named.includes(field.toLowerCase()) && !dropped.has(plain(field)),
        )
        for (const field of kept) expect(theirs).toContainEqual(field)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('whatever headers iSales sends', () => {
  const secrets = ['token-of-16-chars', 'refresh-token-of-more']
  const carriesToken = (text: string): boolean => secrets.some((secret) => text.includes(secret))
  const value = fc.constantFrom(
    'a',
    'token-of-16-chars',
    'x refresh-token-of-more y',
    '12',
    'chunked',
    '',
  )
  const response = fc.array(fc.oneof(fc.tuple(name, value), line), { maxLength: 20 })

  it('nothing hop-by-hop, nothing that Connection names and no token is relayed', () => {
    fc.assert(
      fc.property(response, fc.constantFrom(103, 200, 204, 304), (fields, status) => {
        const raw = fields.flat().map((text) => Buffer.from(text, 'latin1'))
        const relayed = pairs(responseHeaders(status, raw, carriesToken, 'id-1').headers)
        const gone = [...ENDS_HERE, ...nominated(fields)].filter(
          (field) => field !== 'x-request-id',
        )
        for (const [field, text] of relayed) {
          expect(gone).not.toContain(field.toLowerCase())
          for (const secret of secrets) expect(text).not.toContain(secret)
        }
        const ids = relayed.filter(([field]) => field.toLowerCase() === 'x-request-id')
        expect(ids).toEqual([['X-Request-Id', 'id-1']])
      }),
      { numRuns: 2000 },
    )
  })
})
