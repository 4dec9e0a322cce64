import { Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { createBodies, type BodyRefusal } from '../../src/proxy/body.ts'

const MIB = 1024 * 1024

/** A request whose body comes by `send`, and the call that reads it. */
function arriving() {
  const request = new Readable({ read: () => undefined })
  const stop = new AbortController()
  const refusals: BodyRefusal[] = []
  const call = {
    held: 0,
    wait: () => stop.signal,
    refuse(refusal: BodyRefusal) {
      refusals.push(refusal)
      stop.abort()
    },
  }
  return {
    call,
    refusals,
    stop,
    request: Object.assign(request, { complete: false }) as unknown as IncomingMessage,
    send: (bytes: number | Buffer, isLast = false): void => {
      request.push(typeof bytes === 'number' ? Buffer.alloc(bytes) : bytes)
      if (!isLast) return
      Object.assign(request, { complete: true })
      request.push(null)
    },
  }
}

/** Begins to read one of so many bytes, of which so many have come. */
function begin(bodies: ReturnType<typeof createBodies>, length: number, sent: number) {
  const one = arriving()
  one.send(sent, sent === length)
  return { ...one, body: bodies.read(one.request, length, one.call) }
}

it.each([
  [1, 'in one packet'],
  [3, 'in parts'],
  [40, 'in small parts'],
])('a body of %i parts comes whole: %s', async (parts) => {
  for (const length of ['chunked', parts * 1000] as const) {
    const { request, call, send } = arriving()
    const sent = Array.from({ length: parts }, (_, nth) => Buffer.alloc(1000, nth + 1))
    const [first, ...rest] = sent
    send(first ?? 0, rest.length === 0)
    const body = createBodies(MIB).read(request, length, call)
    for (const [nth, part] of rest.entries()) send(part, nth === rest.length - 1)
    expect(await body).toEqual(Buffer.concat(sent))
  }
})

it('a call without a body has none, and one in chunks without a chunk an empty one', async () => {
  const { request, call, send } = arriving()
  expect(createBodies(MIB).read(request, 0, call)).toBeNull()
  send(0, true)
  expect(await createBodies(MIB).read(request, 'chunked', call)).toHaveLength(0)
})

it.each([true, false])(
  'a body that turns out too large is refused, in one packet: %s',
  async (one) => {
    const { request, call, refusals, send } = arriving()
    send(one ? 1001 : 600, one)
    const body = createBodies(1000).read(request, 'chunked', call)
    if (!one) send(600)
    expect([await body, refusals]).toEqual([null, ['body-size']])
  },
)

it('beyond 32 MiB those make way that have been coming for longest', async () => {
  const bodies = createBodies(16 * MIB)
  const all = [1, 2, 3, 4].map(() => begin(bodies, 9 * MIB, 8.5 * MIB))
  expect(await all[0]?.body).toBeNull()
  expect(all.map(({ refusals }) => refusals)).toEqual([['in-flight'], [], [], []])
  // One that comes whole does, too.
  expect(await begin(bodies, 9 * MIB, 9 * MIB).body).toHaveLength(9 * MIB)
  expect(await all[1]?.body).toBeNull()
  expect(all[2]?.refusals).toEqual([])
})

it('where all are complete, the newcomer is refused, until one of their calls has ended', async () => {
  const bodies = createBodies(16 * MIB)
  const all = [1, 2].map(() => begin(bodies, 16 * MIB, 16 * MIB))
  const late = begin(bodies, 100, 100)
  expect([late.body, late.refusals]).toEqual([null, ['in-flight']])
  const slow = begin(bodies, 100, 50)
  expect([await slow.body, slow.refusals]).toEqual([null, ['in-flight']])
  if (all[0] !== undefined) bodies.free(all[0].call)
  expect(await begin(bodies, 100, 100).body).toHaveLength(100)
})

it('what still comes of a body that is not wanted any more is dropped', async () => {
  const { request, call, stop, send } = arriving()
  send(10)
  const bodies = createBodies(MIB)
  const body = bodies.read(request, 100, call)
  stop.abort()
  expect(await body).toBeNull()
  expect(call.held).toBeGreaterThan(0)
  bodies.free(call)
  expect(call.held).toBe(0)
  send(90, true)
  await new Promise(setImmediate)
  expect(request.readableEnded).toBe(true)
})
