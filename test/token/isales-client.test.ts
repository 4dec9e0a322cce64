import { describe, expect, it } from 'vitest'
import { cause, toAuthFailure } from '../../src/causes.ts'
import { Secret } from '../../src/config/secret.ts'
import { createIsalesClient, isGrant, parseResponse } from '../../src/token/isales-client.ts'
import type { AuthFailure, Grant, IsalesClientOptions } from '../../src/token/isales-client.ts'
import type { Post, PostResult } from '../../src/upstream/post.ts'
import { credentialsOf } from './support.ts'

const SENT = 5000
const DAY = 24 * 3600 * 1000

function reasoned(outcome: Grant | AuthFailure) {
  return isGrant(outcome) ? outcome : { ...outcome, reason: toAuthFailure(outcome.cause) }
}

function parse(body: string | undefined, status = 200, retryAfter?: string): Grant | AuthFailure {
  return reasoned(parseResponse({ status, body, retryAfter }, SENT))
}

function parseJson(body: unknown, status = 200): Grant | AuthFailure {
  return parse(JSON.stringify(body), status)
}

function grantOf(resultData: Readonly<Record<string, unknown>>): Grant {
  const outcome = parseJson({ result: 0, resultData })
  if (!isGrant(outcome)) throw new Error(`no grant: ${JSON.stringify(outcome)}`)
  return outcome
}

const REFUSAL = '{"result":7}'
const HTML = '<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>'
const GRANTING = '{"result":0,"resultData":{"token":"t1"}}'

it.each([0, '0'])('a response as published is a grant, with the result %j', (result) => {
  const lifetimes = { tokenExpirationTime: 300, refreshExpirationTime: 3600 }
  const resultData = { token: 't1', refreshToken: 'r1', ...lifetimes, extra: [1] }
  const outcome = parseJson({ result, resultData, extra: null }, 201) as Grant
  const rest = { sentAt: SENT, lifetime: { ms: 300_000 }, refreshLifetime: 3_600_000 }
  const [token, refreshToken] = [new Secret('t1'), new Secret('r1')]
  expect(outcome).toEqual({ token, refreshToken, ...rest })
  expect([outcome.token.reveal(), outcome.refreshToken?.reveal()]).toEqual(['t1', 'r1'])
})

describe('a response that gives no token', () => {
  const malformed = { kind: 'unknown', reason: 'malformed' }
  const page = { kind: 'not-processed', reason: 'malformed' }
  const down = { kind: 'not-processed', reason: 'unavailable' }
  const refused = { kind: 'rejected', reason: 'rejected' }
  const failed = { kind: 'rejected', reason: 'result' }
  const ambiguous = { kind: 'ambiguous', reason: 'result' }

  it.each<readonly [number, string | undefined, object, string]>([
    [199, '', page, ''],
    [200, undefined, malformed, 'body-too-long'],
    [200, HTML, page, 'page'],
    [200, GRANTING.slice(0, -3), malformed, 'no-json'],
    [200, '{}', malformed, 'no-result'],
    [200, '{"result":null}', malformed, 'no-result'],
    [200, '[{"result":0}]', malformed, 'no-json'],
    [200, '{"result":0}', malformed, 'no-resultData'],
    [200, '{"result":0,"resultData":["t1"]}', malformed, 'no-resultData'],
    [200, '{"result":0,"resultData":{"__proto__":{"token":"t1"}}}', malformed, 'no-token'],
    [200, REFUSAL, failed, 'result=7'],
    [200, '{"result":"700"}', failed, 'result=700'],
    [200, '{"result":"-1x"}', failed, 'result'],
    [200, '{"result":1234567890}', failed, 'result'],
    [200, '{"result":false}', failed, 'result'],
    [299, REFUSAL, failed, 'result=7'],
    [300, GRANTING, page, ''],
    [400, REFUSAL, refused, 'result=7'],
    [400, HTML, page, 'page'],
    [400, '', malformed, ''],
    [400, '{"result":null}', malformed, ''],
    [401, '', refused, ''],
    [401, HTML, malformed, 'page'],
    [403, GRANTING, refused, ''],
    [403, ' \n<html>', malformed, 'page'],
    [499, REFUSAL, malformed, 'result=7'],
    [500, REFUSAL, ambiguous, 'result=7'],
    [500, HTML, down, 'page'],
    [500, GRANTING, down, ''],
    [501, REFUSAL, { ...down, kind: 'unknown' }, 'result=7'],
  ])('is classified by status and format: %i with %j: %j, %s', (status, body, kind, detail) => {
    expect(parse(body, status)).toMatchObject({ ...kind, status, detail })
  })

  it.each([
    [403, 'Forbidden', { kind: 'unknown', reason: 'malformed' }],
    [403, REFUSAL, refused],
    [200, GRANTING, { sentAt: SENT }],
  ])('is a page if its media type is HTML, unless it is JSON: %i with %s', (status, body, kind) => {
    const html = { status, contentType: 'Text/HTML; charset=utf-8', body }
    expect(reasoned(parseResponse(html, SENT))).toMatchObject(kind)
  })

  it.each([
    [404, 'not-processed', 'malformed'],
    [407, 'not-processed', 'malformed'],
    [408, 'unknown', 'timeout'],
    [429, 'not-processed', 'throttled'],
    [502, 'not-processed', 'unavailable'],
    [503, 'not-processed', 'unavailable'],
    [504, 'not-processed', 'unavailable'],
  ] as const)('is, with %i, %s, reason %s, whatever the body says', (...row) => {
    const [status, kind, reason] = row
    for (const body of [GRANTING, REFUSAL, HTML, '', undefined])
      expect(parse(body, status)).toMatchObject({ kind, reason, status })
  })

  it.each([
    [429, ' 7 ', 7000],
    [503, '0', 0],
    [503, '999999999', 999_999_999_000],
    [503, '9999999999', undefined],
    [503, 'Sun, 01 Mar 2026 12:00:30 GMT', undefined],
    [403, '7', undefined],
  ])('with %i and Retry-After %j asks to wait %j ms', (status, header, retryAfter) => {
    const { retryAfter: waits, seen } = parse('', status, header) as AuthFailure
    expect([waits, seen?.map(([name]) => name)]).toEqual([retryAfter, ['retryAfter']])
  })
})

describe('a token', () => {
  const failure = { kind: 'unknown', reason: 'malformed' }

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['with a line break', 'good\r\nX-Injected: yes'],
    ['with DEL', 'a\u007Fb'],
    ['with ISO 8859-1', 'täuschung'],
    ['with characters that truncate to a line break', 'a\u010A\u010Db'],
  ])('that is %s makes the response malformed; as a refresh token it is left out', (_, token) => {
    const outcome = { ...failure, status: 200, detail: 'no-token' }
    expect(parseJson({ result: 0, resultData: { token } })).toMatchObject(outcome)
    expect(grantOf({ token: 't', refreshToken: token }).refreshToken).toBeUndefined()
  })

  it('may have 8,192 visible characters, and not one more', () => {
    const long = parseJson({ result: 0, resultData: { token: 'x'.repeat(8193) } })
    expect(long).toMatchObject({ ...failure, cause: { code: 'token-too-long' } })
    const token = '!~'.repeat(4096)
    expect(grantOf({ token }).token.reveal()).toBe(token)
  })
})

it.each([
  [300, 300_000],
  ['300', 300_000],
  [' 300 ', 300_000],
  [1, 1000],
  ['1.25', 1250],
  [86_400, DAY],
])('a lifetime of %j is valid, also for a refresh token', (life, ms) => {
  const data = { token: 't', refreshToken: 'r' }
  const grant = grantOf({ ...data, tokenExpirationTime: life, refreshExpirationTime: life })
  expect(grant).toMatchObject({ lifetime: { ms }, refreshLifetime: ms })
  expect(grant.lifetime.doubt).toBeUndefined()
})

it.each(['86401', '300000', '"300000"', '1e12', '1e999', `"${'9'.repeat(400)}"`])(
  'a lifetime of %s counts as 300 s, and is doubted: probably milliseconds',
  (life) => {
    const outcome = parse(`{"result":0,"resultData":{"token":"t","tokenExpirationTime":${life}}}`)
    expect(outcome).toMatchObject({ lifetime: { ms: 300_000, doubt: 'too-long' } })
  },
)

it.each([0, '0', -5, 0.4, '0.999', 'soon', '', '1e3', '0x10', '3,5', null, undefined, true, {}])(
  'a lifetime of %j is invalid: the default is used, and the end of a refresh token is unknown',
  (life) => {
    const data = { token: 't', refreshToken: 'r' }
    const grant = grantOf({ ...data, tokenExpirationTime: life, refreshExpirationTime: life })
    expect(grant.lifetime).toEqual({ ms: 300_000, doubt: 'missing' })
    expect(grant.refreshToken?.reveal()).toBe('r')
    expect(grant.refreshLifetime).toBeUndefined()
  },
)

describe('the client', () => {
  const headerOf = (scheme: string) =>
    ({ names: ['Authorization'], scheme, field: 'token' }) as const
  const TOKENS = { token: new Secret('t1'), refreshToken: new Secret('r1') }

  function clientOf(result: PostResult, changes: Partial<IsalesClientOptions> = {}) {
    const sent: Parameters<Post>[0][] = []
    const client = createIsalesClient({
      post(request) {
        sent.push(request)
        return Promise.resolve(result)
      },
      isalesUrl: 'https://isales.example',
      isalesLoginPath: '/auth/login',
      isalesRefreshPath: '/auth/refresh',
      isalesRefreshHeaderToken: 'token',
      isalesTokenHeader: headerOf('Bearer'),
      clock: { now: () => SENT, date: () => 0, setTimer: () => ({ cancel() {} }) },
      ...changes,
    })
    const { signal } = new AbortController()
    const login = () => client.login(credentialsOf('password-1'), signal)
    return { sent, signal, login, refresh: () => client.refresh(TOKENS, signal) }
  }
  const granting: PostResult = { ok: true, status: 200, body: GRANTING }

  it('logs in by one POST of user and password', async () => {
    const { sent, signal, login } = clientOf(granting)
    expect(await login()).toMatchObject({ sentAt: SENT })
    const body = '{"user":"obs","passwd":"password-1"}'
    expect(sent).toEqual([{ path: '/auth/login', body, signal }])
  })

  it.each([
    ['token', 'Bearer', ['Authentication', 'Bearer t1']],
    ['refreshToken', 'Bearer', ['Authentication', 'Bearer r1']],
    ['token', '', ['Authentication', 't1']],
    [undefined, 'Bearer', []],
  ] as const)('refreshes with %s in the header, after %j', async (field, scheme, headers) => {
    const options = { isalesRefreshHeaderToken: field, isalesTokenHeader: headerOf(scheme) }
    const { sent, signal, refresh } = clientOf(granting, options)
    await refresh()
    const body = '{"refreshToken":"r1"}'
    expect(sent).toEqual([{ path: '/auth/refresh', headers, body, signal }])
  })

  it.each([
    ['unreachable', 'connection-refused', false, undefined, 'not-processed', 'unavailable'],
    ['broken', 'connection-lost', false, undefined, 'not-processed', 'unavailable'],
    ['broken', 'connection-lost', true, undefined, 'unknown', 'unavailable'],
    ['broken', 'connection-lost', true, 200, 'unknown', 'unavailable'],
    ['broken', 'connection-lost', true, 401, 'unknown', 'rejected'],
    ['broken', 'connection-lost', true, 403, 'unknown', 'rejected'],
    ['broken', 'connection-lost', true, 429, 'not-processed', 'throttled'],
    ['broken', 'connection-lost', true, 500, 'unknown', 'unavailable'],
    ['broken', 'connection-lost', true, 502, 'not-processed', 'unavailable'],
    ['tls', 'expired', false, undefined, 'not-processed', 'tls'],
    ['timeout', 'timeout', true, undefined, 'unknown', 'timeout'],
    ['timeout', 'timeout', true, 403, 'unknown', 'rejected'],
  ] as const)('after %s (%s, written: %j, status %j) returns %s with reason %s', async (...row) => {
    const [failure, code, written, status, kind, reason] = row
    const failed = { ok: false, failure, cause: cause(code), detail: code } as const
    const { sent, login } = clientOf({ ...failed, written, status })
    expect(reasoned(await login())).toMatchObject({ kind, reason, status })
    expect(sent).toHaveLength(1)
  })

  it.each([
    [401, 'https', 'refresh-rejected', 'account'],
    [403, 'https', 'refresh-rejected', 'password'],
    [500, 'https', 'refresh-rejected', 'business'],
    [503, 'https', 'maintenance', 'maintenance'],
    [400, 'http', 'tls-expected', 'tls-expected'],
  ])('after a %i over %s returns the cause %s of a refresh, and %s of a login', async (...row) => {
    const [status, scheme, ...codes] = row
    const body = scheme === 'http' ? '' : REFUSAL
    const isalesUrl = `${scheme}://isales.example`
    const { refresh, login } = clientOf({ ok: true, status, body }, { isalesUrl })
    const outcomes = [await refresh(), await login()]
    expect(outcomes).toMatchObject(codes.map((code) => ({ cause: { code }, status })))
  })
})
