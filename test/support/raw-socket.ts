import type { Socket } from 'node:net'

/** The bytes that a socket brought and that nobody has taken yet; reading waits for more. */
export interface Inbox {
  /** A view, good until the next bytes come; what `take` gives is a copy. */
  readonly bytes: Buffer
  /** Everything that ever came. */
  readonly total: number
  /** How the peer ended: with a FIN, with a RST or another error, or not yet. */
  readonly end: 'fin' | Error | undefined
  take(length: number): Buffer
  /** Resolves at the next bytes or the end. */
  change(): Promise<void>
  /** Stops and starts reading, so that the peer feels back-pressure. */
  pause(): void
  resume(): void
}

export function inboxOf(socket: Socket): Inbox {
  // Grows by doubling: joining at each read would cost the square of a large body.
  let store = Buffer.alloc(4096)
  let start = 0
  let stop = 0
  let total = 0
  let end: Inbox['end']
  let wake: (() => void)[] = []
  const changed = (): void => {
    const waiting = wake
    wake = []
    for (const resolve of waiting) resolve()
  }
  function append(chunk: Buffer): void {
    if (stop + chunk.length > store.length) {
      const grown = Buffer.alloc(Math.max(store.length, 2 * (stop - start + chunk.length)))
      store.copy(grown, 0, start, stop)
      store = grown
      stop -= start
      start = 0
    }
    stop += chunk.copy(store, stop)
  }
  socket.on('data', (chunk: Buffer) => {
    append(chunk)
    total += chunk.length
    changed()
  })
  socket.once('end', () => {
    end ??= 'fin'
    changed()
  })
  socket.on('error', (error) => {
    end = error
    changed()
  })
  socket.once('close', () => {
    end ??= 'fin'
    changed()
  })
  return {
    get bytes() {
      return store.subarray(start, stop)
    },
    get total() {
      return total
    },
    get end() {
      return end
    },
    take(length) {
      const taken = Buffer.from(store.subarray(start, start + length))
      start += length
      return taken
    },
    change: () =>
      new Promise((resolve) => {
        wake.push(resolve)
      }),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  }
}

/** Text is sent as Latin-1: one character, one byte. */
function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'latin1') : data
}

/** Resolves when the bytes are handed to the kernel; rejects when the socket is gone. */
export function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(toBytes(data), (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}
