import { Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { createBodies, type BodyRefusal } from '../../src/proxy/body.ts'

// Bodies in any fragmentation are in test/behaviour/rfc-fragmentation.test.ts.
const MIB = 1024 * 1024

/** Begins to read a body of `length` bytes, of which `sent` have arrived. */
function begin(bodies: ReturnType<typeof createBodies>, length: number, sent: number) {
  const request = new Readable({ read: () => undefined })
  const stop = new AbortController()
  const refusals: BodyRefusal[] = []
  const call = {
    held: 0,
    startWait: () => stop.signal,
    interrupt(refusal: BodyRefusal) {
      refusals.push(refusal)
      stop.abort()
    },
  }
  const send = (bytes: number, isLast: boolean): void => {
    request.push(Buffer.alloc(bytes))
    if (!isLast) return
    Object.assign(request, { complete: true })
    request.push(null)
  }
  Object.assign(request, { complete: false })
  send(sent, sent === length)
  const body = bodies.read(request as unknown as IncomingMessage, length, call)
  return { request, call, refusals, stop, send, body }
}

it('beyond 32 MiB, the incomplete bodies that began first are refused', async () => {
  const bodies = createBodies(16 * MIB)
  const all = [1, 2, 3, 4].map(() => begin(bodies, 9 * MIB, 8.5 * MIB))
  expect(await all[0]?.body).toBeNull()
  expect(all.map(({ refusals }) => refusals)).toEqual([['in-flight'], [], [], []])
  // A body that arrives at once also counts.
  expect(await begin(bodies, 9 * MIB, 9 * MIB).body).toHaveLength(9 * MIB)
  expect(await all[1]?.body).toBeNull()
  expect(all[2]?.refusals).toEqual([])
})

it('if all bodies are complete, the newest is refused until a call has ended', async () => {
  const bodies = createBodies(16 * MIB)
  const all = [1, 2].map(() => begin(bodies, 16 * MIB, 16 * MIB))
  for (const sent of [100, 50]) {
    const late = begin(bodies, 100, sent)
    expect([await late.body, late.refusals]).toEqual([null, ['in-flight']])
  }
  if (all[0] !== undefined) bodies.free(all[0].call)
  expect(await begin(bodies, 100, 100).body).toHaveLength(100)
})

it('the rest of a body that is no longer needed is dropped', async () => {
  const bodies = createBodies(MIB)
  const { request, call, stop, send, body } = begin(bodies, 100, 10)
  stop.abort()
  expect(await body).toBeNull()
  expect(call.held).toBeGreaterThan(0)
  bodies.free(call)
  expect(call.held).toBe(0)
  send(90, true)
  await new Promise(setImmediate)
  expect(request.readableEnded).toBe(true)
})
