import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { openStrictWorld, post, type StrictWorld } from '../support/strict-world.ts'

const GOOD = '{"result":0}'
const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const ENV = { ISALES_REJECTED: '401,403,result=7' }

async function open(steps: Parameters<StrictWorld['serve']>[0], more = {}) {
  const world = await openStrictWorld({ env: { ...ENV, ...more } })
  world.serve(steps)
  return world
}

describe('a response that is inspected', () => {
  it('is requested without a coding; a response with a coding is relayed unchanged', async () => {
    const packed = gzipSync('{"result":7}')
    const head = `${OK}Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`
    const world = await open(Buffer.concat([Buffer.from(head), packed]))
    const response = await world.exchange(post('x', ['Accept-Encoding: gzip, br']))
    expect(world.business()[0]?.header('accept-encoding')).toBe('identity')
    expect([response.header('content-encoding'), response.body]).toEqual(['gzip', packed])
    expect(world.business()).toHaveLength(1)
  })

  it.each([
    [64 * 1024, true],
    [64 * 1024 + 1, false],
    [1024 * 1024, false],
  ])('is complete with %i bytes, and replayed: %s', async (size, healed) => {
    const body = `{"result":7,"padding":"${'x'.repeat(size - 25)}"}`
    // Rejects the first token.
    const world = await open((request) =>
      request.header('authorization') === 'Bearer token-1'
        ? `${CHUNKED}${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        : responseBytes(GOOD),
    )
    const { text, framing } = await world.exchange(post('x'))
    expect(text === (healed ? GOOD : body)).toBe(true)
    expect(framing).toBe(healed ? 'length' : 'chunked')
  })

  it.each<[string, readonly Step[], number]>([
    ['cut', [`${OK}Content-Length: 10\r\n\r\n{"res`, { close: 'end' }], 502],
    ['late', [`${OK}Content-Length: 10\r\n\r\n{"res`, { waitMs: 900 }], 504],
  ])('and is %s is never relayed in part', async (_, steps, status) => {
    const world = await open(steps, { CLIENT_DEADLINE: '400ms' })
    const response = await world.exchange(post('x'))
    expect(response.status).toBe(status)
    expect(JSON.parse(response.text)).toMatchObject({ sent: 'unknown' })
    expect(world.business()).toHaveLength(1)
  })
})
