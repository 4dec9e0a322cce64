import type { Socket } from 'node:net'

export type Inbox = ReturnType<typeof inboxOf>

/** Bytes that a socket received and no reader has taken yet; reading waits for more. */
export function inboxOf(socket: Socket) {
  // Grows by doubling: joining at each read would cost the square of a large body.
  let store = Buffer.alloc(4096)
  let start = 0
  let stop = 0
  let total = 0
  let end: 'fin' | Error | undefined
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
  const finish = (): void => {
    end ??= 'fin'
    changed()
  }
  socket.once('end', finish)
  socket.once('close', finish)
  socket.on('error', (error) => {
    end = error
    changed()
  })
  return {
    /** A view, good until the next bytes come; what `take` gives is a copy. */
    get bytes() {
      return store.subarray(start, stop)
    },
    /** Everything that ever came. */
    get total() {
      return total
    },
    /** How the peer ended: with a FIN, with a RST or another error, or not yet. */
    get end() {
      return end
    },
    take(length: number) {
      const taken = Buffer.from(store.subarray(start, start + length))
      start += length
      return taken
    },
    /** Resolves at the next bytes or the end. */
    change: () =>
      new Promise<void>((resolve) => {
        wake.push(resolve)
      }),
  }
}

/**
 * Returns what `parse` finds at the start of the bytes.
 *
 * @throws {Error} if the connection ends before that.
 */
export async function whole<Part>(
  inbox: Inbox,
  where: string,
  parse: () => Part | undefined,
): Promise<Part> {
  for (;;) {
    const part = parse()
    if (part !== undefined) return part
    const { end } = inbox
    if (end !== undefined)
      throw new Error(`the connection ${end === 'fin' ? 'ended' : 'broke'} in the ${where}`)
    await inbox.change()
  }
}

/** Text is sent as Latin-1. Resolves when the bytes are handed to the kernel; rejects when the socket is gone. */
export function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}
