import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createValidation, type RequestHead, type RequestRules } from '../../src/proxy/validate.ts'

const RULES: RequestRules = {
  hosts: new Set(['localhost', '127.0.0.1', '[::1]', 'obs.example']),
  pseudonym: 'us-4711',
  scheme: 'http',
  allowedPaths: ['/rest/isales/'],
  localPaths: ['/rest/isales/v1/openapi/obs/auth/login'],
  maxBodySize: 1000,
}
const OPEN: RequestRules = { ...RULES, allowedPaths: ['/'] }
const PATH = '/rest/isales/v1/openapi/obs/business/tasks'

/** The judgement on a good request, but for the changes. */
function judge(changes: Partial<RequestHead> = {}, rules = RULES) {
  const good = {
    method: 'POST',
    target: PATH,
    httpVersion: '1.1',
    rawHeaders: ['Host', 'localhost'],
  }
  return createValidation(rules)({ ...good, ...changes })
}

/** The judgement on a good request with these headers besides Host. */
const withHeaders = (...fields: string[]) => judge({ rawHeaders: ['Host', 'localhost', ...fields] })

it('a good request is valid with its target as it came', () => {
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
  it.each([
    ['a fragment', '/rest/isales/a#b', 'target'],
    ['a backslash', '/rest/isales/a\\b', 'target'],
    ['a space', '/rest/isales/a b', 'target'],
    ['a tab', '/rest/isales/a\tb', 'target'],
    ['NUL', '/rest/isales/a\u0000b', 'target'],
    ['DEL', '/rest/isales/a\u007fb', 'target'],
    ['a byte over ASCII', '/rest/isales/\u00e9', 'target'],
    ['a fragment in the query', '/rest/isales/a?b#c', 'target'],
    ['nothing', '', 'target'],
    ['no slash', 'rest/isales/', 'target'],
    ['a star', '*', 'target'],
    ['a star and more', '*/rest/isales/', 'target'],
    ['an unknown scheme', 'ftp://localhost/rest/isales/', 'target'],
    ['a scheme that ends like ours', 'xhttp://localhost/rest/isales/', 'target'],
    ['no authority', 'http:///rest/isales/', 'target'],
    ['userinfo', 'http://u:p@localhost/rest/isales/', 'target'],
    ['another scheme', 'https://localhost/rest/isales/', 'scheme'],
    ['another authority', 'http://evil.example/rest/isales/', 'other-host'],
    ['a path outside', '/rest/other/', 'other-path'],
    ['a path outside, absolute', 'http://localhost/x', 'other-path'],
    ['the prefix without its slash', '/rest/isales', 'other-path'],
    ['the prefix in another case', '/REST/isales/', 'other-path'],
    ['the prefix in the query', '/?/rest/isales/', 'other-path'],
    ['an empty segment', '/rest/isales//x', 'double-slash'],
    ['an empty first segment, absolute', 'http://localhost//rest/isales/x', 'double-slash'],
    ['an encoded letter', '/rest/isales/%61', 'ambiguous-path'],
    ['an encoded dot', '/rest/isales/%2e%2E/x', 'ambiguous-path'],
    ['a % at the end', '/rest/isales/a%', 'ambiguous-path'],
    ['a parameter', '/rest/isales/a;b=c', 'ambiguous-path'],
    ['a colon', '/rest/isales/a:b', 'ambiguous-path'],
    ['one up', '/rest/isales/../x', 'ambiguous-path'],
    ['one up at the end', '/rest/isales/..', 'ambiguous-path'],
    ['this one', '/rest/isales/./x', 'ambiguous-path'],
    ['this one at the end', '/rest/isales/.', 'ambiguous-path'],
    ['a segment that begins with a dot', '/rest/isales/.well-known', 'ambiguous-path'],
    ['a segment that ends with a dot', '/rest/isales/a./b', 'ambiguous-path'],
  ])('with %s is refused', (_, target, refused) => {
    expect(judge({ method: 'GET', target })).toBe(refused)
  })

  it.each([
    ['GET', 'http://localhost/rest/isales/a?b=http://x//y', '/rest/isales/a?b=http://x//y'],
    ['GET', 'HTTP://OBS.example:443/rest/isales/', '/rest/isales/'],
    ['GET', 'http://[::1]:8080/rest/isales/', '/rest/isales/'],
    ['GET', '/rest/isales/a.b', undefined],
    // An `obsUrl` that ends with a slash makes it.
    ['GET', '//rest/isales/x?//', '/rest/isales/x?//'],
    ['GET', '///rest/isales/x', '/rest/isales/x'],
    ['GET', '/rest/isales/a..b/_/~/-/', undefined],
    ['OPTIONS', 'http://localhost/rest/isales/', '/rest/isales/'],
  ])('%s %s goes on', (method, target, originForm = target) => {
    expect(judge({ method, target })).toMatchObject({ target: originForm })
  })

  it.each([
    ['/x//../y', 'double-slash'],
    ['/;x/../y', 'ambiguous-path'],
  ])('%s is refused when every path is open, too', (target, refused) => {
    expect(judge({ target }, OPEN)).toBe(refused)
  })

  it.each([
    ['/', undefined],
    ['/a/b_c', undefined],
    ['http://localhost', '/'],
    ['http://localhost?a', '/?a'],
  ])('%s goes on when every path is open', (target, originForm = target) => {
    expect(judge({ target }, OPEN)).toMatchObject({ target: originForm })
  })

  it.each([
    [['/rest/isales'], '/rest/isales', true],
    [['/rest/isales'], '/rest/isales?a', true],
    [['/rest/isales'], '/rest/isales/a', true],
    [['/rest/isales'], '/rest/isales-admin', false],
    [['/rest/isales'], '/rest/isales;a', false],
    [['/rest/isales'], '/rest/isales%61', false],
    [['/rest/isales/'], '/rest/isales/', true],
    [['/a/', '/b/'], '/a/x', true],
    [['/a/', '/b/'], '/b/x', true],
  ])('the prefixes %j open %s: %s', (allowedPaths, target, open) => {
    expect(typeof judge({ target }, { ...RULES, allowedPaths })).toBe(open ? 'object' : 'string')
  })

  it('in absolute form is judged by its own authority and scheme, not by Host', () => {
    const rawHeaders = ['Host', 'evil.example']
    const target = `http://localhost${PATH}`
    expect(judge({ target, rawHeaders })).toMatchObject({ authority: 'localhost' })
    expect(judge({ target }, { ...RULES, scheme: 'https' })).toBe('scheme')
  })
})

describe('Host', () => {
  it.each([
    ['none', [], 'host'],
    ['two', ['Host', 'localhost', 'host', 'localhost'], 'host'],
    ['an empty one', ['Host', ''], 'host'],
    ['a port alone', ['Host', ':8080'], 'host'],
    ['userinfo', ['Host', 'localhost@evil.example'], 'host'],
    ['a path', ['Host', 'localhost/x'], 'host'],
    ['a space', ['Host', 'local host'], 'host'],
    ['a list', ['Host', 'localhost, evil.example'], 'host'],
    ['a port that no machine has', ['Host', 'localhost:65536'], 'host'],
    ['a port of six digits', ['Host', 'localhost:123456'], 'host'],
    ['a port that is none', ['Host', 'localhost:80a'], 'host'],
    ['a half address', ['Host', '[::1'], 'host'],
    ['an unknown name', ['Host', 'evil.example'], 'other-host'],
    ['our name as a prefix', ['Host', 'localhost.evil.example'], 'other-host'],
    ['our name in a list', ['Host', 'localhost,evil.example'], 'other-host'],
  ])('%s is refused', (_, rawHeaders, refused) => {
    expect(judge({ rawHeaders })).toBe(refused)
  })

  it.each([
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1:8080',
    '[::1]',
    '[::1]:8080',
    'obs.example:',
    '[::1]:65535',
    'localhost:59999',
    'localhost:60000',
    'localhost:64999',
    'localhost:65499',
    'localhost:65529',
    'localhost:65530',
    'localhost:00080',
  ])('%s is ours', (host) => {
    expect(judge({ rawHeaders: ['Host', host] })).toBeTypeOf('object')
  })

  it('may be missing in HTTP/1.0', () => {
    expect(judge({ httpVersion: '1.0', rawHeaders: [] })).toBeTypeOf('object')
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

  it.each([
    ['two lengths', ['Content-Length', '5', 'content-length', '5'], 'content-length'],
    ['a sign', ['Content-Length', '+5'], 'content-length'],
    ['a negative length', ['Content-Length', '-5'], 'content-length'],
    ['a list', ['Content-Length', '5, 5'], 'content-length'],
    ['hexadecimal', ['Content-Length', '0x5'], 'content-length'],
    ['a fraction', ['Content-Length', '5.0'], 'content-length'],
    ['an empty length', ['Content-Length', ''], 'content-length'],
    ['a space within', ['Content-Length', '1 0'], 'content-length'],
    ['digits of another script', ['Content-Length', '\u0665'], 'content-length'],
    ['more than is let in', ['Content-Length', '1001'], 'body-size'],
    ['more than a number holds', ['Content-Length', '9'.repeat(400)], 'body-size'],
    ['both', ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], 'transfer-encoding'],
    [
      'two codings',
      ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'x'],
      'transfer-encoding',
    ],
    ['an empty coding', ['Transfer-Encoding', ''], 'transfer-encoding'],
    ['identity', ['Transfer-Encoding', 'identity'], 'coding'],
    ['gzip and chunks', ['Transfer-Encoding', 'gzip, chunked'], 'coding'],
    ['chunks twice', ['Transfer-Encoding', 'chunked, chunked'], 'coding'],
    ['a parameter', ['Transfer-Encoding', 'chunked;q=1'], 'coding'],
    ['a vertical tab', ['Transfer-Encoding', '\u000bchunked'], 'coding'],
    ['quotes', ['Transfer-Encoding', '"chunked"'], 'coding'],
  ])('by %s is refused', (_, fields, refused) => {
    expect(withHeaders(...fields)).toBe(refused)
  })

  it('by a coding in HTTP/1.0 is refused', () => {
    const rawHeaders = ['Transfer-Encoding', 'chunked']
    expect(judge({ httpVersion: '1.0', rawHeaders })).toBe('transfer-encoding')
  })
})

describe('headers', () => {
  it.each([
    [['Via', '1.1 us-4711'], 'loop'],
    [['via', '1.0 them, 1.1 us-4711 (a comment), 1.1 others'], 'loop'],
    [['Via', '1.1 them', 'VIA', '1.1 us-4711'], 'loop'],
    [['Expect', 'teapot'], 'expectation'],
    [['Expect', '100-continue, teapot'], 'expectation'],
    [['Origin', 'https://evil.example'], 'browser'],
    [['Sec-Fetch-Site', 'cross-site'], 'browser'],
    [['sec-fetch-mode', 'navigate'], 'browser'],
  ])('%j are refused: %s', (fields, refused) => {
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

it('what is valid stays under the prefix, however another server reads its path', () => {
  const texts = ['..', '.', '/', '%2e', '%2F', '%5c', '\\', ';', 'a', '%00', '?', '#']
  const part = fc.constantFrom(...texts)
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const valid = judge({ method: 'GET', target: `/rest/isales/${parts.join('')}` })
      if (typeof valid === 'string') return
      const path = decodeURIComponent(valid.target.replace(/\?.*$/, '')).replaceAll('\\', '/')
      const seen = new URL(path.replaceAll(/;[^/]*/g, ''), 'http://x').pathname
      expect(seen.startsWith('/rest/isales/')).toBe(true)
      expect(seen).not.toContain('//')
    }),
    { numRuns: 5000 },
  )
})
