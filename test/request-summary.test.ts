import { assert, boolean, constantFrom, nat, option, property, record } from 'fast-check'
import { expect, it, test } from 'vitest'
import { cause, HANDSHAKES, type CauseCode, type HandshakeFailure } from '../src/causes.ts'
import { ALL_CODES, PROBLEM_CODES, REFUSAL_REASONS } from '../src/codes.ts'
import { classifyRequest, REQUEST_CLASSES, type RequestSummary } from '../src/request-summary.ts'

const POST = { method: 'POST', target: '/tasks', requestId: 'a-1', status: 200 } as const
const GET = { ...POST, method: 'GET' } as const
const failed = (code: CauseCode) => ({ failure: { cause: cause(code) } })

it.each<readonly [string, Partial<RequestSummary>]>([
  ['handshake plain-http', { handshake: 'plain-http', status: 0 }],
  ['handshake client-name', { handshake: 'client-name', status: 0 }],
  ['granted login', { login: 'login' }],
  ['granted refresh', { login: 'refresh', left: 'response' }],
  ['refused obs-login', { login: 'login', status: 403 }],
  ['refused not-logged-in', { login: 'refresh', status: 403 }],
  ['stray method-not-allowed', { ...GET, login: 'login', status: 405 }],
  ['stray half-sent', { login: 'login', status: 0, left: 'request' }],
  ['refused not-logged-in', { status: 401, code: 'not-logged-in', refusal: 'ticket' }],
  ['refused other-host', { status: 421, code: 'misdirected', refusal: 'other-host' }],
  ['refused other-path', { status: 403, code: 'not-allowed', refusal: 'other-path' }],
  ['refused too-large', { status: 413, code: 'too-large', refusal: 'body-size' }],
  // The deadline passed while the body arrived, and the client left before it read the response.
  ['refused request-timeout', { status: 408, code: 'request-timeout', left: 'response' }],
  ['refused pipelined', { ...GET, status: 0, refusal: 'pipelined', isCaller: true }],
  ['refused no-descriptors', { method: '', status: 0, refusal: 'descriptors', isCaller: true }],
  ['stray pipelined', { status: 0, refusal: 'pipelined', isCaller: false }],
  ['stray other-path', { ...GET, status: 403, code: 'not-allowed', refusal: 'other-path' }],
  ['stray browser', { ...GET, status: 403, code: 'not-allowed', refusal: 'browser' }],
  // A gateway adds `Origin` to the calls of CTI-OBS.
  ['refused browser', { status: 403, code: 'not-allowed', refusal: 'browser' }],
  ['stray tls-to-http', { method: '', status: 400, code: 'bad-request', refusal: 'tls-to-http' }],
  ['stray half-sent', { status: 400, code: 'bad-request', refusal: 'half-sent' }],
  ['stray overloaded', { method: '', status: 0, code: 'overloaded', refusal: 'connections' }],
  ['stray half-sent', { status: 0, left: 'request' }],
  ['abandoned gave-up', { status: 0, left: 'response' }],
  ['abandoned gave-up', { status: 200, left: 'response', page: true }],
  ['failed overloaded', { status: 503, code: 'overloaded', refusal: 'in-flight' }],
  ['failed bodies-full', { status: 503, code: 'overloaded', refusal: 'bodies-full' }],
  ['failed no-token', { status: 503, code: 'no-token', ...failed('connection-refused') }],
  ['failed no-route', { status: 503, code: 'out-of-time', ...failed('no-route') }],
  ['failed out-of-time', { status: 503, code: 'out-of-time' }],
  ['failed shutting-down', { status: 503, code: 'shutting-down' }],
  ['failed no-ports', { status: 502, code: 'upstream-unreachable', ...failed('no-ports') }],
  ['failed upstream-timeout', { status: 504, code: 'upstream-timeout', ...failed('no-route') }],
  // The response broke off after its head.
  ['failed upstream-broken', { status: 200, code: 'upstream-broken' }],
  ['failed internal', { status: 500, code: 'internal', ...failed('connection-refused') }],
  ['failed call-failed', { status: 500 }],
  ['failed maintenance', { status: 503, page: true }],
  ['failed loop-detected', { status: 508 }],
  ['rejected call-page', { page: true }],
  ['rejected call-page', { status: 403, page: true }],
  ['rejected call-rejected', { status: 401 }],
  ['rejected call-rejected', { status: 419, rejected: 'rejected' }],
  ['rejected call-rejected', { status: 200, rejected: 'rejected', result: '7' }],
  ['rejected call-throttled', { status: 429 }],
  ['declined call-declined', { status: 404 }],
  ['declined call-result', { result: '7', headMs: 2500 }],
  ['declined not-json', { notJson: true, headMs: 2500 }],
  ['slow slow', { headMs: 2001, upstreamMs: 40 }],
  ['answered answered', { headMs: 2000 }],
])('the class %s belongs to %j', (expected, summary) => {
  const { outcome, cause: code } = classifyRequest({ ...POST, ...summary })
  expect(`${outcome} ${code}`).toBe(expected)
})

const CAUSES = ['connection-refused', 'closed', 'invalid', 'plain-http', 'disk-full'] as const

/** Every combination of members, also impossible ones. */
const summaries = record(
  {
    method: constantFrom('POST', 'POST', 'GET', 'HEAD', ''),
    target: constantFrom('/tasks', '/other?x=1', ''),
    requestId: constantFrom('', 'a-1'),
    status: constantFrom(0, 200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 502, 503, 599),
    handshake: option(constantFrom(...(Object.keys(HANDSHAKES) as HandshakeFailure[])), {
      nil: undefined,
      freq: 9,
    }),
    login: constantFrom('login', 'refresh'),
    code: constantFrom(...PROBLEM_CODES),
    refusal: constantFrom(...REFUSAL_REASONS),
    failure: constantFrom(...CAUSES.map((code) => ({ cause: cause(code) }))),
    left: constantFrom('request', 'response'),
    rejected: constantFrom('rejected'),
    page: boolean(),
    result: constantFrom('7', '107003'),
    headMs: nat(4000),
  },
  { requiredKeys: ['method', 'target', 'requestId', 'status'] },
)

test('every summary has exactly one class, which is in the closed set', () => {
  const isOne = property(summaries, (summary) => {
    expect(REQUEST_CLASSES.filter((each) => each === classifyRequest(summary))).toHaveLength(1)
  })
  assert(isOne)
})

test('every class occurs once, and its code has a section unless the request succeeded', () => {
  const names = REQUEST_CLASSES.map(({ outcome, cause: code }) => `${outcome} ${code}`)
  expect(names).toEqual([...new Set(names)])
  expect(REQUEST_CLASSES.map(({ index }) => index)).toEqual(names.map((_, index) => index))
  const fine = new Set(['granted', 'slow', 'answered'])
  const lost = REQUEST_CLASSES.filter(({ outcome }) => !fine.has(outcome))
  expect(lost.filter(({ cause: code }) => !ALL_CODES.some((each) => each === code))).toEqual([])
})
