import { expect, test } from 'vitest'
import { createTicketCheck } from '../../src/login/ticket-check.ts'
import { chunkedPost, get, openStand, post } from '../proxy/stand.ts'

const REQUIRE = { OBS_LOGIN: 'require', OBS_USER: 'cti', OBS_PASSWORD: 'cti-password' }

const check = createTicketCheck({
  verify: (ticket) => (ticket === 'good' ? 'valid' : 'invalid'),
  numbers: 'number',
})

test.each<[string, string[]]>([
  ['Authorization with Bearer', ['Authorization', 'Bearer good']],
  ['Authentication with Bearer', ['Authentication', 'Bearer good']],
  ['any case of header and scheme', ['AUTHORIZATION', 'bEARER good']],
  ['the bare ticket', ['authentication', 'good']],
  ['more spaces after the scheme', ['Authorization', 'Bearer   good']],
  ['a bad one beside a good one', ['Authorization', 'Bearer bad', 'Authentication', 'good']],
  ['the second of two lines', ['Authorization', 'x', 'Authorization', 'Bearer good']],
  ['among other headers', ['Host', 'x', 'Content-Length', '1', 'Authorization', 'Bearer good']],
])('passes: %s', (_name, fields) => {
  expect(check.passes(fields)).toBe(true)
})

test.each<[string, string[]]>([
  ['no header at all', []],
  ['another header of the same length', ['Authorisation', 'Bearer good']],
  ['a header with an underscore', ['Authorization_', 'Bearer good']],
  ['a forged ticket', ['Authorization', 'Bearer bad']],
  ['another scheme', ['Authorization', 'Basic good']],
  ['the scheme alone', ['Authorization', 'Bearer']],
  ['an empty value', ['Authorization', '']],
  ['two tickets in one value', ['Authorization', 'Bearer good, Bearer good']],
])('does not pass: %s', (_name, fields) => {
  expect(check.passes(fields)).toBe(false)
})

test('the refusal has the published shape and asks for a ticket', async () => {
  const stand = await openStand({ env: REQUIRE })
  const refused = await stand.exchange(get(['X-Request-Id: request-1']))
  expect(refused.status).toBe(401)
  expect(refused.header('www-authenticate')).toBe('Bearer')
  expect(refused.header('x-request-id')).toBe('request-1')
  expect(JSON.parse(refused.text)).toEqual({ result: 401, resultData: {} })
})

test.each([
  ['no body', get()],
  ['a small one', post('abc')],
  ['a larger one', post('x'.repeat(64 * 1024 + 1))],
  ['one of unknown length', chunkedPost(['abc'])],
  ['one that waits for 100', post('', ['Expect: 100-continue'])],
])('a refused request with %s loses its connection', async (_name, request) => {
  const stand = await openStand({ env: REQUIRE })
  const refused = await stand.exchange(request)
  expect([refused.status, refused.header('connection')]).toEqual([401, 'close'])
})
