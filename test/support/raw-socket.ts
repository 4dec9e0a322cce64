import type { Socket } from 'node:net'

export type Inbox = ReturnType<typeof inboxOf>

/** Collects a socket's unread bytes; reading waits for more. */
export function inboxOf(socket: Socket) {
  // Grows by doubling, because joining at every read would take quadratic time for a large body.
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
    /** A view that is valid until the next bytes arrive; `take` returns a copy. */
    get bytes() {
      return store.subarray(start, stop)
    },
    get total() {
      return total
    },
    /** How the peer ended the connection: a FIN, or an error such as a RST; undefined if it has not. */
    get end() {
      return end
    },
    take(length: number) {
      const taken = Buffer.from(store.subarray(start, start + length))
      start += length
      return taken
    },
    change: () =>
      new Promise<void>((resolve) => {
        wake.push(resolve)
      }),
  }
}

/** Returns the part that `parse` finds, as soon as it does. @throws {Error} if the connection ends first. */
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

/** Sends text as Latin-1. Resolves when the kernel has the bytes; rejects if the socket is closed. */
export function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}
