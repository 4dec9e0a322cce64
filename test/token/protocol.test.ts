import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import {
  isGrant,
  parseResponse,
  parseRetryAfter,
  type AuthFailure,
  type Grant,
} from '../../src/token/protocol.ts'

const SENT = 5000
const DAY = 24 * 3600 * 1000
const WALL = Date.parse('2026-03-01T12:00:00Z')

function judge(body: string | undefined, status = 200, retryAfter?: string): Grant | AuthFailure {
  return parseResponse({ status, body, retryAfter }, SENT, WALL)
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
  const unclear = { kind: 'unclear', reason: 'malformed' }
  const page = { kind: 'untouched', reason: 'malformed' }
  const ill = { kind: 'untouched', reason: 'unavailable' }
  const refused = { kind: 'refused', reason: 'rejected' }
  const failed = { kind: 'refused', reason: 'result' }
  const ambiguous = { kind: 'ambiguous', reason: 'result' }
  const LOCKED = 'service not purchased, or the status of the account is not normal'
  const WRONG = 'authentication failed'
  const BUSINESS = 'business failure: check the values of the parameters'
  const REFUSED = 'iSales processed the request and refused it'

  it.each<readonly [number, string | undefined, object, string]>([
    [199, '', page, 'informational response'],
    [200, undefined, unclear, 'body over 64 KiB'],
    [200, HTML, page, 'status 200, a page'],
    [200, GRANTING.slice(0, -3), unclear, 'body is not a JSON object'],
    [200, '{}', unclear, 'result is missing'],
    [200, '{"result":null}', unclear, 'result is missing'],
    [200, '{"result":0}', unclear, 'resultData is missing'],
    [200, REFUSAL, failed, `result 7: ${REFUSED}`],
    [299, REFUSAL, failed, 'result 7'],
    [300, GRANTING, page, 'redirect'],
    [399, '', page, 'redirect'],
    [400, REFUSAL, refused, 'status 400, result 7: incorrect request'],
    [400, HTML, page, 'status 400, a page'],
    [400, '', unclear, 'status 400, not in the shape of iSales'],
    [400, '{"result":null}', unclear, 'status 400, not in the shape of iSales'],
    [401, '', refused, `status 401: ${LOCKED}`],
    [401, undefined, refused, `status 401: ${LOCKED}`],
    [401, HTML, unclear, 'status 401, a page'],
    [403, REFUSAL, refused, `status 403, result 7: ${WRONG}`],
    [403, GRANTING, refused, `status 403: ${WRONG}`],
    [403, '{"timestamp":"2026-03-01","error":"Forbidden"}', refused, `status 403: ${WRONG}`],
    [403, ' \n<html>', unclear, 'status 403, a page'],
    [499, REFUSAL, unclear, 'status 499, result 7'],
    [500, REFUSAL, ambiguous, `status 500, result 7: ${BUSINESS}`],
    [500, HTML, ill, 'status 500, a page'],
    [500, GRANTING, ill, 'status 500, not in the shape of iSales'],
    [501, '', ill, 'status 501, not in the shape of iSales'],
    [501, REFUSAL, { ...ill, kind: 'unclear' }, 'status 501, result 7'],
  ])('is judged by status and shape: %i with %j: %j, %s', (status, body, verdict, detail) => {
    expect(judge(body, status)).toEqual({ ...verdict, status, detail })
  })

  it('is a page by its media type, whatever it begins with, unless it is JSON', () => {
    const judgeHtml = (status: number, body: string) =>
      parseResponse({ status, contentType: 'Text/HTML; charset=utf-8', body }, SENT, WALL)
    expect(judgeHtml(403, 'Forbidden')).toMatchObject({ kind: 'unclear', reason: 'malformed' })
    expect(judgeHtml(200, REFUSAL)).toMatchObject(failed)
    expect(judgeHtml(403, REFUSAL)).toMatchObject(refused)
    expect(isGrant(judgeHtml(200, GRANTING))).toBe(true)
  })

  it.each([
    [404, 'untouched', 'malformed', 'status 404: nothing at this path'],
    [405, 'untouched', 'malformed', 'status 405: no POST at this path'],
    [407, 'untouched', 'malformed', 'status 407: a proxy in between'],
    [408, 'unclear', 'timeout', 'status 408'],
    [429, 'untouched', 'throttled', 'status 429'],
    [502, 'untouched', 'unavailable', 'status 502'],
    [503, 'untouched', 'unavailable', 'status 503'],
    [504, 'untouched', 'unavailable', 'status 504'],
  ] as const)('is, with %i, %s, reason %s, whatever the body says', (...row) => {
    const [status, kind, reason, detail] = row
    for (const body of [GRANTING, REFUSAL, HTML, '', undefined]) {
      expect(judge(body, status)).toEqual({ kind, reason, status, detail })
    }
  })

  it.each([
    [429, '7', 7000],
    [503, '0', 0],
    [503, 'Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    [429, 'later', undefined],
    [403, '7', undefined],
  ])('with %i and Retry-After %j asks to wait %j ms', (status, header, retryAfter) => {
    expect(judge('', status, header)).toEqual({ ...judge('', status), retryAfter })
  })

  it.each([
    [-1, 'result -1'],
    ['7', 'result 7'],
    ['000', 'result 000'],
    ['-1x', 'result is not 0'],
    [1234567890, 'result is not 0'],
    ['failed', 'result is not 0'],
    ['', 'result is not 0'],
    [0.5, 'result is not 0'],
    [false, 'result is not 0'],
    [{}, 'result is not 0'],
    [[0], 'result is not 0'],
  ])('refuses the credentials with a result of %j', (result, detail) => {
    const outcome = judgeJson({ result, resultData: { token: 't1' } })
    expect(outcome).toEqual({ ...failed, status: 200, detail: `${detail}: ${REFUSED}` })
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
    expect(judgeJson({ result: 0, resultData: { token } })).toEqual({
      kind: 'unclear',
      reason: 'malformed',
      status: 200,
      detail: 'token is missing or could not be a header value',
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
    'of %j is a day, and doubted: milliseconds, probably',
    (life) => {
      const { lifetime } = grantOf({ token: 't', tokenExpirationTime: life })
      expect(lifetime).toEqual({ ms: DAY, doubt: 'too-long' })
    },
  )

  it('of 1e999, which JSON lets through as Infinity, is a day', () => {
    const outcome = judge('{"result":0,"resultData":{"token":"t","tokenExpirationTime":1e999}}')
    expect(outcome).toMatchObject({ lifetime: { ms: DAY, doubt: 'too-long' } })
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

it.each([
  ['0', 0],
  ['120', 120_000],
  [' 120 ', 120_000],
  ['999999999', 999_999_999_000],
  ['Sun, 01 Mar 2026 12:02:00 GMT', 120_000],
  ['Sunday, 01-Mar-26 12:02:00 GMT', 120_000],
  ['Sun Mar  1 12:02:00 2026 GMT', 120_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ['', undefined],
  ['soon', undefined],
  ['2026-03-01T12:00:05Z', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e5', undefined],
  ['9999999999', undefined],
  ['12:00', undefined],
  ['7x', undefined],
  [undefined, undefined],
])('Retry-After of %j is %j ms', (value, ms) => {
  expect(parseRetryAfter(value, WALL)).toBe(ms)
})
