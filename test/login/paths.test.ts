import { expect, test } from 'vitest'
import { localPaths } from '../../src/login/paths.ts'

const kindOf = localPaths(['/rest/v1/auth/login', '/rest/v1/auth/refresh'])

test.each(['/rest/v1/auth/login', '/rest/v1/auth/refresh'])('%s is local', (path) => {
  expect(kindOf(path)).toBe('local')
})

test.each([
  '/rest/v1/auth/refresh/',
  '//rest/v1/auth/refresh',
  '/rest/v1//auth/refresh',
  '/rest/v1/./auth/refresh',
  '/rest/v1/x/../auth/refresh',
  '/rest/v1/%61uth/refresh',
  '/rest/v1/%2561uth/refresh',
  '/rest/v1/auth%2Frefresh',
  String.raw`/rest/v1/auth\refresh`,
  '/rest/v1/auth/refresh;a=b',
  '/rest/v1/auth;x/refresh',
  '/rest/v1/auth/REFRESH',
  '/Rest/V1/Auth/Refresh',
  '/rest/v1/auth/refresh.json',
  '/rest/v1/auth/refresh%00',
  '/rest/v1/auth/refresh%20',
  '/rest/v1/auth/refresh%3Fa',
  '/rest/v1/auth/refresh%23a',
  '/rest/v1/auth/refresh%253Fa',
  '/rest/v1/auth/refresh%3F/a/b',
  '/rest/v1/auth/refresh%00/a',
  '/rest/v1/auth%00/refresh',
  '/rest/v1/auth/refresh;a%3Fb%23c',
  '/rest/v1/auth/x%3Fa/../refresh',
  '/rest/v1/auth/x%253F/../refresh%3Fa',
  '/rest/v1/auth',
  '/rest/v1/auth/login~',
  '/rest/v1/auth/login%7f',
  '/rest/v1/auth%7F/login',
  '/rest/v1/auth/log',
  '/rest/v1/auth/login2',
  '/rest/v1/auth/refreshment',
  '/rest/v1/auth/refresh/more',
  '/rest/v1/auth/refresh/%zz',
  '/rest/v1/auth/login/../../business/tasks',
  '/rest/v1/auth/login/%252e%252e/%252e%252e/%252e%252e/x',
  '/rest/v1/%252561uth/login',
  '/rest/v1/%25252561uth/login',
  '/rest/v1/business/%25252525',
])('%s is like one', (path) => {
  expect(kindOf(path)).toBe('alike')
})

test.each([
  ['/login.do', '/login.json'],
  ['/login.do', '/login'],
  ['/obs/login', '/obs/login~'],
  ['/obs/login', '/OBS/LOGIN/x'],
  ['/auth/login', '/auth/other'],
])('where login is %s, %s is like it', (login, path) => {
  expect(localPaths([login])(path)).toBe('alike')
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
  '/rest/v1/business/%2525',
  '/rest/v1/business/tasks%3Fnext=/rest/v1/auth/refresh',
  '/rest/v1/business/%3F%23%3F',
])('%s is not', (path) => {
  expect(kindOf(path)).toBe('other')
})

test('a path with more encoded ends than any of iSales has is refused', () => {
  expect(kindOf(`/rest/v1/business/${'%3F'.repeat(5000)}`)).toBe('alike')
})

test('a long path is judged in time that grows with its length, whatever it holds', () => {
  const path = `/rest/v1${'/.a.a'.repeat(10)}/${'.a'.repeat(7500)}/x${'%3Fa'.repeat(7)}`
  // In quadratic time it would be past the limit of a test.
  for (let n = 0; n < 100; n += 1) expect(kindOf(path)).toBe('other')
})
