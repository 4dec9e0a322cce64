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
  size: number
  /** Those without an accepted request, the oldest first. */
  readonly newcomers: Set<Place>
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
    const group = this.#peers.get(peer) ?? groupOf(this.#options.mostOfPeer)
    this.#peers.set(peer, group)
    const groups = [group, this.#all]
    let overCap = false
    for (const counted of groups) {
      // One over the cap is counted, too: closing it alone does not bring the group below the cap.
      while (counted.size >= counted.most && !overCap) {
        const [oldest] = counted.newcomers
        if (oldest === undefined) overCap = true
        else this.#close(oldest)
      }
    }
    const key = keyOf(socket)
    const place = new Place(socket, groups, overCap)
    this.#places.set(key, place)
    socket.once('close', () => {
      place.leave()
      if (this.#places.get(key) === place) this.#places.delete(key)
      if (group.size === 0) this.#peers.delete(peer)
    })
  }

  #close(place: Place): void {
    place.leave()
    place.socket.destroy()
    this.#options.onClosed()
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
  #left = false
  #kept = false

  constructor(socket: Socket, groups: readonly Group[], overCap: boolean) {
    this.socket = socket
    this.#groups = groups
    this.overCap = overCap
    for (const group of groups) {
      group.size += 1
      // A Unix socket has its mode. What TLS makes of one could not be found again, and be kept.
      if (socket.remotePort !== undefined) group.newcomers.add(this)
    }
  }

  /** From now on it is not closed for another. */
  keep(): void {
    if (this.#kept) return
    this.#kept = true
    for (const { newcomers } of this.#groups) newcomers.delete(this)
  }

  leave(): void {
    this.keep()
    if (this.#left) return
    this.#left = true
    for (const group of this.#groups) group.size -= 1
  }
}

function groupOf(most: number): Group {
  return { most, size: 0, newcomers: new Set() }
}

/** A TLS socket is another object than the connection below it, with the same two ends. */
function keyOf(socket: Socket): string | Socket {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remotePort === undefined) return socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
