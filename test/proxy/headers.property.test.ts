import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRequestHeaders, relayedHead } from '../../src/proxy/headers.ts'
import { endToEnd, ENDS_HERE, lineOf, name, nominated, pairs, TOKEN_SETS } from './header-lines.ts'

const line = lineOf(name)

test('iSales gets what a client sent end to end, in its order, then ours and each token header, once', () => {
  const request = fc.record({
    fields: fc.array(line, { maxLength: 20 }),
    tokenHeaders: fc.constantFrom(...TOKEN_SETS),
    httpVersion: fc.constantFrom('1.0', '1.1'),
    contentLength: fc.constantFrom(undefined, '5'),
    maxForwards: fc.constantFrom(-1, 3),
  })
  fc.assert(
    fc.property(request, ({ fields, tokenHeaders, ...rest }) => {
      const credential = 'Bearer good'
      const make = createRequestHeaders(tokenHeaders, 'us')
      const rawHeaders = fields.flat()
      expect(pairs(make({ rawHeaders, credential, requestId: 'id-1', ...rest }))).toEqual([
        ...endToEnd(fields, tokenHeaders),
        ['Via', `${rest.httpVersion} us`],
        ['X-Request-Id', 'id-1'],
        ...(rest.contentLength === undefined ? [] : [['Content-Length', rest.contentLength]]),
        ...(rest.maxForwards === -1 ? [] : [['Max-Forwards', '2']]),
        ...tokenHeaders.map((header) => [header, credential]),
      ])
    }),
    { numRuns: 2000 },
  )
})

test('nothing hop-by-hop, nothing that Connection names and no token is relayed to a client', () => {
  const secrets = ['token-of-16-chars', 'refresh-token-of-more']
  const carriesToken = (text: string): boolean => secrets.some((secret) => text.includes(secret))
  const texts = ['a', 'token-of-16-chars', 'x refresh-token-of-more y', '12', 'chunked', '']
  const value = fc.constantFrom(...texts)
  const response = fc.array(fc.oneof(fc.tuple(name, value), line), { maxLength: 20 })
  fc.assert(
    fc.property(response, fc.constantFrom(103, 200, 204, 304), (fields, status) => {
      const rawHeaders = fields.flat().map((text) => Buffer.from(text, 'latin1'))
      const relayed = pairs(
        relayedHead({ status, reason: '', rawHeaders }, carriesToken, 'id-1').headers,
      )
      const gone = new Set([...ENDS_HERE, ...nominated(fields)])
      gone.delete('x-request-id')
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
