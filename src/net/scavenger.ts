import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes. Smaller pieces go with everything else that V8 collects. */
const LARGE_PIECE = 16 * 1024
/** Bytes of large pieces between two collections. */
const BATCH = 8 * 1024 * 1024

/**
 * Has V8 collect the pieces of large bodies while they are young. Left to itself it lets 20 to 30 MB of them gather and
 * then marks the whole heap for their sake: as much CPU time as the relaying itself, and three times the memory. A piece
 * that still waits for a slow reader is left to the marking; back-pressure leaves one or two of them a request.
 *
 * @param collect collects the young generation.
 * @returns to be told the bytes of each piece when it has been given to its socket.
 */
export function createScavenger(collect: () => void = youngCollector()): (bytes: number) => void {
  let gathered = 0
  return (bytes) => {
    if (bytes < LARGE_PIECE) return
    gathered += bytes
    if (gathered < BATCH) return
    gathered = 0
    collect()
  }
}

type Gc = (options: { readonly type: 'minor' }) => void

/** Opened with the first call: most instances never relay a large body. */
function youngCollector(): () => void {
  let gc: Gc | undefined
  return () => {
    gc ??= openGc()
    gc({ type: 'minor' })
  }
}

/** Only a context that is made while the flag is set has it. Where V8 gives none, the pieces are left to V8. */
function openGc(): Gc {
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('gc') as Gc
  } catch {
    return () => undefined
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
