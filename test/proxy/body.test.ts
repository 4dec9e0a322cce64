import { Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { createBodies, type BodyRefusal } from '../../src/proxy/body.ts'

// The simulation sends bodies in parts, and cuts them anywhere. Incomplete ones beyond 32 MiB are in
// test/behaviour/connection-limiter.test.ts.
const MIB = 1024 * 1024

it('if all bodies are complete and take 32 MiB, the newest is refused until a call has ended', async () => {
  const bodies = createBodies(16 * MIB)
  /** Reads a body of which so many bytes have arrived. */
  const read = async (length: number, arrived = length) => {
    const request = new Readable({ read: () => undefined })
    request.push(Buffer.alloc(arrived))
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
    const incoming: unknown = Object.assign(request, { complete: arrived === length })
    const body = await bodies.read(incoming as IncomingMessage, length, call)
    return { call, refusals, body }
  }
  const first = await read(16 * MIB)
  await read(16 * MIB)
  for (const arrived of [100, 50])
    expect(await read(100, arrived)).toMatchObject({ body: null, refusals: ['bodies-full'] })
  bodies.free(first.call)
  expect((await read(100)).body).toHaveLength(100)
})
