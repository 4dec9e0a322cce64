import type { IncomingMessage } from 'node:http'
import type { Refusal } from '../codes.ts'
import type { Framing } from '../hono-adapter.ts'

export type BodyRefusal = Extract<Refusal, 'body-size' | 'bodies-full'>

export interface BodyOwner {
  /** Bytes reserved for its body. Kept here, because a map's entries would keep calls alive until a full collection. */
  held: number
  /** Returns a signal that is aborted when the body is no longer needed, for example by `interrupt`. */
  startWait(): AbortSignal
  interrupt(refusal: BodyRefusal): void
}

/** Maximum bytes of all bodies together. */
const MAX_HELD = 32 * 1024 * 1024
/** Bytes of an incomplete body's first buffer. */
const MIN_BUFFER = 16 * 1024

/**
 * Reads complete bodies. Beyond 32 MiB together, the incomplete body that began first is refused, so that clients with
 * half-sent bodies keep no other client out. If every body is complete, the newest is refused.
 *
 * @param maxSize maximum bytes of one body.
 */
export function createBodies(maxSize: number) {
  let total = 0
  /** The body that began first is the first. */
  const incomplete = new Set<BodyOwner>()

  const free = (call: BodyOwner): void => {
    total -= call.held
    call.held = 0
  }

  /** Reserves more bytes for a call; returns false if the call was refused instead. */
  const reserve = (call: BodyOwner, bytes: number): boolean => {
    if (total + bytes <= MAX_HELD) {
      total += bytes
      call.held += bytes
      return true
    }
    const [oldest = call] = incomplete
    incomplete.delete(oldest)
    free(oldest)
    oldest.interrupt('bodies-full')
    return oldest !== call && reserve(call, bytes)
  }

  const awaitRest = (
    request: IncomingMessage,
    length: Framing,
    first: Buffer | null,
    call: BodyOwner,
  ): Promise<Buffer | null> =>
    new Promise((resolve) => {
      const signal = call.startWait()
      // Grows in place and is freed immediately. Copies of stalled bodies would leave as much garbage as they hold.
      const store = new ArrayBuffer(0, { maxByteLength: length === 'chunked' ? maxSize : length })
      const bytes = new Uint8Array(store)
      let size = 0
      const stop = (body: Buffer | null): void => {
        incomplete.delete(call)
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
        if (!reserve(call, capacity - store.byteLength)) return false
        store.resize(capacity)
        return true
      }
      const take = (chunk: Buffer): void => {
        const needed = size + chunk.length
        if (needed > maxSize) call.interrupt('body-size')
        else if (needed <= store.byteLength || grow(needed)) size += chunk.copy(bytes, size)
      }
      signal.addEventListener('abort', abort)
      incomplete.add(call)
      if (first !== null) take(first)
      if (!signal.aborted) request.on('data', take).on('end', end)
    })

  return {
    /**
     * Call it in the turn after the head's event, when Node has parsed the rest of the head's packet. Returns null if there
     * is no body or it is no longer needed.
     */
    read(
      request: IncomingMessage,
      length: Framing,
      call: BodyOwner,
    ): Buffer | null | Promise<Buffer | null> {
      if (length === 0) return null
      const first = request.read() as Buffer | null
      // Node sets `complete` a turn later.
      const isWhole = request.complete || first?.length === length
      if (!isWhole) return awaitRest(request, length, first, call)
      if (first === null) return Buffer.alloc(0)
      if (first.length > maxSize) call.interrupt('body-size')
      else if (reserve(call, first.length)) return first
      return null
    },

    /** Frees the bytes of a call that has ended. */
    free,
  }
}
