import { expect, it } from 'vitest'
import { classify, ConnectError } from '../../src/upstream/errors.ts'

/** The text must not matter. */
const coded = (code: string) =>
  Object.assign(new Error('ECONNREFUSED CERT_HAS_EXPIRED timeout'), { code })

it.each([
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_INVALID_ARG', 'invalid'],
  ['UND_ERR_NOT_SUPPORTED', 'invalid'],
  ['UND_ERR_DESTROYED', 'closed'],
  ['UND_ERR_CLOSED', 'closed'],
  ['UND_ERR_SOCKET', 'broken'],
  ['ECONNRESET', 'broken'],
  ['ECONNREFUSED', 'broken'],
  ['CERT_HAS_EXPIRED', 'broken'],
  ['HPE_INVALID_CONSTANT', 'broken'],
])('%s on a connection: %s', (code, failure) => {
  expect(classify(coded(code))).toEqual({ failure, code })
})

it.each([
  ['dns', 'unreachable'],
  ['refused', 'unreachable'],
  ['timeout', 'unreachable'],
  ['proxy', 'unreachable'],
  ['tls', 'tls'],
] as const)('no connection for the reason %s: %s', (reason, failure) => {
  expect(classify(new ConnectError(reason, 'X'))).toEqual({ failure, code: 'X' })
})

it.each([
  [new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), 'ECONNREFUSED'],
  [Object.assign(new AggregateError([]), { code: 'ETIMEDOUT' }), 'ETIMEDOUT'],
  [new Error('x', { cause: coded('CERT_HAS_EXPIRED') }), 'CERT_HAS_EXPIRED'],
  [undefined, 'unknown'],
  [null, 'unknown'],
  ['ECONNREFUSED', 'unknown'],
  [new Error('no code'), 'unknown'],
  [new AggregateError([]), 'unknown'],
])(
  'the code of an error is its own, or of the first address, or of its cause (%#): %s',
  (error, code) => {
    expect(classify(error)).toEqual({ failure: 'broken', code })
  },
)
