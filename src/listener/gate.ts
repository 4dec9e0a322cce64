import type { Socket } from 'node:net'

/** One connection, and for how long it has been idle. */
export interface Place {
  /** A call is in flight: not closed until the connection is idle again. */
  busy(): void
  /** The head of a request came, or its response ended: the last one to be closed. */
  idle(): void
}

/** Names a connection, and what TLS made of it: another object with the same two ends. */
type ConnectionKey = string

interface Entered extends Place {
  readonly socket: Socket
  /** Of all places, the order in which they became idle; infinite: busy. */
  idleSince: number
}

/**
 * Who stays when there are more than `max` connections: the one is closed that has been idle for longest. Idle are all
 * without a call in flight: in a TLS handshake, between two requests, behind half a request. So whoever only holds
 * connections loses them to those who use theirs, from whatever address they come.
 */
export class Gate {
  readonly #max: number
  /** A connection was closed in favor of a new one. */
  readonly #onClosed: () => void
  readonly #all = new Map<ConnectionKey, Entered>()
  #turns = 0

  constructor(max: number, onClosed: () => void) {
    this.#max = max
    this.#onClosed = onClosed
  }

  /** Takes a connection in, before its TLS handshake. */
  enter(socket: Socket): void {
    // The peer has left already. Without its address, all such connections would have one key.
    if (socket.remoteAddress === undefined) return void socket.destroy()
    const key = keyOf(socket)
    const place = this.#placeFor(socket)
    this.#all.set(key, place)
    socket.once('close', () => {
      // Another connection may come from the same port before this one is said to be closed.
      if (this.#all.get(key) === place) this.#all.delete(key)
    })
    if (this.#all.size > this.#max) this.#closeLongestIdle()
  }

  /** Where a connection, or what TLS made of it, stands. Undefined: it has been closed. */
  placeOf(socket: Socket): Place | undefined {
    return this.#all.get(keyOf(socket))
  }

  /** Every connection that has not been closed. */
  sockets(): readonly Socket[] {
    return Array.from(this.#all.values(), ({ socket }) => socket)
  }

  #placeFor(socket: Socket): Entered {
    const place = {
      socket,
      idleSince: 0,
      busy: () => void (place.idleSince = Infinity),
      idle: () => void (place.idleSince = this.#turns++),
    }
    place.idle()
    return place
  }

  /** It looks at each, which takes microseconds: only a new connection beyond the limit costs that, no request. */
  #closeLongestIdle(): void {
    let longest: [ConnectionKey, Entered] | undefined
    for (const [key, place] of this.#all)
      if (place.idleSince < (longest?.[1].idleSince ?? Infinity)) longest = [key, place]
    if (longest === undefined) return
    // `close` comes in a later turn, and more connections in this one.
    this.#all.delete(longest[0])
    longest[1].socket.destroy()
    this.#onClosed()
  }
}

function keyOf(socket: Socket): ConnectionKey {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
