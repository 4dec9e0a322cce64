import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import {
  isGrant,
  loginBody,
  parseResponse,
  parseRetryAfter,
  refreshBody,
  type AuthFailure,
  type Grant,
} from '../../src/token/protocol.ts'

const ASSUMED = 300_000
const DAY = 24 * 3600 * 1000
const WALL = Date.parse('2026-03-01T12:00:00Z')

function judge(body: string | undefined, status = 200, retryAfter?: string): Grant | AuthFailure {
  return parseResponse({ status, body, retryAfter }, { assumed: ASSUMED }, WALL)
}

function judgeJson(body: unknown, status = 200): Grant | AuthFailure {
  return judge(JSON.stringify(body), status)
}

function grantOf(resultData: Readonly<Record<string, unknown>>): Grant {
  const outcome = judgeJson({ result: 0, resultData })
  if (!isGrant(outcome)) throw new Error(`no grant: ${JSON.stringify(outcome)}`)
  return outcome
}

describe('the request bodies', () => {
  it('are those of the published interface', () => {
    expect(JSON.parse(loginBody('obs', new Secret('pass"word')))).toEqual({
      user: 'obs',
      passwd: 'pass"word',
    })
    expect(JSON.parse(refreshBody(new Secret('r1')))).toEqual({ refreshToken: 'r1' })
  })
})

describe('a response as published', () => {
  it.each([0, '0'])('is a grant when the result is %j', (result) => {
    const outcome = judgeJson({
      result,
      resultData: {
        token: 't1',
        tokenExpirationTime: 300,
        refreshToken: 'r1',
        refreshExpirationTime: 3600,
      },
    })
    expect(isGrant(outcome)).toBe(true)
    expect(outcome).toEqual({
      token: new Secret('t1'),
      lifetime: { ms: 300_000, assumed: false },
      refreshToken: new Secret('r1'),
      refreshLifetime: { ms: 3_600_000, assumed: false },
    })
    const { token, refreshToken } = outcome as Grant
    expect([token.reveal(), refreshToken?.reveal()]).toEqual(['t1', 'r1'])
  })

  it('is a grant with any status of success, and whatever else it holds', () => {
    const body = { result: 0, resultData: { token: 't1', extra: [1] }, extra: null }
    expect(isGrant(judgeJson(body, 201))).toBe(true)
  })
})

const REFUSAL = '{"result":7}'
const HTML = '<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>'
const GRANTING = '{"result":0,"resultData":{"token":"t1"}}'

describe('a status that is no success', () => {
  it.each([
    [400, REFUSAL, 'refused', 'rejected'],
    [400, HTML, 'unclear', 'malformed'],
    [400, '', 'unclear', 'malformed'],
    [401, REFUSAL, 'refused', 'rejected'],
    [401, '', 'refused', 'rejected'],
    [401, HTML, 'unclear', 'malformed'],
    [403, REFUSAL, 'refused', 'rejected'],
    [403, '', 'refused', 'rejected'],
    [403, HTML, 'unclear', 'malformed'],
    [403, GRANTING, 'unclear', 'malformed'],
    [403, '{"error":"forbidden"}', 'unclear', 'malformed'],
    [403, undefined, 'unclear', 'malformed'],
    [418, REFUSAL, 'refused', 'rejected'],
    [500, REFUSAL, 'refused', 'result'],
    [500, '{"result":"7"}', 'refused', 'result'],
    [500, HTML, 'unclear', 'unavailable'],
    [500, GRANTING, 'unclear', 'unavailable'],
    [500, '', 'unclear', 'unavailable'],
    [501, HTML, 'unclear', 'unavailable'],
  ] as const)('of %i with %j is %s, reason %s', (status, body, kind, reason) => {
    expect(judge(body, status)).toMatchObject({ kind, reason, status })
  })

  it.each([
    [100, 'unclear', 'malformed'],
    [302, 'unclear', 'malformed'],
    [404, 'unclear', 'malformed'],
    [405, 'unclear', 'malformed'],
    [407, 'unclear', 'malformed'],
    [408, 'unclear', 'timeout'],
    [429, 'unclear', 'throttled'],
    [502, 'unreached', 'unavailable'],
    [503, 'unreached', 'unavailable'],
    [504, 'unreached', 'unavailable'],
  ] as const)('of %i is %s, reason %s, whatever the body says', (status, kind, reason) => {
    for (const body of [GRANTING, REFUSAL, HTML, '', undefined]) {
      expect(judge(body, status)).toMatchObject({ kind, reason, status })
    }
  })

  it.each([
    [429, '7', 7000],
    [503, '0', 0],
    [503, 'Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    [408, '2', 2000],
    [429, 'later', undefined],
    [403, '7', undefined],
  ])('of %i with Retry-After %j asks to wait %j ms', (status, header, retryAfter) => {
    const outcome = judge('', status, header)
    expect((outcome as AuthFailure).retryAfter).toBe(retryAfter)
  })
})

describe('a response that the interface does not describe', () => {
  it.each([
    ['a body over 64 KiB', undefined],
    ['no body (204)', ''],
    ['truncated JSON', GRANTING.slice(0, -3)],
    ['HTML', HTML],
    ['a JSON text', '"token"'],
    ['a JSON list', '[{"result":0}]'],
    ['null', 'null'],
    ['JSON behind a byte order mark', `\uFEFF${GRANTING}`],
    ['JSON and more', `${GRANTING}${GRANTING}`],
    ['lists within lists', '['.repeat(60_000)],
    ['no result', '{"resultData":{"token":"t1"}}'],
    ['a result of null', '{"result":null,"resultData":{"token":"t1"}}'],
    ['no resultData', '{"result":0}'],
    ['a resultData of null', '{"result":0,"resultData":null}'],
    ['a list as resultData', '{"result":0,"resultData":["t1"]}'],
    ['a text as resultData', '{"result":0,"resultData":"t1"}'],
    ['a token hidden in the prototype', '{"result":0,"resultData":{"__proto__":{"token":"t1"}}}'],
  ])('is malformed: %s', (_, body) => {
    const outcome = judge(body)
    expect(outcome).toMatchObject({ kind: 'unclear', reason: 'malformed', status: 200 })
  })

  it.each([
    ['missing', undefined],
    ['null', null],
    ['a number', 12_345],
    ['an object', { token: 'nested' }],
    ['a list', ['t1']],
    ['empty', ''],
    ['with a space', 'two words'],
    ['with a line break', 'good\r\nX-Injected: yes'],
    ['with a carriage return', 'good\r'],
    ['with a line feed', '\ngood'],
    ['with a tab', 'a\tb'],
    ['with NUL', 'a\u0000b'],
    ['with DEL', 'a\u007Fb'],
    ['with ISO 8859-1', 'täuschung'],
    ['with what UTF-16 truncates to a line break', 'a\u010A\u010Db'],
    ['of 8,193 characters', 'x'.repeat(8193)],
  ])('is malformed when the token is %s', (_, token) => {
    expect(judgeJson({ result: 0, resultData: { token } })).toEqual({
      kind: 'unclear',
      reason: 'malformed',
      status: 200,
      detail: 'token is missing or could not be a header value',
    })
  })

  it('takes a token of 8,192 visible characters', () => {
    const token = '!~'.repeat(4096)
    expect(grantOf({ token }).token.reveal()).toBe(token)
  })

  it('never repeats what iSales wrote', () => {
    const canary = 'canary-7d1f'
    const responses = [
      judgeJson({ result: canary }),
      judgeJson({ result: `-1${canary}` }),
      judgeJson({ result: { [canary]: canary } }),
      judgeJson({ result: 0, resultData: { token: `${canary} ${canary}` } }),
      judge(canary),
      judge(canary, 403),
      judge(canary, 429, canary),
    ]
    expect(JSON.stringify(responses)).not.toContain(canary)
  })
})

describe('a result other than 0', () => {
  it.each([
    [7, 'result 7'],
    [-1, 'result -1'],
    ['7', 'result 7'],
    ['000', 'result 000'],
    [1234567890, 'result is not 0'],
    ['failed', 'result is not 0'],
    ['', 'result is not 0'],
    [0.5, 'result is not 0'],
    [true, 'result is not 0'],
    [false, 'result is not 0'],
    [{}, 'result is not 0'],
    [[0], 'result is not 0'],
  ])('refuses the credentials: %j', (result, detail) => {
    const outcome = judgeJson({ result, resultData: { token: 't1' } })
    expect(outcome).toEqual({ kind: 'refused', reason: 'result', status: 200, detail })
  })
})

describe('what the log and the status page say of a response', () => {
  const unclear = { kind: 'unclear', reason: 'malformed' }
  const refused = { kind: 'refused', reason: 'rejected' }

  it.each<readonly [number, string | undefined, object, string]>([
    [100, '{"result":0}', unclear, 'informational response'],
    [199, '', unclear, 'informational response'],
    [200, undefined, unclear, 'body over 64 KiB'],
    [200, 'page', unclear, 'body is not a JSON object'],
    [200, '[]', unclear, 'body is not a JSON object'],
    [200, '{}', unclear, 'result is missing'],
    [200, '{"result":null}', unclear, 'result is missing'],
    [200, '{"result":0}', unclear, 'resultData is missing'],
    [200, '{"result":7}', { kind: 'refused', reason: 'result' }, 'result 7'],
    [200, '{"result":"-7"}', { kind: 'refused', reason: 'result' }, 'result -7'],
    [200, '{"result":[]}', { kind: 'refused', reason: 'result' }, 'result is not 0'],
    [299, '{"result":7}', { kind: 'refused', reason: 'result' }, 'result 7'],
    [300, '{"result":0,"resultData":{"token":"t"}}', unclear, 'redirect'],
    [399, '', unclear, 'redirect'],
    [400, '{"result":7}', refused, 'status 400'],
    [400, '{"result":null}', unclear, 'status 400, not in the shape of iSales'],
    [400, '{"result":0}', unclear, 'status 400, not in the shape of iSales'],
    [400, '', unclear, 'status 400, not in the shape of iSales'],
    [401, '', refused, 'status 401'],
    [401, ' \r\n', refused, 'status 401'],
    [401, undefined, unclear, 'status 401, not in the shape of iSales'],
    [402, '', unclear, 'status 402, not in the shape of iSales'],
    [403, '', refused, 'status 403'],
    [403, '<html>', unclear, 'status 403, not in the shape of iSales'],
    [404, '', unclear, 'status 404: nothing at this path'],
    [405, '', unclear, 'status 405: no POST at this path'],
    [407, '', unclear, 'status 407: a proxy in between'],
    [408, '', { kind: 'unclear', reason: 'timeout' }, 'status 408'],
    [429, '', { kind: 'unclear', reason: 'throttled' }, 'status 429'],
    [499, '{"result":7}', refused, 'status 499'],
    [500, '{"result":7}', { kind: 'refused', reason: 'result' }, 'status 500, result 7'],
    [500, '', { kind: 'unclear', reason: 'unavailable' }, 'status 500, not in the shape of iSales'],
    [502, '{"result":7}', { kind: 'unreached', reason: 'unavailable' }, 'status 502'],
    [503, '', { kind: 'unreached', reason: 'unavailable' }, 'status 503'],
    [504, '', { kind: 'unreached', reason: 'unavailable' }, 'status 504'],
  ])('status %i with %j: %j, %s', (status, body, verdict, detail) => {
    expect(judge(body, status)).toStrictEqual({ ...verdict, status, detail })
  })
})

describe('a lifetime', () => {
  it.each([
    [300, 300_000],
    ['300', 300_000],
    [' 300 ', 300_000],
    ['300.0', 300_000],
    [1, 1000],
    ['1', 1000],
    [1.5, 1500],
    ['1.5', 1500],
    ['1.25', 1250],
    [4, 4000],
    [86_400, DAY],
    [86_401, DAY],
    [1e12, DAY],
    ['9'.repeat(400), DAY],
  ])('of %j is believed', (tokenExpirationTime, ms) => {
    expect(grantOf({ token: 't', tokenExpirationTime }).lifetime).toEqual({ ms, assumed: false })
  })

  it('of 1e999, which JSON lets through as Infinity, is a day', () => {
    const outcome = judge('{"result":0,"resultData":{"token":"t","tokenExpirationTime":1e999}}')
    expect(outcome).toMatchObject({ lifetime: { ms: DAY, assumed: false } })
  })

  it.each([
    0,
    '0',
    -0,
    -5,
    '-5',
    0.4,
    '0.999',
    'soon',
    '',
    '5m',
    '1e3',
    '0x10',
    '3,5',
    '.5',
    null,
    undefined,
    true,
    {},
    [300],
  ])('of %j cannot be believed, and the default stands in', (tokenExpirationTime) => {
    expect(grantOf({ token: 't', tokenExpirationTime }).lifetime).toEqual({
      ms: ASSUMED,
      assumed: true,
    })
  })
})

describe('the refresh token', () => {
  it.each([undefined, null, 5, '', 'a b', 'x'.repeat(8193), 'a\r\nb'])(
    'is left out when it is %j, and the grant stands',
    (refreshToken) => {
      const grant = grantOf({ token: 't', refreshToken })
      expect('refreshToken' in grant).toBe(false)
    },
  )

  it.each(['soon', 0, null, undefined, -1])(
    'has no known end when its lifetime is %j',
    (refreshExpirationTime) => {
      const grant = grantOf({ token: 't', refreshToken: 'r', refreshExpirationTime })
      expect(grant.refreshToken?.reveal()).toBe('r')
      expect('refreshLifetime' in grant).toBe(false)
    },
  )

  it('may live for more than a day: no more than that is believed', () => {
    const grant = grantOf({ token: 't', refreshToken: 'r', refreshExpirationTime: '604800' })
    expect(grant.refreshLifetime).toEqual({ ms: DAY, assumed: false })
  })
})

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 120 ', 120_000],
    ['999999999', 999_999_999_000],
    ['Sun, 01 Mar 2026 12:02:00 GMT', 120_000],
    ['Sunday, 01-Mar-26 12:02:00 GMT', 120_000],
    ['Sun Mar  1 12:02:00 2026 GMT', 120_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('of %j is %i ms', (value, ms) => {
    expect(parseRetryAfter(value, WALL)).toBe(ms)
  })

  it.each([
    '',
    'soon',
    '2026-03-01T12:00:05Z',
    '-5',
    '1.5',
    '1e5',
    '9999999999',
    '12:00',
    '7x',
    '0x10',
    'NaN',
  ])('of %j is neither seconds nor a date', (value) => {
    expect(parseRetryAfter(value, WALL)).toBeUndefined()
  })

  it('may be missing', () => {
    expect(parseRetryAfter(undefined, WALL)).toBeUndefined()
  })
})
