// oxlint-disable no-underscore-dangle, no-this-in-exported-function -- names of Node, and replacements of its functions
// The network in memory: sockets without a handle, which deliver to each other on virtual time.
import { isIP, Socket, type LookupFunction, type Server } from 'node:net'
import { as, cancel, createOwner, owner, schedule, time, type Owner } from './loop.ts'

/** The path between two programs, by the listening port. */
export interface Link {
  /** Earliest time of a delivery, or of a new connection. */
  stalledUntil: number
  /** Bytes on this link until one connection is cut. */
  cutAfter: number | undefined
  /** Maximum connections of each program; others are refused. */
  places: number
  /** Minimum and maximum milliseconds of a delivery. */
  latency: readonly [number, number]
  /** A generator of its own, so that traffic on one link does not change the others. */
  readonly random: () => number
}

const delayOf = ({ latency: [least, most], random, stalledUntil }: Link): number =>
  Math.max(0, stalledUntil - time()) + least + random() * (most - least)

/** Bytes in flight until a sender waits. */
const WINDOW = 64 * 1024
const CLIENT_PORTS = 40_000

let listeners = new Map<number, { readonly server: Server; readonly owner: Owner }>()
let links = new Map<number, Link>()
let sockets = new Set<VirtualSocket>()
let opened: VirtualSocket[] = []
let network: Owner
let count = 0
let freePort = 10_000
/** Called with the two ends and the bytes. */
let onDeliver: (from: VirtualSocket, to: VirtualSocket, bytes: Buffer) => void = () => undefined

export function resetNetwork(delivered: typeof onDeliver): void {
  // Node keeps a parser, and everything reachable from it, until the parser is closed.
  for (const socket of opened) (socket as { parser?: { close(): void } }).parser?.close()
  opened = []
  listeners = new Map()
  links = new Map()
  sockets = new Set()
  network = createOwner('network')
  count = 0
  freePort = 10_000
  onDeliver = delivered
}

export function linkTo(port: number): Link {
  let link = links.get(port)
  if (link === undefined) {
    const { random } = createOwner(`network ${port}`)
    link = { stalledUntil: 0, cutAfter: undefined, places: Infinity, latency: [0.2, 3], random }
    links.set(port, link)
  }
  return link
}

/** Returns the open sockets of a program. */
export function socketsOf(who: Owner): VirtualSocket[] {
  return [...sockets].filter((socket) => socket.owner === who)
}

/** Kills a program; its connections are reset, as by the kernel. */
export function kill(who: Owner): void {
  for (const socket of socketsOf(who)) {
    sockets.delete(socket)
    socket.peer?.receive('reset')
  }
  for (const [port, { owner: own }] of listeners) if (own === who) listeners.delete(port)
  who.state = 'dead'
  who.parked = []
}

/** Null is the end. */
type Segment = Buffer | null | 'reset'

export class VirtualSocket extends Socket {
  /** `c12` for the connecting end, `s12` for the accepting end. */
  readonly label: string
  readonly port: number
  readonly owner: Owner
  peer: VirtualSocket | undefined
  readonly #link: Link
  /** Received and unread. */
  #inbox: (Buffer | null)[] = []
  #wanted = false
  /** Arrival of the last segment at the peer: first in, first out. */
  #arrival = 0
  #onTheWay = 0
  #waiting: (() => void) | undefined
  #timeout: ReturnType<typeof schedule> | undefined
  #timeoutMs = 0
  #read = 0
  #resetting = false
  #forgotten = false

  // Node counts bytes in the handle.
  static {
    const bytesRead = {
      get(this: VirtualSocket) {
        return this.#read
      },
    }
    Object.defineProperties(VirtualSocket.prototype, { bytesRead })
  }

  constructor(label: string, port: number, allowHalfOpen: boolean) {
    super({ allowHalfOpen })
    this.label = label
    this.port = port
    this.owner = owner()
    this.#link = linkTo(port)
    const place = { address: '127.0.0.1', family: 'IPv4' }
    const local = { ...place, port: label.startsWith('s') ? port : CLIENT_PORTS + count }
    const remote = { ...place, port: label.startsWith('s') ? CLIENT_PORTS + count : port }
    Object.assign(this, { _sockname: local, _peername: remote })
    sockets.add(this)
    opened.push(this)
  }

  /** Receives the segment in `ms`. */
  receive(segment: Segment, ms = 0): void {
    schedule(() => this.#take(segment), ms, 'io', this.owner)
  }

  #take(segment: Segment): void {
    if (this.destroyed) {
      if (Buffer.isBuffer(segment)) this.#send('reset')
      return
    }
    if (segment === 'reset') {
      this.#fail('read', 'ECONNRESET')
      return
    }
    this.#touch()
    if (segment !== null) {
      this.#read += segment.length
      if (this.peer !== undefined) onDeliver(this.peer, this, segment)
    }
    this.#inbox.push(segment)
    this.#flush()
  }

  #flush(): void {
    while (this.#wanted && this.#inbox.length > 0) {
      const bytes = this.#inbox.shift() ?? null
      if (bytes !== null) this.peer?.acknowledge(bytes.length)
      if (!this.push(bytes)) this.#wanted = false
    }
  }

  /** Called when the peer has read bytes. */
  acknowledge(bytes: number): void {
    this.#onTheWay -= bytes
    const waiting = this.#waiting
    if (waiting === undefined || this.#onTheWay >= WINDOW) return
    this.#waiting = undefined
    schedule(waiting, 0, 'io', this.owner)
  }

  #fail(syscall: string, code: string): void {
    if (this.destroyed) return
    this.#forgotten = true
    this.destroy(Object.assign(new Error(`${syscall} ${code}`), { code, syscall }))
  }

  #send(segment: Segment): void {
    const { peer } = this
    if (peer === undefined) return
    // A reset does not overtake bytes in flight.
    this.#arrival = Math.max(this.#arrival, time() + delayOf(this.#link))
    peer.receive(segment, this.#arrival - time())
  }

  /** Sends the bytes, sometimes in two segments, up to the byte at which the link cuts the connection. */
  #transmit(bytes: Buffer): void {
    const { cutAfter, random } = this.#link
    if (cutAfter !== undefined && bytes.length > cutAfter) {
      this.#link.cutAfter = undefined
      if (cutAfter > 0) this.#send(bytes.subarray(0, cutAfter))
      this.#send('reset')
      this.receive('reset', 1)
      return
    }
    if (cutAfter !== undefined) this.#link.cutAfter = cutAfter - bytes.length
    const splits = bytes.length > 1 && random() < 0.1
    const at = splits ? 1 + Math.floor(random() * (bytes.length - 1)) : bytes.length
    this.#send(bytes.subarray(0, at))
    if (splits) this.#send(bytes.subarray(at))
  }

  /** Node declares it as read-only. */
  #setConnecting(connecting: boolean): void {
    Object.assign(this, { connecting })
  }

  override _read(): void {
    this.#wanted = true
    this.#flush()
  }

  override _write(
    chunk: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this._writev([{ chunk, encoding }], done)
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    // A copy, because the writer may reuse its memory.
    const bytes = Buffer.concat(
      chunks.map(({ chunk, encoding }) =>
        typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
      ),
    )
    this.#whenConnected(() => {
      this.#touch()
      this.#onTheWay += bytes.length
      this.#transmit(bytes)
      if (this.#onTheWay < WINDOW) done()
      else this.#waiting = done
    })
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#whenConnected(() => {
      this.#send(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    cancel(this.#timeout)
    sockets.delete(this)
    this.#setConnecting(false)
    const unread = this.#inbox.some((bytes) => bytes !== null)
    // TCP resets a connection that is closed with unread bytes.
    if (!this.#forgotten) this.#send(unread || this.#resetting ? 'reset' : null)
    done(error)
    schedule(() => this.emit('close', error !== null), 0, 'io', this.owner)
    const { _server: server } = this as unknown as { readonly _server?: Accounting }
    if (server === undefined) return
    server._connections -= 1
    server._emitCloseIfDrained()
  }

  #whenConnected(run: () => void): void {
    if (this.connecting) this.once('connect', run)
    else run()
  }

  override resetAndDestroy(): this {
    this.#resetting = true
    return this.destroy()
  }

  override setTimeout(ms: number, run?: () => void): this {
    this.#timeoutMs = ms
    Object.assign(this, { timeout: ms })
    if (run !== undefined) {
      if (ms > 0) this.once('timeout', run)
      else this.removeListener('timeout', run)
    }
    this.#touch()
    return this
  }

  #touch(): void {
    cancel(this.#timeout)
    this.#timeout = undefined
    if (this.#timeoutMs === 0 || this.destroyed) return
    this.#timeout = schedule(() => this.emit('timeout'), this.#timeoutMs, 'timer', this.owner)
  }

  // Node's own versions wait for a handle.
  override ref(): this {
    return this
  }

  override unref(): this {
    return this
  }

  /** Opens the connection, as `net.connect` does. */
  open(host: string, lookup: LookupFunction | undefined): void {
    this.#setConnecting(true)
    const refuse = (code: string): void => this.#fail('connect', code)
    const trip = (): number => delayOf(this.#link)
    const accepted = (): void => {
      if (this.destroyed) return
      this.#setConnecting(false)
      this.emit('connect')
      this.emit('ready')
      // Reads bytes that have already arrived.
      this._read()
    }
    const reach = (): void => {
      if (this.destroyed) return
      const listener = listeners.get(this.port)
      const isOfSame = ({ label, port, peer }: VirtualSocket): boolean =>
        label.startsWith('s') && port === this.port && peer?.owner === this.owner
      const isFull = [...sockets].filter(isOfSame).length >= this.#link.places
      if (listener === undefined || isFull) {
        schedule(() => refuse('ECONNREFUSED'), trip(), 'io', this.owner)
        return
      }
      as(listener.owner, () => this.#accept(listener.server))
      schedule(accepted, trip(), 'io', this.owner)
    }
    const dial = (): void => void schedule(reach, trip(), 'io', network)
    if (isIP(host) !== 0 || lookup === undefined) {
      schedule(dial, 0)
      return
    }
    lookup(host, { all: true }, (error, addresses) => {
      this.emit('lookup', error, '127.0.0.1', 4, host)
      if (error === null && addresses.length > 0) dial()
      else refuse(error?.code ?? 'ENOTFOUND')
    })
  }

  /** The kernel accepts, and the program is notified when it runs. */
  #accept(server: Server): void {
    const accounting = server as unknown as Accounting
    const { allowHalfOpen } = accounting
    const end = new VirtualSocket(this.label.replace('c', 's'), this.port, allowHalfOpen)
    end.peer = this
    this.peer = end
    schedule(() => {
      const { maxConnections } = server
      if (maxConnections > 0 && accounting._connections >= maxConnections) {
        end.destroy()
        server.emit('drop', {})
        return
      }
      accounting._connections += 1
      Object.assign(end, { server, _server: server })
      server.emit('connection', end)
      end._read()
    }, 0)
  }
}

/** Members in which Node's server counts its connections. */
interface Accounting {
  _connections: number
  _handle: unknown
  readonly allowHalfOpen: boolean
  _emitCloseIfDrained(): void
}

interface ConnectOptions {
  readonly host?: string
  readonly port?: number | string
  readonly allowHalfOpen?: boolean
  readonly lookup?: LookupFunction
}

/** Replaces `net.connect`. */
export function connectVirtually(options: ConnectOptions, connected?: () => void): VirtualSocket {
  count += 1
  const { host = '127.0.0.1', port, lookup, allowHalfOpen = false } = options
  const socket = new VirtualSocket(`c${count}`, Number(port), allowHalfOpen)
  if (connected !== undefined) socket.once('connect', connected)
  socket.open(host, lookup)
  return socket
}

/** Replaces `net.Server.prototype.listen`; takes only an object with a port. */
export function listenVirtually(this: Server, { port = 0 }: ConnectOptions): Server {
  const place = Number(port) || (freePort += 1)
  const own = owner()
  listeners.set(place, { server: this, owner: own })
  const accounting = this as unknown as Accounting
  accounting._handle = {
    close: () => listeners.delete(place),
    ref: () => undefined,
    unref: () => undefined,
    getsockname(name: object) {
      Object.assign(name, { address: '127.0.0.1', family: 'IPv4', port: place })
      return 0
    },
  }
  schedule(() => this.emit('listening'), 0, 'io', own)
  return this
}
