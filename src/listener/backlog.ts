/**
 * Why a client was closed that took nothing of its response.
 *
 * - `idle`: for `BODY_IDLE_TIMEOUT`.
 * - `backlog`: for 2 s, it was the slowest, and more than 2 MiB waited for all clients together.
 */
export type ClosedReason = 'idle' | 'backlog'

/** A client, and what waits for it. */
export interface Reader {
  /** Written and not yet taken by the kernel. */
  readonly bytes: number
  /** Milliseconds since it last took any. */
  readonly stalled: number
}

/** Bytes that may wait for clients that do not read. */
const MOST = 2 * 1024 * 1024
/** Milliseconds; a client that is only slow, or far away, takes something in this time. */
const PATIENCE = 2000

/** Those to close so that less waits, the slowest first. */
export function slowest<R extends Reader>(readers: readonly R[]): readonly R[] {
  let waiting = readers.reduce((sum, { bytes }) => sum + bytes, 0)
  if (waiting <= MOST) return []
  const stalled = readers
    .filter((reader) => reader.bytes > 0 && reader.stalled >= PATIENCE)
    .toSorted((one, other) => other.stalled - one.stalled)
  return stalled.filter(({ bytes }) => {
    const tooMuch = waiting > MOST
    if (tooMuch) waiting -= bytes
    return tooMuch
  })
}
