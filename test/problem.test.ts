import { PROBLEM_CODES, PROBLEMS, type ProblemCode } from '../src/codes.ts'
import { expect, it } from 'vitest'
import { DOCUMENTATION, problemBytes, writeProblem, type ProblemDetails } from '../src/problem.ts'
import { startListener } from './listener/support.ts'
import { exchangeRaw } from './support/raw-client.ts'
import { listen } from './support/tcp-server.ts'

async function written(code: ProblemCode, details: Partial<ProblemDetails> = {}) {
  const given = { requestId: 'id-1', ...details }
  const { port } = await startListener((_, response) => writeProblem(response, code, given))
  return exchangeRaw({ port }, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
}

it.each(PROBLEM_CODES)(
  '%s has type, title, status, code, sent and request id only',
  async (code) => {
    const response = await written(code)
    const { status, sent, title } = PROBLEMS[code]
    const type = `${DOCUMENTATION}/errors.md#${code}`
    expect(response.status).toBe(status)
    const requestId = 'id-1'
    expect(JSON.parse(response.text)).toEqual({ type, title, status, code, sent, requestId })
    expect(response.header('content-type')).toBe('application/problem+json')
    expect(response.header('cache-control')).toBe('no-store')
    expect(response.header('x-request-id')).toBe('id-1')
    expect(response.header('retry-after')).toBe(status === 503 ? '1' : undefined)
    const server = await listen((socket) => socket.end(problemBytes(code, { requestId })))
    const asBytes = await exchangeRaw(server.address() as { port: number }, '')
    expect([asBytes.status, asBytes.text]).toEqual([status, response.text])
    expect(asBytes.header('connection')).toBe('close')
  },
)

it.each([
  [undefined, '1'],
  [0, '1'],
  [1000, '1'],
  [1001, '2'],
])('Retry-After of %s ms is %s s', async (retryAfter, seconds) => {
  expect((await written('no-token', { retryAfter })).header('retry-after')).toBe(seconds)
})
