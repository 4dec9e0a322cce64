import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayBuffer } from '../../src/proxy/replay-buffer.ts'

const LIMITS = { keep: 10, most: 20 }

/** A request's body, pushed by the test. */
function stream(): IncomingMessage {
  return new Readable({ read() {} }) as IncomingMessage
}

describe('a body', () => {
  it.each([
    [0, { announcedSmall: false, kept: true, streamLength: undefined, body: null }],
    [1, { announcedSmall: true }],
    [10, { announcedSmall: true }],
    [11, { announcedSmall: false, kept: false, streamLength: '11' }],
    ['chunked' as const, { announcedSmall: false, kept: false, streamLength: undefined }],
  ])('framed by %s: %j', (framing, expected) => {
    expect(new ReplayBuffer(stream(), framing, LIMITS)).toMatchObject(expected)
  })

  it('that is larger streams, not read before it is asked for', async () => {
    const request = stream()
    request.push('hello world')
    const { body } = new ReplayBuffer(request, 11, LIMITS)
    if (!(body instanceof Readable)) throw new TypeError('it does not stream')
    await turn()
    expect(request.readableLength).toBe(11)
    request.push(null)
    expect(await text(body)).toBe('hello world')
  })

  it('that is larger outlives the attempt to send it: the rest of it is dropped', async () => {
    const request = stream()
    const { body } = new ReplayBuffer(request, 100_000, LIMITS)
    if (!(body instanceof Readable)) throw new TypeError('it does not stream')
    body.destroy()
    for (let sent = 0; sent < 10; sent += 1) request.push('x'.repeat(10_000))
    request.push(null)
    await finished(request)
    expect(request.destroyed).toBe(true)
    expect(request.errored).toBeNull()
  })
})

describe('a body that is announced to be small', () => {
  it('is not kept before its end', async () => {
    const request = stream()
    const buffer = new ReplayBuffer(request, 5, LIMITS)
    const read = buffer.read()
    request.push('hell')
    await turn()
    expect(buffer.kept).toBe(false)
    request.push('o')
    request.push(null)
    await read
    expect(buffer.body).toEqual(Buffer.from('hello'))
  })

  it('that breaks off is never kept', async () => {
    const request = stream()
    const buffer = new ReplayBuffer(request, 5, LIMITS)
    void buffer.read()
    request.push('hel')
    await turn()
    request.destroy()
    await turn()
    expect(buffer.kept).toBe(false)
  })

  it('is the same however it was cut', async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(chunks, fc.nat(5), async (all, before) => {
        const whole = Buffer.concat(all)
        const request = stream()
        for (const chunk of all.slice(0, before)) request.push(chunk)
        const buffer = new ReplayBuffer(request, whole.length, { keep: 10_000, most: 10_000 })
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

describe('a body in chunks', () => {
  it.each([
    [['hello', 'you'], true, 'helloyou', 0],
    [['hello', 'world'], true, 'helloworld', 0],
    [[], true, '', 0],
    [['hello'], false, undefined, 0],
    [['hello', 'world', '!'], true, undefined, 0],
    [['x'.repeat(20)], true, undefined, 0],
    [['x'.repeat(21)], true, undefined, 1],
    [['x'.repeat(15), 'y'.repeat(15), 'z'], true, undefined, 1],
  ])(
    'of %j, ended %s: kept %j, reported %i times as too large',
    async (chunks, ended, ...expected) => {
      const request = stream()
      const buffer = new ReplayBuffer(request, 'chunked', LIMITS)
      let tooLarge = 0
      const report = (): void => {
        tooLarge += 1
      }
      buffer.copy(report)
      // A second attempt copies nothing twice.
      buffer.copy(report)
      for (const chunk of chunks) {
        request.push(chunk)
        await turn()
      }
      if (ended) request.push(null)
      await turn()
      const kept = Buffer.isBuffer(buffer.body) ? buffer.body.toString() : undefined
      expect([kept, tooLarge]).toEqual(expected)
    },
  )
})
