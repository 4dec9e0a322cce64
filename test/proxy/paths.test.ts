import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { localPaths } from '../../src/proxy/handler.ts'
import { validateRequest } from '../../src/proxy/validate.ts'

const kindOf = localPaths(['/rest/v1/auth/login', '/rest/v1/auth/refresh'])

test.each(['/rest/v1/auth/login', '/rest/v1/auth/refresh'])('%s is local', (path) => {
  expect(kindOf(path)).toBe('local')
})

test.each([
  ['case', '/auth/REFRESH'],
  ['a shorter path', '/auth /auth/log'],
  ['a longer path', '/auth/refresh/ /auth/login2 /auth/refreshment /auth/refresh/more'],
  ['a suffix', '/auth/refresh.json /auth/login~'],
  ['parameters', '/auth/refresh;a=b /auth;x/refresh /auth%3bx/refresh'],
  ['an encoded query', '/auth/refresh%3Fa /auth%3Fa/refresh /auth/refresh%23a'],
  ['parameters and an encoded query', '/auth/refresh;a%3Fb%23c'],
  ['spaces', '/auth/refresh%20 /auth%20/refresh /%20/auth/refresh /.%20/auth/refresh'],
  ['controls', '/auth/login%7f /auth%7F/login'],
  ['punctuation', '/auth./refresh /auth:/refresh /auth!/refresh'],
  ['its coding', '/%61uth/refresh /%ef%bd%81uth/refresh'],
])('what differs in %s is like one: %s', (_, paths) => {
  const different = (path: string): boolean => kindOf(`/rest/v1${path}`) !== 'lookalike'
  expect(paths.split(' ').filter(different)).toEqual([])
})

test.each([
  ['/login.do', '/login.json'],
  ['/login.do', '/login'],
  ['/obs/login', '/obs/login~'],
  ['/obs/login', '/OBS/LOGIN/x'],
  ['/rest/v1/auth/refresh', '/Rest/V1/Auth/Refresh'],
  ['/auth/login', '/auth/other'],
])('where login is %s, %s is like it', (login, path) => {
  expect(localPaths([login])(path)).toBe('lookalike')
})

test('where login stands beside the calls, they are not like it', () => {
  expect(localPaths(['/login'])('/tasks')).toBe('other')
})

test.each([
  '/',
  '/rest/v1/author',
  '/rest/v1/business/tasks',
  '/rest/v1/Business/tasks;x=%41',
  '/other/rest/v1/auth/refresh',
  '/rest/v1/business/100%25',
  '/rest/v1/business/tasks%3Fnext=/rest/v1/auth/refresh',
  '/rest/v1/business/%3F%23%3F',
])('%s is not', (path) => {
  expect(kindOf(path)).toBe('other')
})

test('a long path is judged in time that grows with its length, whatever it holds', () => {
  const path = `/rest/v1${'/.a.a'.repeat(10)}/${'.a'.repeat(7500)}/x${'%3Fa'.repeat(7)}${';'.repeat(900)}`
  // In quadratic time it would be past the limit of a test.
  for (let n = 0; n < 100; n += 1) expect(kindOf(path)).toBe('other')
})

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
    hosts: undefined,
    pseudonym: 'us',
    scheme: 'http' as const,
    allowedPaths: ['/'],
    maxBodySize: 1000,
  }
  assert(
    property(array(part, { minLength: 1, maxLength: 9 }), (parts) => {
      const target = `/rest/v1${parts.join('')}`
      const head = { method: 'POST', target, httpVersion: '1.1', rawHeaders: ['Host', 'localhost'] }
      const valid = validateRequest(head, rules)
      if ('refused' in valid || kindOf(valid.path) !== 'other') return
      for (const reading of readings(valid.path))
        expect(reading).not.toMatch(/^\/rest\/v1\/auth\/(?:login|refresh)/)
    }),
    { numRuns: 2000 },
  )
})
