import { expect, it } from 'vitest'
import { classifyError, classifyStatus, readErrorCode } from '../src/causes.ts'
import { classifyHandshakeError, isWebPage } from '../src/causes.ts'
import type { ErrorContext, ResponseInfo } from '../src/causes.ts'
import { classify } from '../src/upstream/exchange.ts'

/** An error whose text must not matter. */
const coded = (code: string) =>
  Object.assign(new Error('ECONNREFUSED CERT_HAS_EXPIRED timeout'), { code })

it.each<readonly [code: string, context: Omit<ErrorContext, 'side'>, expected: string]>([
  ['ENOTFOUND', { stage: 'dns' }, 'dns name-unknown'],
  ['ETIMEDOUT', { stage: 'dns' }, 'dns dns-down'],
  ['ECONNREFUSED', { stage: 'connect' }, 'connect connection-refused'],
  ['ETIMEDOUT', { stage: 'connect' }, 'connect connect-timeout'],
  ['ETIMEDOUT', { stage: 'tls' }, 'connect connect-timeout'],
  ['ENETDOWN', { stage: 'connect' }, 'connect no-route'],
  // Not a problem of the certificate.
  ['ECONNRESET', { stage: 'tls' }, 'connect connection-closed'],
  ['CERT_HAS_EXPIRED', { stage: 'tls' }, 'tls expired'],
  ['CERT_NOT_YET_VALID', { stage: 'tls' }, 'tls not-yet-valid'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', { stage: 'tls' }, 'tls other-name'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', { stage: 'tls' }, 'tls untrusted'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', { stage: 'tls' }, 'tls no-tls'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', { stage: 'tls' }, 'tls own-certificate'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', { stage: 'tls' }, 'tls handshake'],
  ['UND_ERR_SOCKET', {}, 'response connection-lost'],
  ['ECONNRESET', { plain: true }, 'tls tls-expected'],
])('%s in the context %j is %s', (code, context, expected) => {
  const { stage, code: found, side } = classifyError(code, { side: 'isales', ...context })
  expect([`${stage} ${found}`, side]).toEqual([expected, 'isales'])
})

it.each<readonly [ResponseInfo, string]>([
  [{ status: 503 }, 'maintenance'],
  [{ status: 502, page: true }, 'gateway'],
  [{ status: 500, shaped: true }, 'business'],
  [{ status: 500 }, 'server-error'],
  [{ status: 401 }, 'account'],
  [{ status: 403 }, 'password'],
  [{ status: 403, page: true }, 'login-page'],
  [{ status: 400, shaped: true }, 'values'],
  [{ status: 400 }, 'not-isales'],
  [{ status: 400, plain: true }, 'tls-expected'],
  [{ status: 404 }, 'path-unknown'],
])('a response with %j is %s', (seen, code) => {
  expect(classifyStatus(seen).code).toBe(code)
})

it.each([
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_INVALID_ARG', 'invalid'],
  ['UND_ERR_SOCKET', 'connection-lost'],
])('%s on a connection: %s', (code, found) => {
  expect(classify(coded(code), false)).toMatchObject({ cause: { code: found }, detail: code })
})

it.each([
  [new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), 'ECONNREFUSED'],
  [Object.assign(new AggregateError([]), { code: 'ETIMEDOUT' }), 'ETIMEDOUT'],
  [new Error('x', { cause: coded('CERT_HAS_EXPIRED') }), 'CERT_HAS_EXPIRED'],
  [undefined, 'unknown'],
  [new Error('no code'), 'unknown'],
])(
  "the code of an error is its own, its first address's, or its cause's (%#): %s",
  (error, code) => {
    expect(readErrorCode(error)).toBe(code)
  },
)

it.each([
  ['TEXT/HTML; charset=utf-8', 'Forbidden', true],
  ['text/html', ' {"result":0', false],
  ['text/html5', 'Forbidden', false],
  ['application/json; was=text/html', '', false],
  ['application/json', ' \n<html>', true],
  [undefined, '<!DOCTYPE html>', true],
  [undefined, undefined, false],
])('%s with %j is a web page: %s', (contentType, body, page) => {
  expect(isWebPage(contentType, body)).toBe(page)
})

it.each([
  'TLSV1_ALERT_UNKNOWN_CA',
  'SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  'SSLV3_ALERT_BAD_CERTIFICATE',
])('an alert of a client about our certificate is not-trusted: %s', (alert) => {
  expect(classifyHandshakeError(`ERR_SSL_${alert}`)).toBe('not-trusted')
})
