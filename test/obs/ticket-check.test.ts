import { expect, test } from 'vitest'
import { hasTicket } from '../../src/obs/ticket-check.ts'
import { REQUIRE } from '../behaviour/cti-obs.ts'
import { chunkedPost, get, openStand, post } from '../proxy/stand.ts'

test.each<[boolean, string, string[]]>([
  [true, 'Authorization with Bearer', ['Authorization', 'Bearer good']],
  [true, 'Authentication with Bearer', ['Authentication', 'Bearer good']],
  [true, 'any case of header and scheme', ['AUTHORIZATION', 'bEARER good']],
  [true, 'the bare ticket', ['authentication', 'good']],
  [true, 'more spaces after the scheme', ['Authorization', 'Bearer   good']],
  [true, 'a bad one beside a good one', ['Authorization', 'Bearer bad', 'Authentication', 'good']],
  [true, 'the second of two lines', ['Authorization', 'x', 'Authorization', 'Bearer good']],
  [true, 'among other headers', ['Host', 'x', 'Age', '1', 'Authorization', 'Bearer good']],
  [false, 'no header at all', []],
  [false, 'another header of the same length', ['Authorisation', 'Bearer good']],
  [false, 'a header with an underscore', ['Authorization_', 'Bearer good']],
  [false, 'a forged ticket', ['Authorization', 'Bearer bad']],
  [false, 'another scheme', ['Authorization', 'Basic good']],
  [false, 'the scheme alone', ['Authorization', 'Bearer']],
  [false, 'an empty value', ['Authorization', '']],
  [false, 'two tickets in one value', ['Authorization', 'Bearer good, Bearer good']],
])('a call passes: %s for %s', (passes, _name, fields) => {
  expect(hasTicket(fields, (ticket) => ticket === 'good')).toBe(passes)
})

test('a refused request loses its connection, whatever its body is', async () => {
  const stand = await openStand({ env: REQUIRE })
  for (const request of [
    get(),
    post('abc'),
    post('x'.repeat(64 * 1024 + 1)),
    chunkedPost(['abc']),
    post('', ['Expect: 100-continue']),
  ]) {
    const refused = await stand.exchange(request)
    expect([refused.status, refused.header('connection')]).toEqual([401, 'close'])
  }
})
