import type { Socket } from 'node:net'

export interface Slot {
  readonly socket: Socket
  /** Orders slots by the turn in which they became idle; infinite if a call is in flight. */
  idleSince: number
  /** Undefined before the TLS handshake. */
  connection?: { refused: boolean }
}

/**
 * Above `max` connections, closes the longest-idle one: in the TLS handshake, between requests, or behind half a request.
 * A client that only holds connections loses them to clients that use theirs, regardless of its address.
 */
export class ConnectionLimiter {
  readonly #max: number
  /** Called when a connection is closed in favor of a new one. */
  readonly #onClosed: (slot: Slot) => void
  readonly #slots = new Map<string, Slot>()
  #turns = 0

  constructor(max: number, onClosed: (slot: Slot) => void) {
    this.#max = max
    this.#onClosed = onClosed
  }

  /** Admits a connection, before its TLS handshake. */
  admit(socket: Socket): void {
    // The peer has left. Without an address, all such connections would have one key.
    if (socket.remoteAddress === undefined) return void socket.destroy()
    const key = keyOf(socket)
    const slot: Slot = { socket, idleSince: this.#turns++ }
    this.#slots.set(key, slot)
    socket.once('close', () => {
      // Another connection may arrive from the same port before this one emits `close`.
      if (this.#slots.get(key) === slot) this.#slots.delete(key)
    })
    if (this.#slots.size > this.#max) this.#closeLongestIdle()
  }

  /** The slot of a connection, or of its TLS socket; undefined if it has been closed. */
  slotOf(socket: Socket): Slot | undefined {
    return this.#slots.get(keyOf(socket))
  }

  /** Protects the connection of a call in flight. An idle one becomes the last to be closed. */
  mark(slot: Slot | undefined, isActive: boolean): void {
    if (slot !== undefined) slot.idleSince = isActive ? Infinity : this.#turns++
  }

  /** Returns every connection that has not been closed. */
  sockets(): readonly Socket[] {
    return Array.from(this.#slots.values(), ({ socket }) => socket)
  }

  /** Scans every slot, which takes microseconds, but only for a new connection beyond the limit. */
  #closeLongestIdle(): void {
    let longest: [key: string, Slot] | undefined
    for (const [key, slot] of this.#slots)
      if (slot.idleSince < (longest?.[1].idleSince ?? Infinity)) longest = [key, slot]
    if (longest === undefined) return
    // More connections may arrive before `close` is emitted.
    this.#slots.delete(longest[0])
    this.#onClosed(longest[1])
    longest[1].socket.destroy()
  }
}

/** A TCP socket and the TLS socket on it have one key: they are two objects with the same two ends. */
function keyOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
