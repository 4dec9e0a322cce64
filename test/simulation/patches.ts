// oxlint-disable no-underscore-dangle, no-useless-call, unbound-method -- these are names of Node, and functions in the place of its own
// Node's own modules on virtual time, patched before anything else is loaded. Each says what breaks without it. Only
// what a simulated program can reach is patched; the real event loop stands still while a world runs.
import crypto from 'node:crypto'
import dns from 'node:dns'
import fs from 'node:fs'
import fsPromises from 'node:fs/promises'
import http from 'node:http'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import timersPromises from 'node:timers/promises'
import { cancel, date, owner, schedule, time } from './loop.ts'
import { connectVirtually, listenVirtually } from './network.ts'

export * from './loop.ts'
export * from './network.ts'

const require = createRequire(import.meta.url)

type Run = (...args: readonly unknown[]) => void

/** Node's own, for what runs outside of a world. */
export const real = {
  setTimeout,
  setImmediate,
  clearInterval,
}

/** As Node's `Timeout` and `Immediate`. */
class VirtualTimer {
  #task: ReturnType<typeof schedule> | undefined
  readonly #run: () => void
  readonly #ms: number
  readonly #repeats: boolean

  constructor(run: () => void, ms: number, repeats: boolean) {
    this.#run = run
    // Node takes 0, and what is no number, as 1.
    this.#ms = ms >= 1 ? Math.floor(ms) : 1
    this.#repeats = repeats
    this.refresh()
  }

  refresh(): this {
    cancel(this.#task)
    const expire = (): void => {
      if (this.#repeats) this.refresh()
      this.#run()
    }
    this.#task = schedule(expire, this.#ms, 'timer')
    return this
  }

  close(): this {
    cancel(this.#task)
    return this
  }

  /** Node's own `clearTimeout` ends a timer by these two. */
  readonly _destroyed = true

  get _onTimeout(): (() => void) | null {
    return this.#task === undefined ? null : this.#run
  }

  set _onTimeout(run: null) {
    this.close()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

const timer =
  (repeats: boolean) =>
  (run: Run, ms = 1, ...args: readonly unknown[]) =>
    new VirtualTimer(() => run(...args), ms, repeats)
const clear = (set: unknown): void => {
  if (set instanceof VirtualTimer) set.close()
}
const immediate = (run: Run, ...args: readonly unknown[]) => {
  const task = schedule(() => run(...args), 0)
  return { task, ref: () => undefined, unref: () => undefined, hasRef: () => true }
}
const timers = {
  setTimeout: timer(false),
  setInterval: timer(true),
  setImmediate: immediate,
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: (set?: ReturnType<typeof immediate>) => cancel(set?.task),
}
// A real timer never fires while a world runs: every wait of the program would be for ever.
Object.assign(globalThis, timers)
Object.assign(require('node:timers'), timers)
Object.assign(timersPromises, {
  setTimeout: (ms: number, value?: unknown) =>
    new Promise((resolve) => timers.setTimeout(() => resolve(value), ms)),
  setImmediate: (value?: unknown) =>
    new Promise((resolve) => timers.setImmediate(() => resolve(value))),
})

// Traces differ from run to run with the real date or the real clock.
const RealDate = Date
const VirtualDate = function (this: unknown, ...args: readonly unknown[]) {
  if (new.target === undefined) return new RealDate(date()).toString()
  return Reflect.construct(RealDate, args.length === 0 ? [date()] : args, new.target) as Date
}
VirtualDate.prototype = RealDate.prototype
Object.assign(VirtualDate, { now: () => date(), parse: RealDate.parse, UTC: RealDate.UTC })
Object.assign(globalThis, { Date: VirtualDate })
performance.now = () => time()

// Ids, jitter and tokens differ from run to run with real random numbers. The tokens of iSales begin with a mark, so that
// one of them is found wherever it must not be.
export const TOKEN_MARK = 'simulatedTOKEN'.slice(0, 12)
const randomBytes = (size: number, done?: (error: null, bytes: Buffer) => void): Buffer => {
  const { random, name } = owner()
  const bytes = Buffer.alloc(size)
  for (let index = 0; index < size; index += 1) bytes[index] = Math.floor(random() * 256)
  if (name === 'isales') Buffer.from(TOKEN_MARK, 'base64url').copy(bytes)
  if (done !== undefined) schedule(() => done(null, bytes), 0)
  return bytes
}
Math.random = () => owner().random()
Object.assign(crypto, {
  randomBytes,
  randomUUID: () => {
    const hex = randomBytes(16).toString('hex')
    return [8, 4, 4, 4, 12]
      .map((size, nth, sizes) => {
        const from = sizes.slice(0, nth).reduce((sum, each) => sum + each, 0)
        return hex.slice(from, from + size)
      })
      .join('-')
  },
  // 50 ms of CPU each.
  scryptSync: (password: crypto.BinaryLike, salt: crypto.BinaryLike, size: number) =>
    Buffer.from(crypto.hkdfSync('sha256', password as Buffer, salt as Buffer, 'scrypt', size)),
})

// Real sockets would be read on real time. `Server.listen` is also what the simulated iSales calls.
Object.assign(net, { connect: connectVirtually, createConnection: connectVirtually })
net.Server.prototype.listen = listenVirtually as typeof net.Server.prototype.listen
/** What DNS says of the name of iSales; undefined: nothing for 10 s. */
export const resolver: { found: 'address' | 'error' | undefined } = { found: 'address' }
Object.assign(dns, {
  lookup: (_name: string, _options: unknown, done: (...found: readonly unknown[]) => void) => {
    const { found } = resolver
    const error = Object.assign(new Error('EAI_AGAIN'), { code: 'EAI_AGAIN' })
    const reply: readonly unknown[] =
      found === 'address' ? [null, [{ address: '127.0.0.1', family: 4 }]] : [error]
    schedule(() => done(...reply), found === undefined ? 10_000 : 1)
  },
})

// Two writes within a tick of the kernel's clock look alike to whoever polls; only this process writes.
const writes = new Map<unknown, number>()
Object.assign(fs, {
  // A disk of real time takes milliseconds for each.
  fsyncSync: () => undefined,
})
/** Paths that begin so cannot be written: the disk is full. */
export const fullDisks = new Set<string>()
/** Until when the disk of paths that begin so stands still, as a mount that hangs. */
export const stalledDisks = new Map<string, number>()

/** What a world has left of itself. */
export function resetMachine(): void {
  writes.clear()
  fullDisks.clear()
  stalledDisks.clear()
  resolver.found = 'address'
}

for (const name of [
  'openSync',
  'writeFileSync',
  'mkdirSync',
  'linkSync',
  'unlinkSync',
  'rmSync',
] as const) {
  const original = fs[name] as (...args: readonly unknown[]) => unknown
  Object.assign(fs, {
    [name](path: unknown, ...args: readonly unknown[]) {
      const [flags] = args
      const reads = flags === 'r' || (typeof flags === 'number' && (flags & 3) === 0)
      const isWrite = name !== 'openSync' || !reads
      if (isWrite) writes.set(path, (writes.get(path) ?? 0) + 1)
      if (isWrite && [...fullDisks].some((disk) => String(path).startsWith(disk))) {
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      }
      return original.call(fs, path, ...args)
    },
  })
}

// Node captures its clock for the `Date` of responses.
interface Outgoing {
  sendDate: boolean
  _storeHeader(firstLine: string, headers: unknown): void
}
const outgoing = http.OutgoingMessage.prototype as unknown as Outgoing
const storeHeader = outgoing._storeHeader
outgoing._storeHeader = function (firstLine, headers) {
  const line = this.sendDate ? `${firstLine}Date: ${new Date().toUTCString()}\r\n` : firstLine
  this.sendDate = false
  storeHeader.call(this, line, headers)
}

// Node's check of slow headers runs on a timer and a clock of its own: a client that never ends its headers would stay.
interface Parser {
  readonly socket: net.Socket | undefined
  readonly incoming: { readonly complete: boolean } | null
}
interface Connections {
  all(): Parser[]
  idle(): Parser[]
  active(): Parser[]
  expired(headersTimeout: number): Parser[]
}
/** Node keeps connections in the order of the real time of their requests, and closes them in it. */
const opened = new WeakMap<WeakKey, number>()
let connectionsOpened = 0
function inOrder(parsers: readonly Parser[]): Parser[] {
  const at = ({ socket }: Parser): number => (socket && opened.get(socket)) ?? 0
  return parsers.toSorted((one, other) => at(one) - at(other))
}

const emit = net.Server.prototype.emit as (event: string, ...args: unknown[]) => boolean
net.Server.prototype.emit = function (this: net.Server, event: string, ...args: unknown[]) {
  const emitted = emit.call(this, event, ...args)
  if (event === 'listening') checkHeaders(this)
  if (event === 'connection') opened.set(args[0] as net.Socket, (connectionsOpened += 1))
  return emitted
}

function checkHeaders(server: net.Server): void {
  const found = Object.getOwnPropertySymbols(server)
  const byName = (name: string) => found.find(({ description }) => description === name)
  const list = byName('http.server.connections')
  const interval = byName('http.server.connectionsCheckingInterval')
  if (list === undefined || interval === undefined) return
  const fields = server as unknown as Record<symbol, unknown>
  track(fields[list] as Connections)
  const checked = server as unknown as {
    readonly connectionsCheckingInterval?: number
    readonly _connections: number
  }
  const { connectionsCheckingInterval: ms = 1000 } = checked
  // A real interval would never fire, and keep the server for ever.
  const check = fields[interval] as { readonly _onTimeout?: () => void }
  const { _onTimeout: run } = check
  real.clearInterval(check as NodeJS.Timeout)
  fields[interval] = timers.setInterval(() => {
    if (checked._connections > 0) run?.call(server)
  }, ms)
}

/** Node keeps the list for ever: it must not lead to the server. */
function track(connections: Connections): void {
  for (const kind of ['all', 'idle', 'active'] as const) {
    const native = connections[kind].bind(connections)
    connections[kind] = () => inOrder(native())
  }
  const began = new WeakMap<Parser, { readonly socket: unknown; readonly at: number }>()
  connections.expired = (headersTimeout) =>
    connections.active().filter((parser) => {
      const known = began.get(parser)
      const reads = parser.incoming === null || parser.incoming.complete
      if (!reads) began.delete(parser)
      else if (known?.socket !== parser.socket)
        began.set(parser, { socket: parser.socket, at: time() })
      else return known !== undefined && time() - known.at >= headersTimeout
      return false
    })
}

// Threads of libuv come back on real time. Each step takes a millisecond, so that a process can be killed between two.
const stallOf = (path: string): number => {
  const stalled = [...stalledDisks].filter(([disk]) => path.startsWith(disk))
  return Math.max(1, ...stalled.map(([, end]) => end - time()))
}
const later = <T>(act: () => T, ms = 1): Promise<T> =>
  new Promise((resolve, reject) => {
    const run = (): void => {
      try {
        resolve(act())
      } catch (error) {
        reject(error instanceof Error ? error : new Error('thrown'))
      }
    }
    schedule(run, ms)
  })
const sync = fs as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
const statSync = (path: string) => Object.assign(fs.statSync(path), { ctimeMs: writes.get(path) })
for (const name of ['chown', 'link', 'mkdir', 'readdir', 'rm', 'stat']) {
  Object.assign(fsPromises, {
    [name]: (path: string, ...args: readonly unknown[]) =>
      later(
        () => (name === 'stat' ? statSync(path) : sync[`${name}Sync`]?.(path, ...args)),
        stallOf(path),
      ),
  })
}
Object.assign(fsPromises, {
  async open(path: string, flags: number, mode: number) {
    const file = await later(() => fs.openSync(path, flags, mode), stallOf(path))
    return {
      stat: () => later(() => fs.fstatSync(file)),
      readFile: () => later(() => fs.readFileSync(file, 'utf8'), stallOf(path)),
      async writeFile(text: string) {
        const half = Math.floor(text.length / 2)
        await later(() => fs.writeSync(file, text.slice(0, half)))
        await later(() => fs.writeSync(file, text.slice(half)))
      },
      sync: () => later(() => undefined, stallOf(path)),
      close: () => later(() => fs.closeSync(file)),
    }
  },
})

syncBuiltinESMExports()

// undici's timers count time in steps of their own, in a variable that would outlive a world.
const undici = require('undici/lib/util/timers.js') as Record<string, unknown>
Object.assign(undici, {
  setTimeout: timers.setTimeout,
  clearTimeout: clear,
  setFastTimeout: timers.setTimeout,
  clearFastTimeout: clear,
})
