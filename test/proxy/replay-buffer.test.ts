import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayBuffer, type BodyRefusal } from '../../src/proxy/replay-buffer.ts'
import type { Framing } from '../../src/proxy/validate.ts'

const LIMITS = { replayBodySize: 10, maxBodySize: 200_000 }
const NO_HOOKS = { onBodyRefused: () => undefined, dropsBody: () => false }

/** A body that the test pushes, and that is being read. */
function reading(framing: Framing = 'chunked', limits = LIMITS) {
  const request = new Readable({ read() {} }) as IncomingMessage
  const refusals: BodyRefusal[] = []
  const onBodyRefused = (refusal: BodyRefusal): void => void refusals.push(refusal)
  const buffer = new ReplayBuffer(request, framing, limits, { ...NO_HOOKS, onBodyRefused })
  const read = new Promise<void>((resolve) => {
    buffer.read(resolve)
  })
  return { request, buffer, refusals, read }
}

/** A body that is larger than what is kept, and the stream of it. */
async function streaming(framing: Framing = 'chunked', first = 'hello world', limits = LIMITS) {
  const { read, ...all } = reading(framing, limits)
  all.request.push(first)
  await read
  const { body } = all.buffer
  if (!(body instanceof Readable)) throw new TypeError('it does not stream')
  return { ...all, body }
}

it.each([
  [0, { kept: true, streamLength: undefined, body: null }],
  [1, { kept: false, streamLength: '1' }],
  ['chunked' as const, { kept: false, streamLength: undefined }],
])('a body framed by %s is, before anything is read, %j', (framing, expected) => {
  const request = new Readable({ read() {} }) as IncomingMessage
  expect(new ReplayBuffer(request, framing, LIMITS, NO_HOOKS)).toMatchObject(expected)
})

describe.each([5, 'chunked' as const])('a body that can be kept, framed by %s', (framing) => {
  it('is not kept before its end', async () => {
    const { request, buffer, read } = reading(framing)
    request.push('hell')
    await turn()
    expect(buffer.kept).toBe(false)
    request.push('o')
    request.push(null)
    await read
    const body = Buffer.from('hello')
    expect(buffer).toMatchObject({ kept: true, streamLength: undefined, body })
  })

  it('that breaks off is never kept', async () => {
    const { request, buffer, read } = reading(framing)
    const done = { read: false }
    void read.then(() => (done.read = true))
    request.push('hel')
    await turn()
    request.destroy()
    await turn()
    expect([done.read, buffer.kept]).toEqual([false, false])
  })
})

describe('a body that is larger', () => {
  it.each([15, 'chunked' as const])('framed by %s streams', async (framing) => {
    const { request, buffer, body } = await streaming(framing)
    expect([buffer.kept, buffer.body === body]).toEqual([false, true])
    const chunks: string[] = []
    body.on('data', (chunk: Buffer) => chunks.push(String(chunk)))
    await turn()
    request.push('1234')
    request.push(null)
    await finished(body)
    expect(chunks).toEqual(['hello world', '1234'])
  })

  it('is not read on before it is asked for', async () => {
    const first = 'x'.repeat(100_000)
    const { request, body } = await streaming('chunked', first)
    request.push('more')
    await turn()
    expect(request.readableLength).toBe(4)
    request.push(null)
    expect(Buffer.concat(await body.toArray()).toString()).toBe(`${first}more`)
  })

  it('outlives the exchange that sends it: the rest of it is dropped', async () => {
    const { request, body } = await streaming(100_011)
    body.destroy()
    for (let sent = 0; sent < 10; sent += 1) request.push('x'.repeat(10_000))
    request.push(null)
    await finished(request)
    expect(request.errored).toBeNull()
  })
})

it('a body is the same however it was cut and however much of it is kept', async () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1 })
  const pauses = fc.infiniteStream(fc.boolean())
  await fc.assert(
    fc.asyncProperty(chunks, pauses, fc.nat(300), async (all, pause, replayBodySize) => {
      const limits = { ...LIMITS, replayBodySize }
      const { request, buffer, read } = reading('chunked', limits)
      const received = read.then(async () =>
        buffer.body instanceof Readable ? Buffer.concat(await buffer.body.toArray()) : buffer.body,
      )
      for (const chunk of all) {
        request.push(chunk)
        if (pause.next().value) await turn()
      }
      request.push(null)
      expect(await received).toEqual(Buffer.concat(all))
    }),
    { numRuns: 150 },
  )
})

describe('a body that is refused', () => {
  it.each<[number, BodyRefusal[]]>([
    [21, ['body-size']],
    [20, []],
  ])('or not, when %i bytes are read, of 20 that may come', async (size, expected) => {
    const { request, buffer, refusals } = reading('chunked', {
      replayBodySize: 100,
      maxBodySize: 20,
    })
    request.push('x'.repeat(size))
    request.push(null)
    await finished(request)
    expect([refusals, buffer.kept]).toEqual([expected, expected.length === 0])
  })

  it.each<[string, BodyRefusal[], boolean]>([
    ['y'.repeat(10), ['body-size'], false],
    ['y'.repeat(9), [], true],
  ])('or not, when %j is sent behind 11 bytes: %j', async (rest, expected, ended) => {
    const limits = { replayBodySize: 10, maxBodySize: 20 }
    const { request, refusals, body } = await streaming('chunked', 'hello world', limits)
    body.resume()
    request.push(rest)
    request.push(null)
    await finished(request)
    await turn()
    expect([refusals, body.readableEnded]).toEqual([expected, ended])
  })
})
