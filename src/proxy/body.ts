import type { IncomingMessage } from 'node:http'
import type { Refusal } from '../codes.ts'
import type { Framing } from './validate.ts'

/** Why a body is refused when it comes: it is too long, or all bodies together are. */
export type BodyRefusal = Extract<Refusal, 'body-size' | 'in-flight'>

/** A call whose body is read. */
export interface BodyOwner {
  /** Bytes that its body takes. A number here, since an entry of a map would keep calls alive until a full collection. */
  held: number
  /** The call waits: what is aborted when the body is not wanted any more, such as by `refuse`. */
  wait(): AbortSignal
  refuse(refusal: BodyRefusal): void
}

/** Bytes of the bodies of all calls together. */
const MAX_HELD = 32 * 1024 * 1024
/** Bytes of the first buffer of a body that is awaited. */
const MIN_BUFFER = 16 * 1024

/**
 * Reads bodies whole, and bounds what they take together. Beyond 32 MiB the body is refused that has been coming for
 * longest, so that clients which send half a body lock nobody out; where all are complete, the newcomer is.
 *
 * @param maxSize bytes of one body.
 */
export function createBodies(maxSize: number) {
  let total = 0
  /** Whose bodies are awaited, in the order of their beginning. */
  const awaited = new Set<BodyOwner>()

  const free = (call: BodyOwner): void => {
    total -= call.held
    call.held = 0
  }

  const makeWay = (call: BodyOwner): void => {
    awaited.delete(call)
    free(call)
    call.refuse('in-flight')
  }

  /** True: the call may hold so many bytes more. Else it is refused. */
  const hold = (call: BodyOwner, bytes: number): boolean => {
    for (const longest of awaited) {
      if (total + bytes <= MAX_HELD) break
      makeWay(longest)
      if (longest === call) return false
    }
    if (total + bytes > MAX_HELD) {
      makeWay(call)
      return false
    }
    total += bytes
    call.held += bytes
    return true
  }

  const awaitRest = (
    request: IncomingMessage,
    length: Framing,
    first: Buffer | null,
    call: BodyOwner,
  ): Promise<Buffer | null> =>
    new Promise((resolve) => {
      const signal = call.wait()
      // Grows in place and is freed at once: with copies, stalled bodies leave as much garbage as they hold.
      const store = new ArrayBuffer(0, { maxByteLength: length === 'chunked' ? maxSize : length })
      const bytes = new Uint8Array(store)
      let size = 0
      const stop = (body: Buffer | null): void => {
        awaited.delete(call)
        signal.removeEventListener('abort', abort)
        request.off('data', take).off('end', end)
        // The rest is dropped.
        request.resume()
        if (body === null) store.resize(0)
        resolve(body)
      }
      const abort = (): void => stop(null)
      const end = (): void => stop(Buffer.from(store, 0, size))
      const grow = (needed: number): boolean => {
        const wanted = Math.max(needed, 2 * store.byteLength, MIN_BUFFER)
        const capacity = Math.min(wanted, store.maxByteLength)
        if (!hold(call, capacity - store.byteLength)) return false
        store.resize(capacity)
        return true
      }
      const take = (chunk: Buffer): void => {
        const needed = size + chunk.length
        if (needed > maxSize) call.refuse('body-size')
        else if (needed <= store.byteLength || grow(needed)) size += chunk.copy(bytes, size)
      }
      signal.addEventListener('abort', abort)
      awaited.add(call)
      if (first !== null) take(first)
      if (!signal.aborted) request.on('data', take).on('end', end)
    })

  return {
    /**
     * Reads a body, in the turn after that of its head: one that came in the packet of its head is there then. Null:
     * there is none, or it is not wanted any more.
     */
    read(
      request: IncomingMessage,
      length: Framing,
      call: BodyOwner,
    ): Buffer | null | Promise<Buffer | null> {
      if (length === 0) return null
      const first = request.read() as Buffer | null
      // Node says that it is complete a turn later.
      const isWhole = request.complete || first?.length === length
      if (!isWhole) return awaitRest(request, length, first, call)
      if (first === null) return Buffer.alloc(0)
      if (first.length > maxSize) call.refuse('body-size')
      else if (hold(call, first.length)) return first
      return null
    },

    /** At the end of the call. */
    free,
  }
}
