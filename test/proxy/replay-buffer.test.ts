import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keepWhileSmall, readWhole } from '../../src/proxy/replay-buffer.ts'

/** A request's body, pushed by the test. */
function body(): IncomingMessage {
  return new Readable({ read() {} }) as IncomingMessage
}

function readInto(request: IncomingMessage, length: number): Buffer[] {
  const done: Buffer[] = []
  readWhole(request, length, (whole) => done.push(whole))
  return done
}

describe('a body of known length', () => {
  it('that is there at once is given as it is, without a copy', async () => {
    const request = body()
    const piece = Buffer.from('hello')
    request.push(piece)
    request.push(null)
    const done = readInto(request, 5)
    await turn()
    expect(done).toEqual([piece])
    expect(done[0]?.buffer).toBe(piece.buffer)
  })

  it('that comes in pieces is given once, when the last is there, and the stream is let go', async () => {
    const request = body()
    request.push('he')
    const done = readInto(request, 5)
    await turn()
    request.push('ll')
    await turn()
    expect(done).toEqual([])
    request.push('o')
    request.push(null)
    await turn()
    expect(done.map(String)).toEqual(['hello'])
    expect(request.listenerCount('readable')).toBe(0)
  })

  it('that breaks off is never given', async () => {
    const request = body()
    const done = readInto(request, 5)
    request.push('hel')
    await turn()
    request.destroy()
    await turn()
    expect(done).toEqual([])
  })

  it('is the same however it was cut', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(5), async (all, before) => {
        const whole = Buffer.concat(all)
        const request = body()
        for (const piece of all.slice(0, before)) request.push(piece)
        const done = readInto(request, whole.length)
        for (const piece of all.slice(before)) {
          await turn()
          request.push(piece)
        }
        request.push(null)
        await turn()
        expect(done).toEqual([whole])
      }),
      { numRuns: 100 },
    )
  })
})

describe('a copy beside a stream', () => {
  const LIMITS = { keep: 10, most: 20 }

  async function streamed(pieces: readonly string[], ended = true) {
    const request = body()
    let tooLarge = 0
    const kept = keepWhileSmall(request, LIMITS, () => {
      tooLarge += 1
    })
    for (const piece of pieces) {
      request.push(piece)
      await turn()
    }
    if (ended) request.push(null)
    await turn()
    return { whole: kept.whole()?.toString(), tooLarge }
  }

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
    'of %j, ended %s: %j, told %i times that it is too large',
    async (pieces, ended, whole, tooLarge) => {
      expect(await streamed(pieces, ended)).toEqual({ whole, tooLarge })
    },
  )
})
