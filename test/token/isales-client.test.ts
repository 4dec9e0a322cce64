import { describe, expect, it } from 'vitest'
import { cause } from '../../src/codes.ts'
import { Secret } from '../../src/config/secret.ts'
import {
  createIsalesClient,
  isGrant,
  parseResponse,
  type AuthFailure,
  type Grant,
  type IsalesClientOptions,
} from '../../src/token/isales-client.ts'
import type { Post, PostResult } from '../../src/upstream/post.ts'
import { credentialsOf } from './support.ts'

const SENT = 5000
const DAY = 24 * 3600 * 1000

function judge(body: string | undefined, status = 200, retryAfter?: string): Grant | AuthFailure {
  return parseResponse({ status, body, retryAfter }, SENT)
}

function judgeJson(body: unknown, status = 200): Grant | AuthFailure {
  return judge(JSON.stringify(body), status)
}

function grantOf(resultData: Readonly<Record<string, unknown>>): Grant {
  const outcome = judgeJson({ result: 0, resultData })
  if (!isGrant(outcome)) throw new Error(`no grant: ${JSON.stringify(outcome)}`)
  return outcome
}

const REFUSAL = '{"result":7}'
const HTML = '<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>'
const GRANTING = '{"result":0,"resultData":{"token":"t1"}}'

describe('a response as published', () => {
  it.each([0, '0'])('is a grant when the result is %j', (result) => {
    const resultData = {
      token: 't1',
      tokenExpirationTime: 300,
      refreshToken: 'r1',
      refreshExpirationTime: 3600,
    }
    const outcome = judgeJson({ result, resultData }) as Grant
    expect(outcome).toEqual({
      token: new Secret('t1'),
      sentAt: SENT,
      lifetime: { ms: 300_000 },
      refreshToken: new Secret('r1'),
      refreshLifetime: 3_600_000,
    })
    expect([outcome.token.reveal(), outcome.refreshToken?.reveal()]).toEqual(['t1', 'r1'])
  })

  it('is a grant with any status of success, and whatever else it holds', () => {
    const body = { result: 0, resultData: { token: 't1', extra: [1] }, extra: null }
    expect(isGrant(judgeJson(body, 201))).toBe(true)
  })
})

describe('a response that gives no token', () => {
  const unclear = { kind: 'unknown', reason: 'malformed' }
  const page = { kind: 'not-processed', reason: 'malformed' }
  const ill = { kind: 'not-processed', reason: 'unavailable' }
  const refused = { kind: 'refused', reason: 'rejected' }
  const failed = { kind: 'refused', reason: 'result' }
  const ambiguous = { kind: 'ambiguous', reason: 'result' }

  it.each<readonly [number, string | undefined, object, string]>([
    [199, '', page, ''],
    [200, undefined, unclear, 'body-too-long'],
    [200, HTML, page, 'page'],
    [200, GRANTING.slice(0, -3), unclear, 'no-json'],
    [200, '{}', unclear, 'no-result'],
    [200, '{"result":null}', unclear, 'no-result'],
    [200, '{"result":0}', unclear, 'no-resultData'],
    [200, REFUSAL, failed, 'result=7'],
    [299, REFUSAL, failed, 'result=7'],
    [300, GRANTING, page, ''],
    [399, '', page, ''],
    [400, REFUSAL, refused, 'result=7'],
    [400, HTML, page, 'page'],
    [400, '', unclear, ''],
    [400, '{"result":null}', unclear, ''],
    [401, '', refused, ''],
    [401, undefined, refused, ''],
    [401, HTML, unclear, 'page'],
    [403, REFUSAL, refused, 'result=7'],
    [403, GRANTING, refused, ''],
    [403, '{"timestamp":"2026-03-01","error":"Forbidden"}', refused, ''],
    [403, ' \n<html>', unclear, 'page'],
    [499, REFUSAL, unclear, 'result=7'],
    [500, REFUSAL, ambiguous, 'result=7'],
    [500, HTML, ill, 'page'],
    [500, GRANTING, ill, ''],
    [501, '', ill, ''],
    [501, REFUSAL, { ...ill, kind: 'unknown' }, 'result=7'],
  ])('is judged by status and shape: %i with %j: %j, %s', (status, body, verdict, detail) => {
    expect(judge(body, status)).toMatchObject({ ...verdict, status, detail })
  })

  it('is a page by its media type, whatever it begins with, unless it is JSON', () => {
    const judgeHtml = (status: number, body: string) =>
      parseResponse({ status, contentType: 'Text/HTML; charset=utf-8', body }, SENT)
    expect(judgeHtml(403, 'Forbidden')).toMatchObject({ kind: 'unknown', reason: 'malformed' })
    expect(judgeHtml(200, REFUSAL)).toMatchObject(failed)
    expect(judgeHtml(403, REFUSAL)).toMatchObject(refused)
    expect(isGrant(judgeHtml(200, GRANTING))).toBe(true)
  })

  it.each([
    [404, 'not-processed', 'malformed'],
    [405, 'not-processed', 'malformed'],
    [407, 'not-processed', 'malformed'],
    [408, 'unknown', 'timeout'],
    [429, 'not-processed', 'throttled'],
    [502, 'not-processed', 'unavailable'],
    [503, 'not-processed', 'unavailable'],
    [504, 'not-processed', 'unavailable'],
  ] as const)('is, with %i, %s, reason %s, whatever the body says', (...row) => {
    const [status, kind, reason] = row
    for (const body of [GRANTING, REFUSAL, HTML, '', undefined]) {
      expect(judge(body, status)).toMatchObject({ kind, reason, status })
    }
  })

  it.each([
    [429, ' 7 ', 7000],
    [503, '0', 0],
    [503, '999999999', 999_999_999_000],
    [503, '9999999999', undefined],
    [503, 'Sun, 01 Mar 2026 12:00:30 GMT', undefined],
    [503, '', undefined],
    [429, '1.5', undefined],
    [429, '7x', undefined],
    [403, '7', undefined],
  ])('with %i and Retry-After %j asks to wait %j ms', (status, header, retryAfter) => {
    expect(judge('', status, header)).toEqual({ ...judge('', status), retryAfter })
  })

  it.each([
    [-1, 'result=-1'],
    ['7', 'result=7'],
    ['000', 'result=000'],
    ['-1x', 'result'],
    [1234567890, 'result'],
    ['failed', 'result'],
    ['', 'result'],
    [0.5, 'result'],
    [false, 'result'],
    [{}, 'result'],
    [[0], 'result'],
  ])('refuses the credentials with a result of %j', (result, detail) => {
    const outcome = judgeJson({ result, resultData: { token: 't1' } })
    expect(outcome).toMatchObject({ ...failed, status: 200, detail })
  })

  it.each([
    ['no body (204)', ''],
    ['a JSON text', '"token"'],
    ['a JSON list', '[{"result":0}]'],
    ['null', 'null'],
    ['JSON behind a byte order mark', `\uFEFF${GRANTING}`],
    ['JSON and more', `${GRANTING}${GRANTING}`],
    ['lists within lists', '['.repeat(60_000)],
    ['a resultData of null', '{"result":0,"resultData":null}'],
    ['a list as resultData', '{"result":0,"resultData":["t1"]}'],
    ['a token hidden in the prototype', '{"result":0,"resultData":{"__proto__":{"token":"t1"}}}'],
  ])('is malformed: %s', (_, body) => {
    expect(judge(body)).toMatchObject({ ...unclear, status: 200 })
  })
})

describe('a token', () => {
  it.each([
    ['missing', undefined],
    ['null', null],
    ['a number', 12_345],
    ['a list', ['t1']],
    ['empty', ''],
    ['with a space', 'two words'],
    ['with a line break', 'good\r\nX-Injected: yes'],
    ['with a line feed', '\ngood'],
    ['with a tab', 'a\tb'],
    ['with NUL', 'a\u0000b'],
    ['with DEL', 'a\u007Fb'],
    ['with ISO 8859-1', 'täuschung'],
    ['with what UTF-16 truncates to a line break', 'a\u010A\u010Db'],
    ['of 8,193 characters', 'x'.repeat(8193)],
  ])('that is %s makes the response malformed; as a refresh token it is left out', (_, token) => {
    expect(judgeJson({ result: 0, resultData: { token } })).toMatchObject({
      kind: 'unknown',
      reason: 'malformed',
      status: 200,
      detail: 'no-token',
    })
    expect(grantOf({ token: 't', refreshToken: token }).refreshToken).toBeUndefined()
  })

  it('may have 8,192 visible characters', () => {
    const token = '!~'.repeat(4096)
    expect(grantOf({ token }).token.reveal()).toBe(token)
  })
})

describe('a lifetime', () => {
  it.each([
    [300, 300_000],
    ['300', 300_000],
    [' 300 ', 300_000],
    ['300.0', 300_000],
    [1, 1000],
    ['1.25', 1250],
    [86_400, DAY],
  ])('of %j is believed, for a refresh token as well', (life, ms) => {
    const data = { token: 't', refreshToken: 'r' }
    const grant = grantOf({ ...data, tokenExpirationTime: life, refreshExpirationTime: life })
    expect(grant).toMatchObject({ lifetime: { ms }, refreshLifetime: ms })
    expect(grant.lifetime.doubt).toBeUndefined()
  })

  it.each([86_401, 300_000, '300000', 1e12, '9'.repeat(400)])(
    'of %j counts as 300 s, and is doubted: milliseconds, probably',
    (life) => {
      const { lifetime } = grantOf({ token: 't', tokenExpirationTime: life })
      expect(lifetime).toEqual({ ms: 300_000, doubt: 'too-long' })
    },
  )

  it('of 1e999, which JSON lets through as Infinity, counts as 300 s', () => {
    const outcome = judge('{"result":0,"resultData":{"token":"t","tokenExpirationTime":1e999}}')
    expect(outcome).toMatchObject({ lifetime: { ms: 300_000, doubt: 'too-long' } })
  })

  it.each([0, '0', -5, 0.4, '0.999', 'soon', '', '1e3', '0x10', '3,5', null, undefined, true, {}])(
    'of %j cannot be believed: the default stands in, and a refresh token has no known end',
    (life) => {
      const data = { token: 't', refreshToken: 'r' }
      const grant = grantOf({ ...data, tokenExpirationTime: life, refreshExpirationTime: life })
      expect(grant.lifetime).toEqual({ ms: 300_000, doubt: 'missing' })
      expect(grant.refreshToken?.reveal()).toBe('r')
      expect(grant.refreshLifetime).toBeUndefined()
    },
  )
})

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
      clock: { now: () => SENT, setTimer: () => ({ cancel() {} }) },
      ...changes,
    })
    const { signal } = new AbortController()
    return {
      sent,
      signal,
      login: () => client.login(credentialsOf('password-1'), { signal }),
      refresh: () => client.refresh(TOKENS, { signal }),
    }
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
    ['unreachable', 'connection-refused', false, 'not-processed', 'unavailable'],
    ['unreachable', 'egress-login', false, 'egress', 'unavailable'],
    ['broken', 'lost', false, 'not-processed', 'unavailable'],
    ['broken', 'lost', true, 'unknown', 'unavailable'],
    ['tls', 'expired', true, 'not-processed', 'tls'],
    ['timeout', 'timeout', true, 'unknown', 'timeout'],
  ] as const)('that ends %s (%s, written: %j) is %s with reason %s', async (...row) => {
    const [failure, code, written, kind, reason] = row
    const { sent, login } = clientOf({ ok: false, failure, cause: cause(code), code, written })
    expect(await login()).toMatchObject({ kind, reason })
    expect(sent).toHaveLength(1)
  })

  it.each([
    [401, 'https', 'refresh-refused', 'account'],
    [403, 'https', 'refresh-refused', 'password'],
    [500, 'https', 'refresh-refused', 'business'],
    [503, 'https', 'maintenance', 'maintenance'],
    [400, 'http', 'plain-refused', 'plain-refused'],
  ])('of a %i over %s names the cause %s of a refresh, and %s of a login', async (...row) => {
    const [status, scheme, ...codes] = row
    const body = scheme === 'http' ? '' : REFUSAL
    const isalesUrl = `${scheme}://isales.example`
    const { refresh, login } = clientOf({ ok: true, status, body }, { isalesUrl })
    const outcomes = [await refresh(), await login()]
    expect(outcomes).toMatchObject(codes.map((code) => ({ cause: { code }, status })))
  })
})
