import { array, assert, constantFrom, property } from 'fast-check'
import { expect, it } from 'vitest'
import { createHostRule } from '../../src/config/address.ts'
import { createPathClassifier, createValidation } from '../../src/proxy/validate.ts'
import type { RequestRules } from '../../src/proxy/validate.ts'

const RULES: RequestRules = {
  isOwnHost: createHostRule({ host: '', port: 0 }, ['obs.example']),
  pseudonym: 'us-4711',
  scheme: 'http',
  allowedPaths: ['/rest/isales/'],
  localPaths: ['/rest/isales/v1/openapi/obs/auth/login'],
  maxBodySize: 1000,
}
const PATH = '/rest/isales/v1/openapi/obs/business/tasks'

const GOOD = { method: 'POST', target: PATH, httpVersion: '1.1', rawHeaders: ['Host', 'localhost'] }
type RequestHead = typeof GOOD

function validate(changes: Partial<RequestHead> = {}, rules: Partial<RequestRules> = {}) {
  const { target: url, ...head } = { ...GOOD, ...changes }
  return createValidation({ ...RULES, ...rules })({ ...head, url })
}

/** Headers next to Host, and other changes of a valid request. */
const fields = (...lines: readonly string[]) => ({ rawHeaders: ['Host', 'localhost', ...lines] })
const hosts = (...all: readonly string[]) => all.map((host) => ({ rawHeaders: ['Host', host] }))
const targets = (...all: readonly string[]) => all.map((target) => ({ method: 'GET', target }))
const lengths = (...all: readonly string[]) => all.map((each) => fields('Content-Length', each))
const codings = (...all: readonly string[]) => all.map((each) => fields('Transfer-Encoding', each))

// oxfmt-ignore
const REFUSED: Readonly<Record<string, readonly Partial<RequestHead>[]>> = {
  'http-version': ['0.9', '2.0', '1.2', '3.0', ''].map((httpVersion) => ({ httpVersion })),
  method: [{ method: 'CONNECT' }, { method: 'TRACE' }],
  target: targets(
    '/rest/isales/a#b', '/rest/isales/a\\b', '/rest/isales/a b', '/rest/isales/a\tb', '/rest/isales/a\u0000b',
    '/rest/isales/a\u007fb', '/rest/isales/\u00e9', '/rest/isales/a?b#c', '', 'rest/isales/', '*', '*/rest/isales/',
    'ftp://localhost/rest/isales/', 'xhttp://localhost/rest/isales/', 'http:///rest/isales/',
    'http://u:p@localhost/rest/isales/',
  ),
  scheme: targets('https://localhost/rest/isales/'),
  'other-path': targets('/rest/other/', 'http://localhost/x', '/rest/isales', '/REST/isales/', '/?/rest/isales/'),
  'double-slash': targets('/rest/isales//x', 'http://localhost//rest/isales/x', '/x//../y'),
  'ambiguous-path': targets(
    '/rest/isales/%61', '/rest/isales/%2e%2E/x', '/rest/isales/a%', '/rest/isales/a;b=c', '/rest/isales/a:b',
    '/rest/isales/../x', '/rest/isales/..', '/rest/isales/./x', '/rest/isales/.', '/rest/isales/.well-known',
    '/rest/isales/a./b', '/;x/../y',
  ),
  host: [
    ...hosts('', ':8080', 'localhost@evil.example', 'localhost/x', 'local host', 'localhost, evil.example'),
    ...hosts('localhost:65536', 'localhost:123456', 'localhost:80a', '[::1'),
    { rawHeaders: [] }, fields('host', 'localhost'),
  ],
  'other-host': [
    ...hosts('evil.example', 'localhost.evil.example', 'localhost,evil.example'),
    ...targets('http://evil.example/rest/isales/'),
  ],
  'content-length': [
    ...lengths('+5', '-5', '5, 5', '0x5', '5.0', '', '1 0', '\u0665'),
    fields('Content-Length', '5', 'content-length', '5'),
  ],
  'body-size': lengths('1001', '9'.repeat(400)),
  'transfer-encoding': [
    ...codings(''),
    fields('Content-Length', '5', 'Transfer-Encoding', 'chunked'),
    fields('Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'x'),
    { httpVersion: '1.0', rawHeaders: ['Transfer-Encoding', 'chunked'] },
  ],
  coding: codings('identity', 'gzip, chunked', 'chunked, chunked', 'chunked;q=1', '\u000bchunked', '"chunked"'),
  loop: [
    fields('Via', '1.1 us-4711'),
    fields('via', '1.0 them, 1.1 us-4711 (a comment), 1.1 others'),
    fields('Via', '1.1 them', 'VIA', '1.1 us-4711'),
  ],
  expectation: [fields('Expect', 'teapot'), fields('Expect', '100-continue, teapot')],
  browser: [
    fields('Origin', 'https://evil.example'),
    fields('Sec-Fetch-Site', 'cross-site'),
    fields('sec-fetch-site', 'none'),
  ],
}
const refusedRows = Object.entries(REFUSED).flatMap(([refusal, all]) =>
  all.map((changes) => [refusal, changes] as const),
)

it.each(refusedRows)('a request is refused as %s: %j', (refusal, changes) => {
  expect(validate(changes)).toBe(refusal)
})

const EVERY_PATH = { allowedPaths: ['/'] }
const GET = { method: 'GET' }

it.each<[Partial<RequestHead>, object, Partial<RequestRules>?]>([
  [{ target: '/rest/isales/a.b' }, { target: '/rest/isales/a.b' }],
  [{ target: '/rest/isales/a..b/_/~/-/' }, { target: '/rest/isales/a..b/_/~/-/' }],
  [{ target: '/rest/isales/v1/openapi/obs/auth/login' }, { framing: 0 }],
  [{ ...GET, target: 'http://localhost/rest/isales/a?b=/x//y' }, { path: '/rest/isales/a' }],
  [{ target: 'http://localhost/rest/isales/a?b=/x//y' }, { target: '/rest/isales/a?b=/x//y' }],
  [{ target: 'HTTP://OBS.example:443/rest/isales/' }, { target: '/rest/isales/' }],
  [{ target: 'http://[::1]:8080/rest/isales/' }, { target: '/rest/isales/' }],
  // Of an `obsUrl` that ends with a slash.
  [{ target: '//rest/isales/x?//' }, { target: '/rest/isales/x?//' }],
  [{ target: '///rest/isales/x' }, { target: '/rest/isales/x' }],
  [{ method: 'OPTIONS', target: '/' }, { target: '/' }, EVERY_PATH],
  [{ target: '/a/b_c' }, { target: '/a/b_c' }, EVERY_PATH],
  [{ target: 'http://localhost' }, { target: '/' }, EVERY_PATH],
  [{ target: 'http://localhost?a' }, { target: '/?a', path: '/' }, EVERY_PATH],
  // The absolute form's authority replaces Host.
  [
    { target: `http://localhost${PATH}`, rawHeaders: ['Host', 'evil.example'] },
    { authority: 'localhost' },
  ],
  [{ httpVersion: '1.0', rawHeaders: [] }, { authority: undefined }],
  [fields(), { framing: 0 }],
  [fields('Content-Length', '700'), { framing: 700 }],
  [fields('Content-Length', '1000'), { framing: 1000 }],
  [fields('content-length', '0000000000000000007'), { framing: 7 }],
  [fields('Content-Length', '0'), { framing: 0 }],
  [fields('Transfer-Encoding', 'Chunked'), { framing: 'chunked' }],
  [fields('Via', '1.1 us-4712', 'X-Via', '1.1 us-4711'), { framing: 0 }],
  [fields('Expect', '100-Continue'), { expectsContinue: true }],
  [{ ...fields('Expect', '100-Continue'), httpVersion: '1.0' }, { expectsContinue: false }],
  // Node's own `fetch` sends it.
  [fields('Sec-Fetch-Mode', 'cors'), { framing: 0 }],
])('a request with %j is valid as %j', (changes, expected, rules) => {
  expect(validate(changes, rules)).toMatchObject(expected)
})

it('a valid request has its target unchanged', () => {
  const target = `${PATH}?a=%2F..&b=//~`
  expect(validate({ target, rawHeaders: ['Host', 'localhost:8080'] })).toEqual({
    framing: 0,
    target,
    path: PATH,
    authority: 'localhost:8080',
    requestId: undefined,
    expectsContinue: false,
  })
})

it('a target for http is refused by a listener with TLS', () => {
  expect(validate({ target: `http://localhost${PATH}` }, { scheme: 'https' })).toBe('scheme')
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
  expect(typeof validate({ target }, { allowedPaths })).toBe(open ? 'object' : 'string')
})

// oxfmt-ignore
it.each(hosts(
  'localhost', 'LOCALHOST:1', '127.0.0.1:8080', '[::1]', '[::1]:8080', 'obs.example:', '[::1]:65535',
  'localhost:59999', 'localhost:60000', 'localhost:64999', 'localhost:65499', 'localhost:65529', 'localhost:65530',
  'localhost:00080',
))('the Host in %j is ours', (changes) => {
  expect(validate(changes)).toBeTypeOf('object')
})

it.each([
  ['200', Array.from({ length: 199 }, () => ['a', 'b']).flat()],
  // Host line: 4 + 9 + 4 bytes; this one: 1 + n + 4.
  ['16 KiB', ['a', 'x'.repeat(16 * 1024 - 17 - 5)]],
])('%s of headers are admitted, and no more', (_, lines) => {
  expect(validate(fields(...lines))).toBeTypeOf('object')
  expect(validate(fields(...lines, 'a', ''))).toBe('headers')
})

it.each(['a', 'Abc-123', 'req:1/2=3+4@x~', 'x'.repeat(128)])('the id %s is kept', (requestId) => {
  expect(validate(fields('X-Request-Id', requestId))).toMatchObject({ requestId })
})

it.each(['', ' ', 'a b', 'a"b', 'a\tb', 'é', '<b>', 'x'.repeat(129)])('no id is %j', (id) => {
  expect(validate(fields('X-Request-Id', id))).toMatchObject({ requestId: undefined })
})

const LOCAL = ['/rest/v1/auth/login', '/rest/v1/auth/refresh']
const PUBLISHED = '/rest/isales/v1/openapi/obs/auth'

it.each([
  // The same path, and paths that resemble it: in case, shorter, longer, or with a suffix.
  [LOCAL, LOCAL.join(' '), 'local'],
  [LOCAL, '/rest/v1/auth/REFRESH /rest/v1/Auth/refresh', 'auth-path'],
  [LOCAL, '/rest/v1/auth /rest/v1/auth/ /rest/v1/auth/log', 'auth-path'],
  [LOCAL, '/rest/v1/auth/refresh/ /rest/v1/auth/login2 /rest/v1/auth/refresh/more', 'auth-path'],
  [LOCAL, '/ /rest/v1/author /rest/v1/business/tasks /other/rest/v1/auth/refresh', 'other'],
  [['/login.do'], '/login.json /login', 'auth-path'],
  [['/obs/login'], '/obs/login~ /OBS/LOGIN/x', 'auth-path'],
  [['/login'], '/tasks', 'other'],
  [['/auth/v1/login'], '/auth/v1/other', 'other'],
  [['/api.v1/login'], '/api.v1/login2', 'auth-path'],
  [
    ['/signin'],
    `${PUBLISHED}/login ${PUBLISHED}/refresh ${PUBLISHED.toUpperCase()}/x`,
    'auth-path',
  ],
])('with login and refresh at %j, %s: %s', (localPaths, paths, expected) => {
  const classify = createPathClassifier({ allowedPaths: ['/'], localPaths })
  for (const path of paths.split(' ')) expect([path, classify(path)]).toEqual([path, expected])
})

it('a refresh path outside ALLOWED_PATHS is local, but no other path of its tree', () => {
  const localPaths = [...LOCAL, '/sso/refresh']
  const classify = createPathClassifier({ allowedPaths: ['/rest/v1/'], localPaths })
  expect(['/sso/refresh', '/sso/other'].map(classify)).toEqual(['local', 'other-path'])
})

/** Returns a path as servers may read it: without empty segments or parameters, decoded up to three times. */
function readings(path: string): string[] {
  let decoded = path
  const all: string[] = []
  for (let round = 0; round <= 3; round += 1) {
    const single = (text: string): string => text.replaceAll(/\/+/g, '/')
    for (const text of [decoded, decoded.replaceAll(/;[^/]*/g, ''), single(decoded)])
      all.push(removeDotSegments(text), removeDotSegments(single(removeDotSegments(text))))
    const byte = (_: string, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))
    decoded = decoded.replaceAll(/%([0-9a-f]{2})/gi, byte)
  }
  return all.map((text) => text.toLowerCase())
}

/** RFC 3986 section 5.2.4: `..` also removes an empty segment. */
function removeDotSegments(path: string): string {
  const segments: string[] = []
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.') segments.push(segment)
  }
  return `/${segments.join('/')}`
}

it('no path that is forwarded is read as login or refresh by any server', () => {
  const encoded = ['%2f', '%2e', '%25', '2e', '%32%65', '%2561', '%61', '%20', '%3f', '%3b']
  const segments = ['/rest', '/v1', '/auth', 'uth', '/login', '/refresh', '/x', '/business']
  const part = constantFrom('/', '//', '/..', '/.', ';x', 'a', ...encoded, ...segments)
  assert(
    property(array(part, { minLength: 1, maxLength: 9 }), (parts) => {
      const target = `/rest/v1${parts.join('')}`
      const valid = validate({ target }, { allowedPaths: ['/'], localPaths: LOCAL })
      if (typeof valid === 'string' || LOCAL.includes(valid.path)) return
      for (const reading of readings(valid.path))
        expect(reading).not.toMatch(/^\/rest\/v1\/auth\/(?:login|refresh)/)
    }),
    { numRuns: 2000 },
  )
})
