import { describe, expect, it } from 'vitest'
import { classify, codeOf, ConnectError, type ConnectFailure } from '../../src/upstream/errors.ts'

/** The text must not matter. */
function coded(code: string, message = 'ECONNREFUSED CERT_HAS_EXPIRED timeout'): Error {
  return Object.assign(new Error(message), { code })
}

describe('a failure is named by its code', () => {
  it.each([
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['UND_ERR_INVALID_ARG', 'invalid'],
    ['UND_ERR_NOT_SUPPORTED', 'invalid'],
    ['UND_ERR_DESTROYED', 'closed'],
    ['UND_ERR_CLOSED', 'closed'],
    ['UND_ERR_SOCKET', 'broken'],
    ['ECONNRESET', 'broken'],
    ['ECONNABORTED', 'broken'],
    ['ECONNREFUSED', 'broken'],
    ['CERT_HAS_EXPIRED', 'broken'],
    ['EPIPE', 'broken'],
    ['HPE_INVALID_CONSTANT', 'broken'],
    ['UND_ERR_HEADERS_OVERFLOW', 'broken'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'broken'],
  ])('%s on a connection: %s', (code, failure) => {
    expect(classify(coded(code))).toEqual({ failure, code })
  })

  it.each<[ConnectFailure, string]>([
    ['dns', 'unreachable'],
    ['refused', 'unreachable'],
    ['timeout', 'unreachable'],
    ['proxy', 'unreachable'],
    ['tls', 'tls'],
  ])('no connection for the reason %s: %s', (reason, failure) => {
    expect(classify(new ConnectError(reason, 'X'))).toEqual({ failure, code: 'X' })
  })

  it('that of the first address when all failed', () => {
    expect(codeOf(new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]))).toBe(
      'ECONNREFUSED',
    )
    expect(codeOf(Object.assign(new AggregateError([]), { code: 'ETIMEDOUT' }))).toBe('ETIMEDOUT')
  })

  it('that of its cause when it has none itself', () => {
    expect(codeOf(new Error('x', { cause: coded('CERT_HAS_EXPIRED') }))).toBe('CERT_HAS_EXPIRED')
  })

  it.each([
    [undefined],
    [null],
    ['ECONNREFUSED'],
    [new Error('no code')],
    [new AggregateError([])],
  ])('%s has none: broken', (error) => {
    expect(classify(error)).toEqual({ failure: 'broken', code: 'unknown' })
  })
})
