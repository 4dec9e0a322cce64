import type { Socket } from 'node:net'
import { HOUR, MINUTE } from '../clock.ts'

export interface Slot {
  readonly socket: Socket
  readonly key: string
  /** Orders slots by the turn in which they became idle: Infinity if a call is in flight, -Infinity after the last response. */
  idleSince: number
  /** When a call was answered, at most a minute before the latest, on the monotonic clock; -Infinity if none was. */
  answeredAt: number
  /** The next response closes the connection. */
  isRetired: boolean
  /** Undefined before the TLS handshake. */
  connection?: { endAfterResponse(): void; evict(refusal: 'connections' | 'descriptors'): void }
}

/** Maximum addresses of clients that are remembered. */
const MAX_CALLERS = 1000
/** Maximum TLS handshakes at a time: one of them may hold 100 KiB of a certificate. */
const MAX_HANDSHAKES = 256

/**
 * Above `max` connections, closes one whose last response has been sent, or the longest-idle one: in the TLS handshake, between
 * requests, or behind half a request. If half of all never had an answered call, closes one of these: a client that only
 * holds connections loses them to clients that use theirs, regardless of its address, and a new one has time for its
 * call. Also closes the oldest TLS handshake above 256.
 */
export class ConnectionLimiter {
  readonly #max: number
  /** Closes a connection in favor of a new one. */
  readonly #evict: (slot: Slot) => void
  readonly #slots = new Map<string, Slot>()
  /** Slots before the end of their TLS handshake, the oldest first. */
  readonly #handshakes = new Set<Slot>()
  /** `answeredAt` of clients' addresses, the latest at the end. */
  readonly #callers = new Map<string, number>()
  #turns = 0

  constructor(max: number, evict: (slot: Slot) => void) {
    this.#max = max
    this.#evict = evict
  }

  /** Admits a connection, before its TLS handshake. */
  admit(socket: Socket): void {
    // The peer has left. Without an address, all such connections would have one key.
    if (socket.remoteAddress === undefined) return void socket.destroy()
    const key = keyOf(socket)
    const idleSince = this.#turns++
    const slot: Slot = { socket, key, idleSince, answeredAt: -Infinity, isRetired: false }
    this.#slots.set(key, slot)
    this.#handshakes.add(slot)
    socket.once('close', () => this.#remove(slot))
    const [oldest] = this.#handshakes.size > MAX_HANDSHAKES ? this.#handshakes : []
    const closed = this.#slots.size > this.#max ? this.#longestIdle(slot) : oldest
    if (closed === undefined) return
    // More connections may arrive before `close` is emitted.
    this.#remove(closed)
    this.#evict(closed)
  }

  /** Returns the slot of a connection without TLS, or after its TLS handshake; undefined if it has been closed. */
  handshakeDone(socket: Socket): Slot | undefined {
    const slot = this.#slots.get(keyOf(socket))
    if (slot !== undefined) this.#handshakes.delete(slot)
    return slot
  }

  /** Protects the connection of a call in flight. An idle one becomes the last to be closed. */
  mark(slot: Slot, isActive: boolean): void {
    slot.idleSince = isActive ? Infinity : this.#turns++
  }

  /** Remembers that a call on the connection was answered. */
  answered(slot: Slot, now: number): void {
    // Reading a socket's address for every call costs a microsecond.
    if (now - slot.answeredAt < MINUTE) return
    slot.answeredAt = now
    const { remoteAddress = '' } = slot.socket
    this.#callers.delete(remoteAddress)
    this.#callers.set(remoteAddress, now)
    const [oldest = ''] = this.#callers.keys()
    if (this.#callers.size > MAX_CALLERS) this.#callers.delete(oldest)
  }

  /** Returns true if a call of this address was answered within the last hour. */
  isCaller(address = '', now: number): boolean {
    return now - (this.#callers.get(address) ?? -Infinity) < HOUR
  }

  /** Makes a connection whose last response has been sent the first to be closed. */
  release(slot: Slot): void {
    slot.idleSince = -Infinity
  }

  sockets(): readonly Socket[] {
    return Array.from(this.#slots.values(), ({ socket }) => socket)
  }

  /** Makes the next response of every connection the last one. */
  retireAll(): void {
    for (const slot of this.#slots.values()) {
      slot.isRetired = true
      slot.connection?.endAfterResponse()
    }
  }

  /** Scans every slot, which takes microseconds, but only for a new connection beyond the limit. */
  #longestIdle(newest: Slot): Slot {
    const idle = Array.from(this.#slots.values()).filter(({ idleSince }) => idleSince < Infinity)
    const released = idle.find(({ idleSince }) => idleSince === -Infinity)
    const unanswered = idle.filter(({ answeredAt }) => answeredAt === -Infinity)
    const closable = unanswered.length >= this.#max / 2 ? unanswered : idle
    const first = released ?? newest
    return closable.reduce((one, other) => (other.idleSince < one.idleSince ? other : one), first)
  }

  #remove(slot: Slot): void {
    this.#handshakes.delete(slot)
    // Another connection may arrive from the same port before this one emits `close`.
    if (this.#slots.get(slot.key) === slot) this.#slots.delete(slot.key)
  }
}

/** A TCP socket and the TLS socket on it have one key: they are two objects with the same two ends. */
function keyOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
