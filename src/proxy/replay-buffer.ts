import type { IncomingMessage } from 'node:http'

/**
 * Reads a body of known length into one Buffer. One `read()` on the next tick usually gives it whole, without
 * a copy; a body that comes in pieces is put together when the last is there.
 */
export function readWhole(
  request: IncomingMessage,
  length: number,
  done: (body: Buffer) => void,
): void {
  const pieces: Buffer[] = []
  let size = 0
  const read = (): void => {
    while (size < length) {
      const piece = takePiece(request)
      if (piece === null) return
      pieces.push(piece)
      size += piece.length
    }
    request.off('readable', read)
    const [first] = pieces
    done(pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, size))
  }
  process.nextTick(() => {
    read()
    if (size < length) request.on('readable', read)
  })
}

/** A copy of what a stream of unknown length carried, as long as it is small enough. */
export interface KeptBody {
  /** The whole body, once it has ended within the limit; else undefined. */
  whole(): Buffer | undefined
}

/**
 * Listens beside the one who consumes the stream. `onTooLarge` is told once when more than `most` bytes came.
 */
export function keepWhileSmall(
  request: IncomingMessage,
  limits: { readonly keep: number; readonly most: number },
  onTooLarge: () => void,
): KeptBody {
  let pieces: Buffer[] | undefined = []
  let size = 0
  let ended = false
  request.on('data', (piece: Buffer) => {
    size += piece.length
    if (size <= limits.keep) pieces?.push(piece)
    else pieces = undefined
    if (size > limits.most && size - piece.length <= limits.most) onTooLarge()
  })
  request.on('end', () => {
    ended = true
  })
  return {
    whole: () => (ended && pieces !== undefined ? Buffer.concat(pieces, size) : undefined),
  }
}

function takePiece(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null
}
