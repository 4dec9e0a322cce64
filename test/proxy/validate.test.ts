import { describe, expect, it } from 'vitest'
import { createHostRule } from '../../src/config/address.ts'
import { createValidation, type RequestHead, type RequestRules } from '../../src/proxy/validate.ts'

const RULES: RequestRules = {
  isOwnHost: createHostRule({ host: '', port: 0 }, ['obs.example']),
  pseudonym: 'us-4711',
  scheme: 'http',
  allowedPaths: ['/rest/isales/'],
  localPaths: ['/rest/isales/v1/openapi/obs/auth/login'],
  maxBodySize: 1000,
}
const OPEN: RequestRules = { ...RULES, allowedPaths: ['/'] }
const PATH = '/rest/isales/v1/openapi/obs/business/tasks'

/** Result for a valid request with these changes. */
function judge(changes: Partial<RequestHead> = {}, rules = RULES) {
  const rawHeaders = ['Host', 'localhost']
  const good = { method: 'POST', target: PATH, httpVersion: '1.1', rawHeaders }
  return createValidation(rules)({ ...good, ...changes })
}

/** Result for a valid request with these headers besides Host. */
const withHeaders = (...fields: string[]) => judge({ rawHeaders: ['Host', 'localhost', ...fields] })

/** Each of these, by the refusal that it gets. */
const rowsOf = <Case>(table: Readonly<Record<string, readonly Case[]>>) =>
  Object.entries(table).flatMap(([refused, cases]) => cases.map((each) => [refused, each] as const))

it('a good request is valid with its target unchanged', () => {
  const target = `${PATH}?a=%2F..&b=//~`
  expect(judge({ target, rawHeaders: ['Host', 'localhost:8080'] })).toEqual({
    framing: 0,
    target,
    path: PATH,
    authority: 'localhost:8080',
    requestId: undefined,
    expectsContinue: false,
  })
})

describe('the target', () => {
  // oxfmt-ignore
  const REFUSED = {
    target: [
      '/rest/isales/a#b', '/rest/isales/a\\b', '/rest/isales/a b', '/rest/isales/a\tb', '/rest/isales/a\u0000b',
      '/rest/isales/a\u007fb', '/rest/isales/\u00e9', '/rest/isales/a?b#c', '', 'rest/isales/', '*', '*/rest/isales/',
      'ftp://localhost/rest/isales/', 'xhttp://localhost/rest/isales/', 'http:///rest/isales/',
      'http://u:p@localhost/rest/isales/',
    ],
    scheme: ['https://localhost/rest/isales/'],
    'other-host': ['http://evil.example/rest/isales/'],
    'other-path': [
      '/rest/other/', 'http://localhost/x', '/rest/isales', '/REST/isales/', '/?/rest/isales/',
    ],
    'double-slash': ['/rest/isales//x', 'http://localhost//rest/isales/x'],
    'ambiguous-path': [
      '/rest/isales/%61', '/rest/isales/%2e%2E/x', '/rest/isales/a%', '/rest/isales/a;b=c', '/rest/isales/a:b',
      '/rest/isales/../x', '/rest/isales/..', '/rest/isales/./x', '/rest/isales/.', '/rest/isales/.well-known',
      '/rest/isales/a./b',
    ],
  }

  it.each(rowsOf(REFUSED))('is refused as %s: %j', (refused, target) => {
    expect(judge({ method: 'GET', target })).toBe(refused)
  })

  it.each([
    ['http://localhost/rest/isales/a?b=http://x//y', '/rest/isales/a?b=http://x//y'],
    ['HTTP://OBS.example:443/rest/isales/', '/rest/isales/'],
    ['http://[::1]:8080/rest/isales/', '/rest/isales/'],
    ['/rest/isales/a.b', undefined],
    ['/rest/isales/v1/openapi/obs/auth/login', undefined],
    // An `obsUrl` that ends with a slash makes it.
    ['//rest/isales/x?//', '/rest/isales/x?//'],
    ['///rest/isales/x', '/rest/isales/x'],
    ['/rest/isales/a..b/_/~/-/', undefined],
  ])('%s continues', (target, originForm = target) => {
    for (const method of ['GET', 'OPTIONS'])
      expect(judge({ method, target })).toMatchObject({ target: originForm })
  })

  it.each([
    ['/x//../y', 'double-slash'],
    ['/;x/../y', 'ambiguous-path'],
    ['/', { target: '/' }],
    ['/a/b_c', { target: '/a/b_c' }],
    ['http://localhost', { target: '/' }],
    ['http://localhost?a', { target: '/?a' }],
  ])('%s, when every path is open: %j', (target, verdict) => {
    const judged = judge({ target }, OPEN)
    expect(typeof judged === 'string' ? judged : { target: judged.target }).toEqual(verdict)
  })

  it.each([
    [['/rest/isales'], '/rest/isales', true],
    [['/rest/isales'], '/rest/isales?a', true],
    [['/rest/isales'], '/rest/isales/a', true],
    [['/rest/isales'], '/rest/isales-admin', false],
    [['/rest/isales/'], '/rest/isales/', true],
    [['/a/', '/b/'], '/a/x', true],
    [['/a/', '/b/'], '/b/x', true],
  ])('the prefixes %j open %s: %s', (allowedPaths, target, open) => {
    expect(typeof judge({ target }, { ...RULES, allowedPaths })).toBe(open ? 'object' : 'string')
  })

  it('in absolute form is checked by its own authority and scheme, not by Host', () => {
    const rawHeaders = ['Host', 'evil.example']
    const target = `http://localhost${PATH}`
    expect(judge({ target, rawHeaders })).toMatchObject({ authority: 'localhost' })
    expect(judge({ target }, { ...RULES, scheme: 'https' })).toBe('scheme')
  })
})

describe('Host', () => {
  // oxfmt-ignore
  const REFUSED = {
    host: [
      '', ':8080', 'localhost@evil.example', 'localhost/x', 'local host', 'localhost, evil.example',
      'localhost:65536', 'localhost:123456', 'localhost:80a', '[::1',
    ],
    'other-host': ['evil.example', 'localhost.evil.example', 'localhost,evil.example'],
  }

  it.each(rowsOf(REFUSED))('is refused as %s: %j', (refused, host) => {
    expect(judge({ rawHeaders: ['Host', host] })).toBe(refused)
  })

  it('is refused where there is none, but in HTTP/1.0, and where there are two', () => {
    expect(judge({ rawHeaders: [] })).toBe('host')
    expect(judge({ httpVersion: '1.0', rawHeaders: [] })).toBeTypeOf('object')
    expect(withHeaders('host', 'localhost')).toBe('host')
  })

  // oxfmt-ignore
  it.each([
    'localhost', 'LOCALHOST:1', '127.0.0.1:8080', '[::1]', '[::1]:8080', 'obs.example:', '[::1]:65535',
    'localhost:59999', 'localhost:60000', 'localhost:64999', 'localhost:65499', 'localhost:65529', 'localhost:65530',
    'localhost:00080',
  ])('%s is ours', (host) => {
    expect(judge({ rawHeaders: ['Host', host] })).toBeTypeOf('object')
  })
})

it.each(['0.9', '2.0', '1.2', '3.0', ''])('the version %j is refused', (httpVersion) => {
  expect(judge({ httpVersion }, OPEN)).toBe('http-version')
})

it.each(['CONNECT', 'TRACE'])('the method %s is refused', (method) => {
  expect(judge({ method }, OPEN)).toBe('method')
})

describe('framing', () => {
  it.each([
    ['nothing', [], 0],
    ['a length', ['Content-Length', '700'], 700],
    ['the longest length', ['Content-Length', '1000'], 1000],
    ['a length with zeros before it', ['content-length', '0000000000000000007'], 7],
    ['a length of nothing', ['Content-Length', '0'], 0],
    ['chunks', ['Transfer-Encoding', 'Chunked'], 'chunked'],
  ])('by %s is valid', (_, fields, framing) => {
    expect(withHeaders(...fields)).toMatchObject({ framing })
  })

  // oxfmt-ignore
  const LENGTHS = {
    'content-length': ['+5', '-5', '5, 5', '0x5', '5.0', '', '1 0', '\u0665'],
    'body-size': ['1001', '9'.repeat(400)],
  }
  // oxfmt-ignore
  const CODINGS = {
    'transfer-encoding': [''],
    coding: [
      'identity', 'gzip, chunked', 'chunked, chunked', 'chunked;q=1', '\u000bchunked', '"chunked"',
    ],
  }

  it.each(rowsOf(LENGTHS))('by a length is refused as %s: %j', (refused, length) => {
    expect(withHeaders('Content-Length', length)).toBe(refused)
  })
  it.each(rowsOf(CODINGS))('by a coding is refused as %s: %j', (refused, coding) => {
    expect(withHeaders('Transfer-Encoding', coding)).toBe(refused)
  })

  it.each([
    ['two lengths', ['Content-Length', '5', 'content-length', '5'], 'content-length'],
    ['both', ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], 'transfer-encoding'],
    [
      'two codings',
      ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'x'],
      'transfer-encoding',
    ],
  ])('by %s is refused', (_, fields, refused) => {
    expect(withHeaders(...fields)).toBe(refused)
  })

  it('by a coding in HTTP/1.0 is refused', () => {
    const rawHeaders = ['Transfer-Encoding', 'chunked']
    expect(judge({ httpVersion: '1.0', rawHeaders })).toBe('transfer-encoding')
  })
})

describe('headers', () => {
  const REFUSED = {
    loop: [
      ['Via', '1.1 us-4711'],
      ['via', '1.0 them, 1.1 us-4711 (a comment), 1.1 others'],
      ['Via', '1.1 them', 'VIA', '1.1 us-4711'],
    ],
    expectation: [
      ['Expect', 'teapot'],
      ['Expect', '100-continue, teapot'],
    ],
    browser: [
      ['Origin', 'https://evil.example'],
      ['Sec-Fetch-Site', 'cross-site'],
      ['sec-fetch-site', 'none'],
    ],
  }

  it.each(rowsOf(REFUSED))('are refused as %s: %j', (refused, fields) => {
    expect(withHeaders(...fields)).toBe(refused)
  })

  it.each([
    ['Via', '1.1 us-4712'],
    ['X-Via', '1.1 us-4711'],
  ])('%s: %s is admitted', (...field) => {
    expect(withHeaders(...field)).toBeTypeOf('object')
  })

  it.each([
    ['200', Array.from({ length: 199 }, () => ['a', 'b']).flat()],
    // Host line: 4 + 9 + 4 bytes; this one: 1 + n + 4.
    ['16 KiB', ['a', 'x'.repeat(16 * 1024 - 17 - 5)]],
  ])('%s of them are admitted, and no more', (_, fields) => {
    expect(withHeaders(...fields)).toBeTypeOf('object')
    expect(withHeaders(...fields, 'a', '')).toBe('headers')
  })

  it.each(['a', 'Abc-123', 'req:1/2=3+4@x~', 'x'.repeat(128)])('keep the id %s', (requestId) => {
    expect(withHeaders('X-Request-Id', requestId)).toMatchObject({ requestId })
  })

  it.each(['', ' ', 'a b', 'a"b', 'a\tb', 'é', '<b>', 'x'.repeat(129)])('drop the id %j', (id) => {
    expect(withHeaders('X-Request-Id', id)).toMatchObject({ requestId: undefined })
  })

  it.each([
    ['1.1', true],
    ['1.0', false],
  ])('ask for 100 Continue in HTTP/%s: %s', (httpVersion, expectsContinue) => {
    const rawHeaders = ['Host', 'localhost', 'Expect', '100-Continue']
    expect(judge({ rawHeaders, httpVersion })).toMatchObject({ expectsContinue })
  })
})
