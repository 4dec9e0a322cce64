import type { Socket } from 'node:net'
import { peerOf } from '../http/peer.ts'

export interface CapsOptions {
  /** Connections of the listener. */
  readonly max: number
  /** Connections from one address, see `peerOf`. */
  readonly maxOfPeer: number
  /** A connection was closed in favor of another. */
  readonly onClosed: () => void
}

/** One connection among those that the caps count. */
export interface Place {
  readonly socket: Socket
  readonly peer: string
  /** It had an accepted request: it is not closed for another. */
  accepted: boolean
  /** It came when a cap was reached and no connection could be closed for it. */
  readonly overCap: boolean
}

/**
 * Who may connect when connections are scarce. At a cap the oldest connection is closed that has not had an accepted
 * request: whoever only holds connections, in a TLS handshake or in front of a request, loses them to those who use
 * one. Where there is none to close, the new connection is over the cap.
 */
export class Caps {
  readonly #options: CapsOptions
  /** The oldest first. */
  readonly #places = new Map<string | Socket, Place>()

  constructor(options: CapsOptions) {
    this.#options = options
  }

  /** Takes a connection in, before its TLS handshake. */
  enter(socket: Socket): void {
    const { max, maxOfPeer } = this.#options
    const peer = peerOf(socket.remoteAddress)
    const isFree = [
      this.#makeRoom(maxOfPeer, (place) => place.peer === peer),
      this.#makeRoom(max, () => true),
    ]
    const key = keyOf(socket)
    // A Unix socket has its mode. What TLS makes of one could not be found again, and be accepted.
    const accepted = socket.remotePort === undefined
    const place = { socket, peer, accepted, overCap: isFree.includes(false) }
    this.#places.set(key, place)
    socket.once('close', () => {
      if (this.#places.get(key) === place) this.#places.delete(key)
    })
  }

  /** Of a connection, or of what TLS made of one. */
  placeOf(socket: Socket): Place | undefined {
    return this.#places.get(keyOf(socket))
  }

  /** Every connection that has not been closed. */
  sockets(): readonly Socket[] {
    return Array.from(this.#places.values(), ({ socket }) => socket)
  }

  /** Closes connections until there is room for one more of these, or none of them may be closed. */
  #makeRoom(max: number, counts: (place: Place) => boolean): boolean {
    // Most connections come below the cap, and cost no look at the others.
    if (this.#places.size < max) return true
    const places = [...this.#places].filter(([, place]) => counts(place))
    // Those over the cap are counted, too: closing one of them alone does not make room.
    let excess = places.length - max + 1
    for (const [key, { accepted, socket }] of places) {
      if (excess <= 0) break
      if (accepted) continue
      this.#places.delete(key)
      socket.destroy()
      this.#options.onClosed()
      excess -= 1
    }
    return excess <= 0
  }
}

/** A TLS socket is another object than the connection below it, with the same two ends. */
function keyOf(socket: Socket): string | Socket {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remotePort === undefined) return socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
