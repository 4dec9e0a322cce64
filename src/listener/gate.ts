import type { Socket } from 'node:net'

/** Names a connection, and what TLS made of it. */
export type ConnectionKey = string

/**
 * Who stays when there are more than `max` connections: the one is closed that has been idle for longest. Idle are all
 * without a call in flight: in a TLS handshake, between two requests, behind half a request. So whoever only holds
 * connections loses them to those who use theirs, from whatever address they come.
 */
export class Gate {
  readonly #max: number
  /** A connection was closed in favor of a new one. */
  readonly #onClosed: () => void
  readonly #all = new Map<ConnectionKey, Socket>()
  /** The longest idle first. */
  readonly #idle = new Set<ConnectionKey>()

  constructor(max: number, onClosed: () => void) {
    this.#max = max
    this.#onClosed = onClosed
  }

  /** Takes a connection in, before its TLS handshake. */
  enter(socket: Socket): void {
    const key = keyOf(socket)
    this.#all.set(key, socket)
    this.idle(key)
    socket.once('close', () => {
      // Another connection may come from the same port before this one is said to be closed.
      if (this.#all.get(key) === socket) this.#leave(key)
    })
    const [longest] = this.#idle
    if (this.#all.size <= this.#max || longest === undefined) return
    const closed = this.#all.get(longest)
    // `close` comes in a later turn, and more connections in this one.
    this.#leave(longest)
    closed?.destroy()
    this.#onClosed()
  }

  /** The head of a request came, or its response ended: the last one to be closed. */
  idle(key: ConnectionKey): void {
    this.#idle.delete(key)
    if (this.#all.has(key)) this.#idle.add(key)
  }

  /** A call is in flight: not closed until the connection is idle again. */
  busy(key: ConnectionKey): void {
    this.#idle.delete(key)
  }

  /** Every connection that has not been closed. */
  sockets(): readonly Socket[] {
    return [...this.#all.values()]
  }

  #leave(key: ConnectionKey): void {
    this.#all.delete(key)
    this.#idle.delete(key)
  }
}

/** A TLS socket is another object than the connection below it, with the same two ends. */
export function keyOf(socket: Socket): ConnectionKey {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
