import { createConnection } from 'node:net'
import { describe, expect, it } from 'vitest'
import { classify } from '../../src/upstream/errors.ts'
import { dispatch, openUpstream } from './support.ts'

function coded(code: string, message = 'ECONNREFUSED CERT_HAS_EXPIRED timeout'): Error {
  return Object.assign(new Error(message), { code })
}

describe('a failure is named by its code', () => {
  it.each([
    ['ECONNREFUSED', 'unreachable'],
    ['ENOTFOUND', 'unreachable'],
    ['EAI_AGAIN', 'unreachable'],
    ['EHOSTUNREACH', 'unreachable'],
    ['ENETUNREACH', 'unreachable'],
    ['ETIMEDOUT', 'unreachable'],
    ['EADDRNOTAVAIL', 'unreachable'],
    ['ERR_EGRESS_REFUSED', 'unreachable'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['CERT_NOT_YET_VALID', 'tls'],
    ['CERT_REVOKED', 'tls'],
    ['CRL_HAS_EXPIRED', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls'],
    ['HOSTNAME_MISMATCH', 'tls'],
    ['INVALID_CA', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['EPROTO', 'tls'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['UND_ERR_INVALID_ARG', 'invalid'],
    ['UND_ERR_NOT_SUPPORTED', 'invalid'],
    ['UND_ERR_DESTROYED', 'closed'],
    ['UND_ERR_CLOSED', 'closed'],
    ['UND_ERR_SOCKET', 'broken'],
    ['ECONNRESET', 'broken'],
    ['ECONNABORTED', 'broken'],
    ['EPIPE', 'broken'],
    ['HPE_INVALID_CONSTANT', 'broken'],
    ['UND_ERR_HEADERS_OVERFLOW', 'broken'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'broken'],
    ['NOT_CERT_HAS_EXPIRED', 'broken'],
  ])('%s: %s', (code, failure) => {
    expect(classify(coded(code))).toEqual({ failure, code })
  })

  it('that of the first address, when all were tried', () => {
    const tried = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')])
    expect(classify(tried)).toEqual({ failure: 'unreachable', code: 'ECONNREFUSED' })
    const named = Object.assign(new AggregateError([]), { code: 'ETIMEDOUT' })
    expect(classify(named).failure).toBe('unreachable')
  })

  it('that of its cause, when it has none itself', () => {
    const cause = coded('CERT_HAS_EXPIRED')
    expect(classify(new Error('no connection', { cause }))).toMatchObject({ failure: 'tls' })
  })

  it.each([
    [undefined],
    [null],
    ['ECONNREFUSED'],
    [new Error('no code')],
    [new AggregateError([])],
  ])('%s without one is broken', (error) => {
    expect(classify(error)).toEqual({ failure: 'broken', code: 'unknown' })
  })

  it('a name that does not exist', async () => {
    const code = await new Promise((resolve) => {
      createConnection(1, 'no-such-host.invalid').on('error', (error) => resolve(classify(error)))
    })
    expect(code).toMatchObject({ failure: 'unreachable' })
    const upstream = openUpstream({ origin: 'http://no-such-host.invalid' })
    expect(await dispatch(upstream)).toMatchObject({ failure: 'unreachable', written: false })
  })
})
