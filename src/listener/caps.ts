import type { Socket } from 'node:net'
import { peerOf } from '../http/peer.ts'

export interface CapsOptions {
  /** Connections of the listener. */
  readonly most: number
  /** Connections from one address, see `peerOf`. */
  readonly mostOfPeer: number
  /** A connection was closed in favor of another. */
  readonly onClosed: () => void
}

/** The connections that a cap counts. */
interface Group {
  readonly most: number
  /** Those without an accepted request, the oldest first. */
  readonly newcomers: Set<Place>
  readonly accepted: Set<Place>
}

/**
 * Who may connect when connections are scarce. At a cap the oldest connection is closed that has not had an accepted
 * request: whoever only holds connections, in a TLS handshake or in front of a request, loses them to those who use
 * one. Where there is none to close, the new connection is over the cap.
 */
export class Caps {
  readonly #options: CapsOptions
  readonly #all: Group
  readonly #peers = new Map<string, Group>()
  readonly #places = new Map<string | Socket, Place>()

  constructor(options: CapsOptions) {
    this.#options = options
    this.#all = groupOf(options.most)
  }

  /** Takes a connection in, before its TLS handshake. */
  enter(socket: Socket): void {
    const peer = peerOf(socket.remoteAddress)
    const own = this.#peers.get(peer) ?? groupOf(this.#options.mostOfPeer)
    this.#peers.set(peer, own)
    const groups = [own, this.#all]
    const overCap = !groups.every((group) => this.#hasPlace(group))
    const key = keyOf(socket)
    const place = new Place(socket, groups, overCap)
    this.#places.set(key, place)
    socket.once('close', () => {
      place.leave()
      if (this.#places.get(key) === place) this.#places.delete(key)
      if (own.newcomers.size + own.accepted.size === 0) this.#peers.delete(peer)
    })
  }

  /** Closes newcomers until there is a place, or none of them is left. */
  #hasPlace({ most, newcomers, accepted }: Group): boolean {
    // One over the cap is counted, too: closing it alone does not bring the group below the cap.
    while (newcomers.size + accepted.size >= most) {
      const [oldest] = newcomers
      if (oldest === undefined) return false
      oldest.leave()
      oldest.socket.destroy()
      this.#options.onClosed()
    }
    return true
  }

  /** Of a connection, or of what TLS made of one. */
  placeOf(socket: Socket): Place | undefined {
    return this.#places.get(keyOf(socket))
  }
}

/** One connection among those that the caps count. */
export class Place {
  readonly socket: Socket
  /** It came when the cap was reached and no connection could be closed for it. */
  readonly overCap: boolean
  readonly #groups: readonly Group[]

  constructor(socket: Socket, groups: readonly Group[], overCap: boolean) {
    this.socket = socket
    this.overCap = overCap
    this.#groups = groups
    // A Unix socket has its mode. What TLS makes of one could not be found again, and be accepted.
    for (const { newcomers, accepted } of groups)
      (socket.remotePort === undefined ? accepted : newcomers).add(this)
  }

  /** From now on it is not closed for another. */
  accept(): void {
    for (const { newcomers, accepted } of this.#groups)
      if (newcomers.delete(this)) accepted.add(this)
  }

  leave(): void {
    for (const { newcomers, accepted } of this.#groups) {
      newcomers.delete(this)
      accepted.delete(this)
    }
  }
}

function groupOf(most: number): Group {
  return { most, newcomers: new Set(), accepted: new Set() }
}

/** A TLS socket is another object than the connection below it, with the same two ends. */
function keyOf(socket: Socket): string | Socket {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remotePort === undefined) return socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
