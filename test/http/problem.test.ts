import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  DOCUMENTATION,
  PROBLEM_CODES,
  PROBLEMS,
  problemBytes,
  writeProblem,
  type ProblemCode,
  type ProblemDetails,
} from '../../src/http/problem.ts'
import { responsesOf, POST, startListener } from '../listener/support.ts'
import { connectRaw, exchangeRaw } from '../support/raw-client.ts'
import { listen } from '../support/tcp-server.ts'

async function written(code: ProblemCode, details: ProblemDetails) {
  const { port } = await startListener((_request, response) =>
    writeProblem(response, code, details),
  )
  return exchangeRaw({ port }, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
}

describe('every problem', () => {
  it.each(PROBLEM_CODES)(
    '%s says what, which and whether it was sent, and nothing else',
    async (code) => {
      const response = await written(code, { requestId: 'id-1' })
      const { status, title, sent } = PROBLEMS[code]
      const type = `${DOCUMENTATION}/errors.md#${code}`
      expect(response.status).toBe(status)
      expect(JSON.parse(response.text)).toEqual({
        type,
        title,
        status,
        code,
        sent,
        requestId: 'id-1',
      })
      expect(response.header('content-type')).toBe('application/problem+json')
      expect(response.header('cache-control')).toBe('no-store')
      expect(response.header('x-request-id')).toBe('id-1')
      expect(response.header('retry-after')).toBe(status === 503 ? '1' : undefined)
    },
  )

  it.each(PROBLEM_CODES)('%s is the same as bytes, and closes the connection', async (code) => {
    const server = await listen((socket) => socket.end(problemBytes(code, { requestId: 'id-1' })))
    const { port } = server.address() as AddressInfo
    const client = await connectRaw({ port })
    const response = await client.read()
    const same = await written(code, { requestId: 'id-1' })
    expect([response.status, response.text]).toEqual([same.status, same.text])
    expect(response.header('connection')).toBe('close')
    client.destroy()
  })

  it('says that it is not known whether it was sent only where it may have been', () => {
    const unknown = PROBLEM_CODES.filter((code) => PROBLEMS[code].sent === 'unknown')
    expect(unknown).toEqual(['upstream-broken', 'upstream-timeout', 'internal'])
  })

  it.each<[ProblemCode, number]>([
    ['no-token', 503],
    ['overloaded', 503],
    ['shutting-down', 503],
    ['out-of-time', 503],
    ['upstream-unreachable', 502],
    ['upstream-tls', 502],
    ['upstream-broken', 502],
    ['upstream-timeout', 504],
    ['internal', 500],
    ['bad-request', 400],
    ['not-allowed', 403],
    ['method-not-allowed', 405],
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

it("closes the connection when it is written before the request's end", async () => {
  const { port } = await startListener((_request, response) =>
    writeProblem(response, 'too-large', { requestId: 'id-1' }),
  )
  const client = await connectRaw({ port })
  await client.send(`${POST}Content-Length: 5\r\n\r\nhi`)
  const [response] = await responsesOf(client)
  expect(response?.header('connection')).toBe('close')
})

it.each([
  [undefined, '1'],
  [0, '1'],
  [1, '1'],
  [1000, '1'],
  [1001, '2'],
])('Retry-After of %s ms is %s s', async (retryAfter, seconds) => {
  const response = await written('no-token', { requestId: 'id-1', retryAfter })
  expect(response.header('retry-after')).toBe(seconds)
})
