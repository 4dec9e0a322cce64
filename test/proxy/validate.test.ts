import { describe, expect, it } from 'vitest'
import { validated } from './validated.ts'
import { head, OPEN, PATH, RULES } from './request-head.ts'

/** The judgement on a good request with these headers besides Host. */
function withHeaders(...fields: string[]) {
  return validated(head({ rawHeaders: ['Host', 'localhost', ...fields] }), RULES)
}

describe('a request that this proxy sent', () => {
  it.each([
    [['Via', '1.1 us-4711'], true],
    [['via', '1.0 them, 1.1 us-4711 (a comment), 1.1 others'], true],
    [['Via', '1.1 them', 'VIA', '1.1 us-4711'], true],
    [['Via', '1.1 us-4712'], false],
    [['X-Via', '1.1 us-4711'], false],
  ])('is known by Via: %j: %s', (fields, refused) => {
    expect('refused' in withHeaders(...fields)).toBe(refused)
  })
})

describe('a good request', () => {
  it('is valid with its target as it came', () => {
    expect(validated(head({ target: `${PATH}?a=%2F..&b=//\u007e` }), RULES)).toEqual({
      framing: 0,
      target: `${PATH}?a=%2F..&b=//~`,
      authority: 'localhost:8080',
      requestId: undefined,
      expectsContinue: false,
      maxForwards: -1,
    })
  })

  it.each([
    ['nothing', [], 0],
    ['a length', ['Content-Length', '700'], 700],
    ['a length with zeros before it', ['content-length', '0000000000000000007'], 7],
    ['a length of nothing', ['Content-Length', '0'], 0],
    ['chunks', ['Transfer-Encoding', 'Chunked'], 'chunked'],
  ])('is framed by %s', (_, fields, framing) => {
    expect(withHeaders(...fields)).toMatchObject({ framing })
  })

  it.each(['a', 'Abc-123', 'req:1/2=3+4@x~', 'x'.repeat(128)])('keeps its own id %s', (id) => {
    expect(withHeaders('X-Request-Id', id)).toMatchObject({ requestId: id })
  })

  it.each(['', ' ', 'a b', 'a"b', 'a\tb', 'é', '<b>', 'x'.repeat(129)])(
    'gets another id than %j',
    (id) => {
      expect(withHeaders('X-Request-Id', id)).toMatchObject({ requestId: undefined })
    },
  )

  it('says when it waits for 100 Continue, in HTTP/1.1 only', () => {
    const rawHeaders = ['Host', 'localhost', 'Expect', '100-Continue']
    expect(validated(head({ rawHeaders }), RULES)).toMatchObject({ expectsContinue: true })
    expect(validated(head({ rawHeaders, httpVersion: '1.0' }), RULES)).toMatchObject({
      expectsContinue: false,
    })
  })

  it.each([
    ['OPTIONS', '0', 0],
    ['OPTIONS', '7', 7],
    ['OPTIONS', '-1', -1],
    ['OPTIONS', '1.5', -1],
    ['OPTIONS', '999999999', 999_999_999],
    ['OPTIONS', '9999999999', -1],
    ['POST', '0', -1],
  ])('%s with Max-Forwards %s counts %i', (method, value, maxForwards) => {
    const rawHeaders = ['Host', 'localhost', 'Max-Forwards', value]
    expect(validated(head({ method, rawHeaders }), RULES)).toMatchObject({ maxForwards })
  })
})

describe('several Max-Forwards', () => {
  it.each([
    ['3', '7', 3],
    ['7', '3', 3],
    ['x', '7', 7],
  ])('%s and %s count as the least: %i', (one, other, maxForwards) => {
    const rawHeaders = ['Host', 'localhost', 'Max-Forwards', one, 'Max-Forwards', other]
    expect(validated(head({ method: 'OPTIONS', rawHeaders }), RULES)).toMatchObject({ maxForwards })
  })
})

describe('the version', () => {
  it.each(['0.9', '2.0', '1.2', '3.0', ''])('%j is refused', (httpVersion) => {
    expect(validated(head({ httpVersion }), OPEN)).toEqual({ refused: 'bad-request' })
  })

  it('1.0 needs no Host', () => {
    expect(validated(head({ httpVersion: '1.0', rawHeaders: [] }), RULES)).not.toHaveProperty(
      'refused',
    )
  })
})

describe('the method', () => {
  it.each(['CONNECT', 'TRACE'])('%s is refused', (method) => {
    expect(validated(head({ method }), OPEN)).toEqual({ refused: 'method-not-allowed' })
  })

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'])(
    '%s is valid',
    (method) => {
      expect(validated(head({ method }), RULES)).not.toHaveProperty('refused')
    },
  )
})

describe('framing', () => {
  it.each([
    ['two lengths', ['Content-Length', '5', 'Content-Length', '5'], 'bad-request'],
    ['two that differ', ['Content-Length', '5', 'content-length', '6'], 'bad-request'],
    ['a sign', ['Content-Length', '+5'], 'bad-request'],
    ['a negative length', ['Content-Length', '-5'], 'bad-request'],
    ['a list', ['Content-Length', '5, 5'], 'bad-request'],
    ['hexadecimal', ['Content-Length', '0x5'], 'bad-request'],
    ['a fraction', ['Content-Length', '5.0'], 'bad-request'],
    ['an exponent', ['Content-Length', '1e2'], 'bad-request'],
    ['an empty length', ['Content-Length', ''], 'bad-request'],
    ['a space within', ['Content-Length', '1 0'], 'bad-request'],
    ['digits of another script', ['Content-Length', '\u0665'], 'bad-request'],
    ['more than is let in', ['Content-Length', '1001'], 'too-large'],
    ['more than a number holds', ['Content-Length', '9'.repeat(400)], 'too-large'],
    ['length and coding', ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], 'bad-request'],
    ['coding and length', ['Transfer-Encoding', 'chunked', 'Content-Length', '5'], 'bad-request'],
    ['two codings', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'x'], 'bad-request'],
    ['an empty coding', ['Transfer-Encoding', ''], 'bad-request'],
    ['identity', ['Transfer-Encoding', 'identity'], 'not-implemented'],
    ['gzip', ['Transfer-Encoding', 'gzip'], 'not-implemented'],
    ['gzip and chunks', ['Transfer-Encoding', 'gzip, chunked'], 'not-implemented'],
    ['chunks twice', ['Transfer-Encoding', 'chunked, chunked'], 'not-implemented'],
    ['a parameter', ['Transfer-Encoding', 'chunked;q=1'], 'not-implemented'],
    ['a vertical tab', ['Transfer-Encoding', '\u000bchunked'], 'not-implemented'],
    ['quotes', ['Transfer-Encoding', '"chunked"'], 'not-implemented'],
  ])('%s is refused', (_, fields, refused) => {
    expect(withHeaders(...fields)).toEqual({ refused })
  })

  it('a coding in HTTP/1.0 is refused', () => {
    const rawHeaders = ['Transfer-Encoding', 'chunked']
    expect(validated(head({ httpVersion: '1.0', rawHeaders }), RULES)).toEqual({
      refused: 'bad-request',
    })
  })

  it('as much as is let in is valid', () => {
    expect(withHeaders('Content-Length', '1000')).toMatchObject({ framing: 1000 })
  })
})

describe('fields', () => {
  it.each([
    ['an unknown expectation', ['Expect', 'teapot'], 'expectation-failed'],
    ['an expectation besides', ['Expect', '100-continue, teapot'], 'expectation-failed'],
    ['Origin', ['Origin', 'https://evil.example'], 'not-allowed'],
    ['Sec-Fetch-Site', ['Sec-Fetch-Site', 'cross-site'], 'not-allowed'],
    ['sec-fetch-mode', ['sec-fetch-mode', 'navigate'], 'not-allowed'],
  ])('%s is refused', (_, fields, refused) => {
    expect(withHeaders(...fields)).toEqual({ refused })
  })

  it('200 of them are admitted, 201 are not', () => {
    const fields = (count: number): string[] =>
      Array.from({ length: count }, () => ['a', 'b']).flat()
    expect(withHeaders(...fields(199))).not.toHaveProperty('refused')
    expect(withHeaders(...fields(200))).toEqual({ refused: 'headers-too-large' })
  })

  it('16 KiB of them are admitted, one byte more is not', () => {
    // Host line: 4 + 9 + 4 bytes; this one: 1 + n + 4.
    const fits = 16 * 1024 - 17 - 5
    expect(withHeaders('a', 'x'.repeat(fits))).not.toHaveProperty('refused')
    expect(withHeaders('a', 'x'.repeat(fits + 1))).toEqual({ refused: 'headers-too-large' })
  })
})
