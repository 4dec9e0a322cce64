import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { createPathClassifier, createValidation } from '../../src/proxy/validate.ts'

const LOCAL = ['/rest/v1/auth/login', '/rest/v1/auth/refresh']
const judging = (localPaths: readonly string[]) =>
  createPathClassifier({ allowedPaths: ['/'], localPaths })
const judge = judging(LOCAL)

test.each(LOCAL)('%s is local', (path) => {
  expect(judge(path)).toBe('local')
})

test('a refresh path is local, also in a tree from which nothing is forwarded', () => {
  const narrow = createPathClassifier({
    allowedPaths: ['/rest/v1/'],
    localPaths: [...LOCAL, '/sso/refresh'],
  })
  expect(narrow('/sso/refresh')).toBe('local')
  expect(narrow('/sso/other')).toBe('other-path')
})

test.each([
  ['case', '/auth/REFRESH /Auth/refresh'],
  ['a shorter path', '/auth /auth/ /auth/log'],
  ['a longer path', '/auth/refresh/ /auth/login2 /auth/refreshment /auth/refresh/more'],
  ['a suffix', '/auth/refresh.json /auth/login~'],
])('a path that differs in %s resembles one: %s', (_, paths) => {
  const different = (path: string): boolean => judge(`/rest/v1${path}`) !== 'auth-path'
  expect(paths.split(' ').filter(different)).toEqual([])
})

test.each([
  ['/login.do', '/login.json'],
  ['/login.do', '/login'],
  ['/obs/login', '/obs/login~'],
  ['/obs/login', '/OBS/LOGIN/x'],
  ['/rest/v1/auth/refresh', '/Rest/V1/Auth/Refresh'],
  ['/auth/login', '/auth/other'],
  ['/signin', '/rest/isales/v1/openapi/obs/auth/login'],
  ['/signin', '/rest/isales/v1/openapi/obs/auth/refresh'],
  ['/signin', '/REST/isales/v1/openapi/obs/auth/refresh/x'],
])('where login is %s, %s is like it', (login, path) => {
  expect(judging([login])(path)).toBe('auth-path')
})

test('calls next to the login path do not resemble it', () => {
  expect(judging(['/login'])('/tasks')).toBe('other')
})

test.each(['/', '/rest/v1/author', '/rest/v1/business/tasks', '/other/rest/v1/auth/refresh'])(
  '%s is not',
  (path) => {
    expect(judge(path)).toBe('other')
  },
)

/** How servers read a path: with or without empty segments and parameters, decoded never to three times. */
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

/** RFC 3986 section 5.2.4: `..` takes an empty segment away like any other. */
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
