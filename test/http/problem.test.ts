import { describe, expect, it } from 'vitest'
import {
  PROBLEM_CODES,
  PROBLEMS,
  problemBody,
  problemHeaders,
  type ProblemCode,
} from '../../src/http/problem.ts'

function field(fields: readonly string[], name: string): string | undefined {
  return fields[fields.indexOf(name) + 1]
}

describe('every problem', () => {
  it.each(PROBLEM_CODES)(
    '%s says what, which and whether it was sent, and nothing else',
    (code) => {
      const body = problemBody(code, 'id-1')
      const { status, title, sent } = PROBLEMS[code]
      expect(JSON.parse(body)).toEqual({
        type: `urn:isales-auth-proxy:problem:${code}`,
        title,
        status,
        code,
        sent,
        requestId: 'id-1',
      })
      const fields = problemHeaders(code, body, { requestId: 'id-1' })
      expect(field(fields, 'Content-Type')).toBe('application/problem+json')
      expect(field(fields, 'Content-Length')).toBe(String(Buffer.byteLength(body)))
      expect(field(fields, 'Cache-Control')).toBe('no-store')
      expect(field(fields, 'X-Request-Id')).toBe('id-1')
      expect(fields.includes('Retry-After')).toBe(status === 503)
    },
  )

  it('has a status of its own kind', () => {
    const unknown = PROBLEM_CODES.filter((code) => PROBLEMS[code].sent === 'unknown')
    expect(unknown).toEqual(['upstream-broken', 'upstream-timeout'])
    for (const code of PROBLEM_CODES) expect(PROBLEMS[code].status).toBeGreaterThanOrEqual(400)
  })

  it.each<[ProblemCode, number]>([
    ['no-token', 503],
    ['overloaded', 503],
    ['upstream-unreachable', 502],
    ['upstream-tls', 502],
    ['upstream-broken', 502],
    ['upstream-timeout', 504],
    ['bad-request', 400],
    ['not-allowed', 403],
    ['too-large', 413],
    ['headers-too-large', 431],
    ['not-logged-in', 401],
    ['misdirected', 421],
    ['not-implemented', 501],
    ['expectation-failed', 417],
    ['request-timeout', 408],
  ])('%s is %i', (code, status) => {
    expect(PROBLEMS[code].status).toBe(status)
  })
})

describe('Retry-After', () => {
  it.each([
    [undefined, '1'],
    [0, '1'],
    [1, '1'],
    [1000, '1'],
    [1001, '2'],
    [899_999, '900'],
  ])('of %s ms is %s s', (retryAfter, seconds) => {
    expect(field(problemHeaders('no-token', '{}', { retryAfter }), 'Retry-After')).toBe(seconds)
  })
})
