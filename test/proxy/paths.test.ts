import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { createPathClassifier, createValidation } from '../../src/proxy/validate.ts'

const LOCAL = ['/rest/v1/auth/login', '/rest/v1/auth/refresh']
const PUBLISHED = '/rest/isales/v1/openapi/obs/auth'

test.each([
  // The same path, and paths that resemble it: in case, shorter, longer, or with a suffix.
  [LOCAL, LOCAL.join(' '), 'local'],
  [LOCAL, '/rest/v1/auth/REFRESH /rest/v1/Auth/refresh', 'auth-path'],
  [LOCAL, '/rest/v1/auth /rest/v1/auth/ /rest/v1/auth/log', 'auth-path'],
  [LOCAL, '/rest/v1/auth/refresh/ /rest/v1/auth/login2 /rest/v1/auth/refresh/more', 'auth-path'],
  [LOCAL, '/rest/v1/auth/refresh.json /rest/v1/auth/login~', 'auth-path'],
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

test('a refresh path outside ALLOWED_PATHS is local, but no other path of its tree', () => {
  const localPaths = [...LOCAL, '/sso/refresh']
  const classify = createPathClassifier({ allowedPaths: ['/rest/v1/'], localPaths })
  expect(['/sso/refresh', '/sso/other'].map(classify)).toEqual(['local', 'other-path'])
})

/** Returns a path as servers may read it: without empty segments or parameters, decoded up to three times. */
function readings(path: string): string[] {
  let decoded = path
  const all: string[] = []
  for (let round = 0; round <= 3; round += 1) {
    for (const text of [
      decoded,
      decoded.replaceAll(/;[^/]*/g, ''),
      decoded.replaceAll(/\/+/g, '/'),
    ])
      all.push(
        removeDotSegments(text),
        removeDotSegments(removeDotSegments(text).replaceAll(/\/+/g, '/')),
      )
    decoded = decoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
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

test('no path that is forwarded is read as login or refresh by any server', () => {
  const encoded = ['%2f', '%2e', '%25', '2e', '%32%65', '%2561', '%61', '%20', '%3f', '%3b']
  const segments = ['/rest', '/v1', '/auth', 'uth', '/login', '/refresh', '/x', '/business']
  const part = constantFrom('/', '//', '/..', '/.', ';x', 'a', ...encoded, ...segments)
  const rules = {
    isOwnHost: () => true,
    pseudonym: 'us',
    scheme: 'http' as const,
    allowedPaths: ['/'],
    localPaths: LOCAL,
    maxBodySize: 1000,
  }
  const validate = createValidation(rules)
  assert(
    property(array(part, { minLength: 1, maxLength: 9 }), (parts) => {
      const target = `/rest/v1${parts.join('')}`
      const head = { method: 'POST', target, httpVersion: '1.1', rawHeaders: ['Host', 'localhost'] }
      const valid = validate(head)
      if (typeof valid === 'string' || LOCAL.includes(valid.path)) return
      for (const reading of readings(valid.path))
        expect(reading).not.toMatch(/^\/rest\/v1\/auth\/(?:login|refresh)/)
    }),
    { numRuns: 2000 },
  )
})
