// oxlint-disable no-underscore-dangle, no-useless-call, unbound-method -- names of Node, and replacements of its functions
// Patches Node for virtual time, before anything else is loaded. PATCHES names every replacement: everything that a simulated
// program can reach. The real event loop does not turn while a world runs.
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

/** Node's own functions, for code outside of a world. */
export const real = { setTimeout, setImmediate, clearInterval }

/** Replaces Node's `Timeout`. */
class VirtualTimer {
  #task: ReturnType<typeof schedule> | undefined
  readonly #run: () => void
  readonly #ms: number
  readonly #repeats: boolean

  constructor(run: () => void, ms: number, repeats: boolean) {
    this.#run = run
    // Node takes 0 and NaN as 1.
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

  /** Node's own `clearTimeout` uses these two members. */
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
}

const timer =
  (repeats: boolean) =>
  (run: Run, ms = 1, ...args: readonly unknown[]) =>
    new VirtualTimer(() => run(...args), ms, repeats)
const clear = (set: unknown): void => {
  if (set instanceof VirtualTimer) set.close()
}
const immediate = (run: Run, ...args: readonly unknown[]) => {
  return { task: schedule(() => run(...args), 0) }
}
const timers = {
  setTimeout: timer(false),
  setInterval: timer(true),
  setImmediate: immediate,
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: (set?: ReturnType<typeof immediate>) => cancel(set?.task),
}

const RealDate = Date
const VirtualDate = function (this: unknown, ...args: readonly unknown[]) {
  if (new.target === undefined) return new RealDate(date()).toString()
  return Reflect.construct(RealDate, args.length === 0 ? [date()] : args, new.target) as Date
}
VirtualDate.prototype = RealDate.prototype
Object.assign(VirtualDate, { now: () => date(), parse: RealDate.parse, UTC: RealDate.UTC })

/** Start of every token of iSales, by which leaks are found. */
export const TOKEN_MARK = 'simulatedTOKEN'.slice(0, 12)

function randomBytes(size: number): Buffer {
  const { random, name } = owner()
  const bytes = Buffer.alloc(size)
  for (let index = 0; index < size; index += 1) bytes[index] = Math.floor(random() * 256)
  if (name === 'isales') Buffer.from(TOKEN_MARK, 'base64url').copy(bytes)
  return bytes
}

function lookup(_name: string, _options: unknown, done: (...found: readonly unknown[]) => void) {
  schedule(() => done(null, [{ address: '127.0.0.1', family: 4 }]), 1)
}

/** Path prefixes on full disks. */
export const fullDisks = new Set<string>()
/** Path prefixes on hanging mounts, with the end of the hang. */
export const stalledDisks = new Map<string, number>()
/** Number of changes of a file: two changes within a tick of the kernel's clock look alike. */
const changes = new Map<string, number>()

export function changeFile(path: string, text: string): void {
  changes.set(path, (changes.get(path) ?? 0) + 1)
  fs.writeFileSync(path, text)
}

/** Runs an operation of the disk in a millisecond, so that a process can be killed between two. */
function onDisk<T>(path: string, act: () => T, isWrite = false): Promise<T> {
  const stalled = [...stalledDisks].filter(([disk]) => path.startsWith(disk))
  const ms = Math.max(1, ...stalled.map(([, end]) => end - time()))
  return new Promise((resolve, reject) => {
    const run = (): void => {
      try {
        if (isWrite && [...fullDisks].some((disk) => path.startsWith(disk)))
          throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
        resolve(act())
      } catch (error) {
        reject(error instanceof Error ? error : new Error('thrown'))
      }
    }
    schedule(run, ms)
  })
}

const onDiskAs =
  (name: 'chownSync' | 'linkSync' | 'mkdirSync' | 'readdirSync' | 'rmSync', isWrite = false) =>
  (path: string, ...rest: readonly unknown[]) =>
    onDisk(
      path,
      () => (fs[name] as (...given: readonly unknown[]) => unknown)(path, ...rest),
      isWrite,
    )

async function open(path: string, flags: number, mode: number) {
  const isWrite = (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0
  const file = await onDisk(path, () => fs.openSync(path, flags, mode), isWrite)
  return {
    stat: () => onDisk('', () => fs.fstatSync(file)),
    readFile: () => onDisk(path, () => fs.readFileSync(file, 'utf8')),
    async writeFile(text: string) {
      const half = Math.floor(text.length / 2)
      for (const part of [text.slice(0, half), text.slice(half)])
        await onDisk('', () => fs.writeSync(file, part))
    },
    sync: () => onDisk(path, () => undefined),
    close: () => onDisk('', () => fs.closeSync(file)),
  }
}

interface Outgoing {
  sendDate: boolean
  _storeHeader(firstLine: string, headers: unknown): void
}
const outgoing = http.OutgoingMessage.prototype as unknown as Outgoing
const storeHeader = outgoing._storeHeader

function storeHeaderWithDate(this: Outgoing, firstLine: string, headers: unknown): void {
  const line = this.sendDate ? `${firstLine}Date: ${new Date().toUTCString()}\r\n` : firstLine
  this.sendDate = false
  storeHeader.call(this, line, headers)
}

/** An entry of Node's list of a server's connections. */
interface Parser {
  readonly socket: net.Socket | undefined
  readonly incoming: { readonly complete: boolean } | null
}
type Connections = Record<'all' | 'idle' | 'active', () => Parser[]> & {
  expired(headersTimeout: number): Parser[]
}
const opened = new WeakMap<WeakKey, number>()
let connectionsOpened = 0
const emit = net.Server.prototype.emit as (event: string, ...args: unknown[]) => boolean

function emitAndTrack(this: net.Server, event: string, ...args: unknown[]): boolean {
  const emitted = emit.call(this, event, ...args)
  if (event === 'listening') checkHeaders(this)
  if (event === 'connection') opened.set(args[0] as net.Socket, (connectionsOpened += 1))
  return emitted
}

/** Runs Node's check of slow headers on virtual time. */
function checkHeaders(server: net.Server): void {
  const found = Object.getOwnPropertySymbols(server)
  const byName = (name: string) => found.find(({ description }) => description === name)
  const list = byName('http.server.connections')
  const interval = byName('http.server.connectionsCheckingInterval')
  if (list === undefined || interval === undefined) return
  const fields = server as unknown as Record<symbol, unknown>
  track(fields[list] as Connections)
  const { connectionsCheckingInterval: ms = 1000 } = server as {
    readonly connectionsCheckingInterval?: number
  }
  // A real interval would never fire, and keep the server alive.
  const check = fields[interval] as { readonly _onTimeout?: () => void }
  const { _onTimeout: run } = check
  real.clearInterval(check as NodeJS.Timeout)
  fields[interval] = timers.setInterval(() => {
    if ((server as unknown as { readonly _connections: number })._connections > 0) run?.call(server)
  }, ms)
}

/** Orders Node's list by virtual time. Node never releases the list, so it must not refer to the server. */
function track(connections: Connections): void {
  const at = ({ socket }: Parser): number => (socket && opened.get(socket)) ?? 0
  for (const kind of ['all', 'idle', 'active'] as const) {
    const native = connections[kind].bind(connections)
    // Node orders the list by the real time of requests.
    connections[kind] = () => native().toSorted((one, other) => at(one) - at(other))
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

/** Replaced members of Node and libraries; each comment gives the failure without the patch. */
const PATCHES: readonly (readonly [target: object, replaced: object])[] = [
  // A real timer never fires while a world runs: every wait of the program would be endless.
  [globalThis, timers],
  [require('node:timers') as object, timers],
  [
    timersPromises,
    {
      setTimeout: (ms: number, value?: unknown) =>
        new Promise((resolve) => timers.setTimeout(() => resolve(value), ms)),
    },
  ],
  // undici's timers count time in steps of their own, in a variable that would outlive a world.
  [
    require('undici/lib/util/timers.js') as object,
    {
      setTimeout: timers.setTimeout,
      clearTimeout: clear,
      setFastTimeout: timers.setTimeout,
      clearFastTimeout: clear,
    },
  ],
  // Traces differ from run to run with the real date or the real clock.
  [globalThis, { Date: VirtualDate }],
  [performance, { now: () => time() }],
  // Node captures its clock for the `Date` of responses.
  [outgoing, { _storeHeader: storeHeaderWithDate }],
  // Ids, jitter and tokens differ from run to run with real random numbers. The real scrypt takes 50 ms of CPU each.
  [Math, { random: () => owner().random() }],
  [
    crypto,
    {
      randomBytes,
      randomUUID: () =>
        randomBytes(16)
          .toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      scryptSync: (password: crypto.BinaryLike, salt: crypto.BinaryLike, size: number) =>
        Buffer.from(crypto.hkdfSync('sha256', password as Buffer, salt as Buffer, 'scrypt', size)),
    },
  ],
  // Real sockets and DNS would run on real time. The simulated iSales also calls `Server.listen`. Node's check of slow headers has
  // a timer and a clock of its own: a client that never ends its headers would stay.
  [net, { connect: connectVirtually, createConnection: connectVirtually }],
  [net.Server.prototype, { listen: listenVirtually, emit: emitAndTrack }],
  [dns, { lookup }],
  // Threads of libuv finish on real time.
  [
    fsPromises,
    {
      chown: onDiskAs('chownSync'),
      link: onDiskAs('linkSync', true),
      mkdir: onDiskAs('mkdirSync', true),
      readdir: onDiskAs('readdirSync'),
      rm: onDiskAs('rmSync'),
      open,
      stat: (path: string) =>
        onDisk(path, () => Object.assign(fs.statSync(path), { ctimeMs: changes.get(path) })),
    },
  ],
]
for (const [target, replaced] of PATCHES) Object.assign(target, replaced)
syncBuiltinESMExports()

/** Resets the state that a world leaves behind. */
export function resetMachine(): void {
  changes.clear()
  fullDisks.clear()
  stalledDisks.clear()
}
