import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayBuffer, type BodyFault, type ReplayLimits } from '../../src/proxy/replay-buffer.ts'
import type { Framing } from '../../src/proxy/validate.ts'

const LIMITS = { keep: 10, most: 20 }

interface FakeRequest extends IncomingMessage {
  complete: boolean
  readonly socket: IncomingMessage['socket'] & { bytesRead: number }
}

/** A request's body, pushed by the test; `framing` bytes come around each chunk. */
function stream(): FakeRequest {
  const socket = Object.assign(new EventEmitter(), { bytesRead: 1000 })
  return Object.assign(new Readable({ read() {} }), { socket, complete: false }) as FakeRequest
}

function push(request: FakeRequest, chunk: string | Uint8Array, framing = 5): void {
  request.socket.bytesRead += chunk.length + framing
  request.push(chunk)
}

function bufferOf(request: FakeRequest, framing: Framing, limits: ReplayLimits = LIMITS) {
  const faults: BodyFault[] = []
  const buffer = new ReplayBuffer(request, framing, limits, (fault) => faults.push(fault))
  return { buffer, faults }
}

/** What is sent, up to the end or the error of the stream. */
async function sent(buffer: ReplayBuffer): Promise<{ text: string; chunks: number; end: string }> {
  const { body } = buffer
  const chunks: Buffer[] = []
  let end = 'whole'
  try {
    if (body instanceof Readable) for await (const chunk of body) chunks.push(chunk as Buffer)
    else if (body !== null) chunks.push(body)
  } catch {
    end = 'broken'
  }
  return { text: Buffer.concat(chunks).toString(), chunks: chunks.length, end }
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
    push(request, 'hell')
    await turn()
    expect(buffer.kept).toBe(false)
    push(request, 'o')
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
    push(request, 'hel')
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
        for (const chunk of all.slice(0, before)) push(request, chunk)
        const limits = { keep: 10_000, most: 10_000 }
        const { buffer } = bufferOf(request, framing === 5 ? whole.length : framing, limits)
        const read = buffer.read()
        for (const chunk of all.slice(before)) {
          await turn()
          push(request, chunk)
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
    const request = stream()
    const { buffer } = bufferOf(request, framing)
    const read = buffer.read()
    for (const byte of 'hello world') push(request, byte)
    await read
    expect(buffer.kept).toBe(false)
    const sending = sent(buffer)
    await turn()
    for (const byte of '1234') push(request, byte)
    request.push(null)
    expect(await sending).toEqual({ text: 'hello world1234', chunks: 2, end: 'whole' })
  })

  it('is sent whole by a second attempt when the first one took nothing', async () => {
    const request = stream()
    const { buffer } = bufferOf(request, 11)
    const read = buffer.read()
    push(request, 'hello world')
    await read
    const unused = buffer.body
    request.push(null)
    expect((await sent(buffer)).text).toBe('hello world')
    if (unused instanceof Readable) unused.destroy()
  })

  it('does not end the request when iSales wants no more of it', async () => {
    const request = stream()
    const { buffer } = bufferOf(request, 'chunked')
    const read = buffer.read()
    push(request, 'hello world')
    await read
    const { body } = buffer
    if (body instanceof Readable) for await (const chunk of body) if (chunk !== undefined) break
    expect(request.destroyed).toBe(false)
  })
})

describe('a body in chunks that is refused', () => {
  it.each<[number, BodyFault[]]>([
    [21, ['too-large']],
    [20, []],
  ])('when %i bytes are read, of 20 that may come', async (size, expected) => {
    const request = stream()
    const { buffer, faults } = bufferOf(request, 'chunked', { keep: 100, most: 20 })
    void buffer.read()
    push(request, 'x'.repeat(size))
    request.push(null)
    for (let n = 0; n < 5; n += 1) await turn()
    expect([faults, buffer.kept]).toEqual([expected, expected.length === 0])
  })

  it.each<[string[], BodyFault[], string]>([
    [['y'.repeat(10), 'z'], ['too-large'], 'broken'],
    [['y'.repeat(9)], [], 'whole'],
  ])('when %j are sent behind 11 bytes: %j', async (chunks, expected, end) => {
    const request = stream()
    const { buffer, faults } = bufferOf(request, 'chunked')
    const read = buffer.read()
    push(request, 'x'.repeat(11))
    await read
    const sending = sent(buffer)
    for (const chunk of chunks) push(request, chunk)
    request.push(null)
    expect((await sending).end).toBe(end)
    expect(faults).toEqual(expected)
  })

  it.each([
    [1, 5, 1700, []],
    [1, 5, 5000, ['too-fine']],
    [9, 5, 20_000, ['too-fine']],
    [10, 5, 20_000, []],
    [1000, 9, 1000, []],
  ])(
    'of %i bytes a chunk and %i around it, %i of them: %j',
    async (size, around, count, expected) => {
      const request = stream()
      const { buffer, faults } = bufferOf(request, 'chunked', { keep: 1e6, most: 1e6 })
      void buffer.read()
      for (let n = 0; n < count; n += 1) {
        push(request, 'x'.repeat(size), around)
        if (n % 100 === 99) await turn()
      }
      expect(faults).toEqual(expected)
    },
  )

  it('is not what comes behind its end in the same packet', async () => {
    const request = stream()
    const { buffer, faults } = bufferOf(request, 'chunked')
    const read = buffer.read()
    push(request, 'hello', 60_000)
    request.complete = true
    request.push(null)
    await read
    expect(faults).toEqual([])
  })
})
