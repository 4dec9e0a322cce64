import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayBuffer, type BodyRefusal, type ReplayLimits } from '../../src/proxy/replay-buffer.ts'
import type { Framing } from '../../src/proxy/validate.ts'

const LIMITS = { keep: 10, most: 20 }

/** A request's body, pushed by the test. */
function stream(): IncomingMessage {
  return new Readable({ read() {} }) as IncomingMessage
}

function bufferOf(request: IncomingMessage, framing: Framing, limits: ReplayLimits = LIMITS) {
  const refusals: BodyRefusal[] = []
  const buffer = new ReplayBuffer(request, framing, limits, (refusal) => refusals.push(refusal))
  return { buffer, refusals }
}

/** A body that is larger than what is kept, and the stream of it. */
async function streaming(framing: Framing = 'chunked', first = 'hello world', limits = LIMITS) {
  const request = stream()
  const { buffer, refusals } = bufferOf(request, framing, limits)
  const read = buffer.read()
  request.push(first)
  await read
  const { body } = buffer
  if (!(body instanceof Readable)) throw new TypeError('it does not stream')
  return { request, buffer, refusals, body }
}

describe('a body', () => {
  it.each([
    [0, { kept: true, streamLength: undefined, body: null }],
    [1, { kept: false, streamLength: '1' }],
    [11, { kept: false, streamLength: '11' }],
    ['chunked' as const, { kept: false, streamLength: undefined }],
  ])('framed by %s: %j', (framing, expected) => {
    expect(bufferOf(stream(), framing).buffer).toMatchObject(expected)
  })
})

describe.each([5, 'chunked' as const])('a body that can be kept, framed by %s', (framing) => {
  it('is not kept before its end', async () => {
    const request = stream()
    const { buffer } = bufferOf(request, framing)
    const read = buffer.read()
    request.push('hell')
    await turn()
    expect(buffer.kept).toBe(false)
    request.push('o')
    request.push(null)
    await read
    expect(buffer).toMatchObject({
      kept: true,
      streamLength: undefined,
      body: Buffer.from('hello'),
    })
  })

  it('that breaks off is never kept', async () => {
    const request = stream()
    const { buffer } = bufferOf(request, framing)
    let read = false
    void buffer.read().then(() => {
      read = true
    })
    request.push('hel')
    await turn()
    request.destroy()
    await turn()
    expect([read, buffer.kept]).toEqual([false, false])
  })

  it('is the same however it was cut', async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(chunks, fc.nat(5), async (all, before) => {
        const whole = Buffer.concat(all)
        const request = stream()
        for (const chunk of all.slice(0, before)) request.push(chunk)
        const limits = { keep: 10_000, most: 10_000 }
        const { buffer } = bufferOf(request, framing === 5 ? whole.length : framing, limits)
        const read = buffer.read()
        for (const chunk of all.slice(before)) {
          await turn()
          request.push(chunk)
        }
        request.push(null)
        await read
        expect(buffer.body).toEqual(whole)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a body that is larger', () => {
  it.each([15, 'chunked' as const])('framed by %s streams, its chunks joined', async (framing) => {
    const { request, buffer, body } = await streaming(framing)
    expect([buffer.kept, buffer.body === body]).toEqual([false, true])
    const chunks: string[] = []
    body.on('data', (chunk: Buffer) => chunks.push(String(chunk)))
    await turn()
    for (const byte of '1234') request.push(byte)
    request.push(null)
    await finished(body)
    expect(chunks).toEqual(['hello world', '1234'])
  })

  it('is the same however it was cut', async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(chunks, async (all) => {
        const { request, body } = await streaming()
        const received = text(body)
        const whole = Buffer.concat(all).toString('hex').slice(0, 9)
        for (const byte of whole) {
          request.push(byte)
          if (byte > '8') await turn()
        }
        request.push(null)
        expect(await received).toBe(`hello world${whole}`)
      }),
      { numRuns: 50 },
    )
  })

  it('is not read on before it is asked for', async () => {
    const first = 'x'.repeat(100_000)
    const { request, body } = await streaming('chunked', first, { keep: 10, most: 200_000 })
    request.push('more')
    await turn()
    expect(request.readableLength).toBe(4)
    request.push(null)
    expect(await text(body)).toBe(`${first}more`)
  })

  it('outlives the attempt to send it: the rest of it is dropped', async () => {
    const limits = { keep: 10, most: 200_000 }
    const { request, body } = await streaming(100_011, 'hello world', limits)
    body.destroy()
    for (let sent = 0; sent < 10; sent += 1) request.push('x'.repeat(10_000))
    request.push(null)
    await finished(request)
    expect(request.errored).toBeNull()
  })
})

describe('a body that is refused', () => {
  it.each<[number, BodyRefusal[]]>([
    [21, ['body-size']],
    [20, []],
  ])('or not, when %i bytes are read, of 20 that may come', async (size, expected) => {
    const request = stream()
    const { buffer, refusals } = bufferOf(request, 'chunked', { keep: 100, most: 20 })
    void buffer.read()
    request.push('x'.repeat(size))
    request.push(null)
    await finished(request)
    expect([refusals, buffer.kept]).toEqual([expected, expected.length === 0])
  })

  it.each<[string, BodyRefusal[], boolean]>([
    ['y'.repeat(10), ['body-size'], false],
    ['y'.repeat(9), [], true],
  ])('or not, when %j is sent behind 11 bytes: %j', async (rest, expected, ended) => {
    const { request, refusals, body } = await streaming()
    body.resume()
    request.push(rest)
    request.push('')
    request.push(null)
    await finished(request)
    await turn()
    expect([refusals, body.readableEnded]).toEqual([expected, ended])
  })

  it.each([
    [1, 1024, []],
    [1, 1025, ['tiny-chunks']],
    [15, 2000, ['tiny-chunks']],
    [16, 2000, []],
  ])('or not, when its chunks have %i bytes, %i of them: %j', async (size, count, expected) => {
    const request = stream()
    const { buffer, refusals } = bufferOf(request, 'chunked', { keep: 1e6, most: 1e6 })
    void buffer.read()
    for (let n = 0; n < count; n += 1) request.push('x'.repeat(size))
    request.push(null)
    await finished(request)
    expect(refusals).toEqual(expected)
  })
})
