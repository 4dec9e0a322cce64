import { expect, test } from 'vitest'
import { localPaths } from '../../src/login/paths.ts'

const isLocal = localPaths(['/rest/v1/auth/login', '/rest/v1/auth/refresh'])

test.each([
  '/rest/v1/auth/login',
  '/rest/v1/auth/refresh',
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
])('%s is local', (path) => {
  expect(isLocal(path)).toBe(true)
})

test.each([
  '/',
  '/rest/v1/auth',
  '/rest/v1/auth/refreshment',
  '/rest/v1/auth/refresh/more',
  '/rest/v1/business/tasks',
  '/rest/v1/Business/tasks;x=%41',
  '/other/rest/v1/auth/refresh',
  '/rest/v1/auth/refresh/%zz',
  '/rest/v1/business/tasks%3Fnext=/rest/v1/auth/refresh',
  '/rest/v1/business/%3F%23%3F',
])('%s is not', (path) => {
  expect(isLocal(path)).toBe(false)
})

test('a path with more encoded ends than any of iSales has is local', () => {
  expect(isLocal(`/rest/v1/business/${'%3F'.repeat(5000)}`)).toBe(true)
})

test('a long path is judged in time that grows with its length, whatever it holds', () => {
  const path = `/rest/v1${'/.a.a'.repeat(10)}/${'.a'.repeat(7500)}/x${'%3Fa'.repeat(7)}`
  // In quadratic time it would be past the limit of a test.
  for (let n = 0; n < 100; n += 1) expect(isLocal(path)).toBe(false)
})
