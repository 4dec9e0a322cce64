import { expect, test } from 'vitest'
import { REFUSALS, type Refusal } from '../../src/http/problem.ts'
import { get, openStand } from './stand.ts'

const CASES: readonly (readonly [Refusal, string])[] = [
  ['double-slash', get([], { path: '//rest/isales/v1/x' })],
  ['ambiguous-path', get([], { path: '/rest/isales/%2e%2e/x' })],
  ['auth-path', get([], { path: '/rest/isales/v1/openapi/obs/auth/login~' })],
  ['other-path', get([], { path: '/metrics' })],
  ['browser', get(['Origin: http://localhost'])],
  ['expectation', get(['Expect: 200-ok'])],
  ['target', get([], { path: '*' })],
  ['other-host', get().replace('Host: localhost', 'Host: example.com')],
  ['host', get().replace('Host: localhost', 'Host: a b')],
  ['line-fold', get(['X: a', ' b'])],
  ['unknown-method', get([], { method: 'BREW' })],
]

test('the reason of a refusal is in the response, in the log and counted', async () => {
  const stand = await openStand()
  for (const [refusal, request] of CASES) {
    const { code, detail } = REFUSALS[refusal]
    const { text } = await stand.exchange(request)
    const problem = JSON.parse(text) as Readonly<Record<string, unknown>>
    expect(problem).toMatchObject({ code, detail, sent: 'no' })
    expect(await stand.metric(`requests_refused_total{reason="${refusal}"}`)).toBe(1)
    expect(stand.log.find(({ reason }) => reason === refusal)).toMatchObject({
      event: 'client-refused',
      code,
      count: 1,
      requestId: problem['requestId'],
    })
  }
  expect(stand.business()).toEqual([])
})
