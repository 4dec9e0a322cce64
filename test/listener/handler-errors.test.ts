import { describe, expect, test } from 'vitest'
import type { ListenerOptions } from '../../src/listener/listener.ts'
import { connectRaw } from '../support/raw-client.ts'
import { respondOk, GET, startListener } from './support.ts'

const broken = new TypeError('a defect')
const throws: ListenerOptions['onRequest'] = () => {
  throw broken
}
const rejects: ListenerOptions['onRequest'] = async () => {
  await Promise.resolve()
  throw broken
}

describe.each([
  ['throws', throws],
  ['rejects', rejects],
])('a request handler that %s', (_name, onRequest) => {
  test('gives a 500 that is counted and reported, and the next request is served', async () => {
    const errors: unknown[] = []
    let count = 0
    const { port, problems } = await startListener(
      (request, response, connection) => {
        count += 1
        return count === 1 ? onRequest(request, response, connection) : respondOk(request, response)
      },
      { onError: (error) => errors.push(error) },
    )
    const client = await connectRaw({ port })
    await client.send(GET)
    const response = await client.read()
    expect(response.status).toBe(500)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'internal', sent: 'unknown' })
    expect(response.text).not.toContain('defect')
    expect(problems).toEqual(['internal'])
    expect(errors).toEqual([broken])
    client.destroy()
    const next = await connectRaw({ port })
    await next.send(GET)
    expect((await next.read()).status).toBe(200)
    next.destroy()
  })
})

test('a response that has begun is cut when its handler throws', async () => {
  const { port } = await startListener(
    (_request, response) => {
      response.writeHead(200, ['Content-Length', '10'])
      response.write('half')
      throw broken
    },
    { onError: () => undefined },
  )
  const client = await connectRaw({ port })
  await client.send(GET)
  const { left } = await client.closed()
  expect(left.toString()).not.toMatch(/\r\n\r\n.{10}/s)
})
