import { once } from 'node:events'
import { existsSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { Server as TlsServer } from 'node:tls'
import { isLoopback, urlHost, type ListenAddress } from '../config/address.ts'
import type { Config } from '../config/settings.ts'

/** Why a listener could not start, in one sentence that names the address. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** The setting that gave the address. */
  setting: string
  /** The configuration is wrong: no later start would succeed. */
  readonly lasting: boolean

  constructor(message: string, options: ListenErrorOptions = {}) {
    super(message, options)
    this.setting = options.setting ?? ''
    this.lasting = options.lasting ?? false
  }
}
interface ListenErrorOptions extends ErrorOptions {
  readonly setting?: string
  readonly lasting?: boolean
}

const ALL_MODE_BITS = 0o777

/**
 * Binds and listens. A stale Unix socket (nobody listens on it) is replaced; a live one, or a file that
 * is not a socket, is an error.
 *
 * @param socketMode permission bits of a Unix socket.
 * @throws ListenError
 */
export async function listen(
  server: Server,
  address: ListenAddress,
  socketMode: number,
): Promise<void> {
  const isOpen = address.fd !== undefined
  if (address.kind === 'unix' && !isOpen) await removeStale(address.path)
  const listening = once(server, 'listening')
  if (isOpen) server.listen({ fd: address.fd })
  else if (address.kind === 'unix') bindWithMode(server, address.path, socketMode)
  else server.listen(address.host === '' ? { port: address.port } : address)
  try {
    await listening
  } catch (error) {
    throw new ListenError(sentence(error as NodeJS.ErrnoException, address), { cause: error })
  }
  if (isOpen) checkBound(server, address)
}

/**
 * What is allowed depends on the address in the configuration: a socket that listens elsewhere may be open to a network.
 *
 * @throws ListenError
 */
function checkBound(server: Server, address: ListenAddress): void {
  const bound = server.address()
  const path = typeof bound === 'string' ? bound : undefined
  const { address: host = '', port = 0 } = typeof bound === 'string' ? {} : (bound ?? {})
  const isSame =
    address.kind === 'unix'
      ? address.path === path
      : address.port === port && isHost(address.host, host)
  if (isSame) return
  server.close()
  const where = path ?? `${urlHost(host)}:${port}`
  throw new ListenError(
    `the socket unit listens on ${where}, not on ${whereOf(address)}: give both the same address`,
    { lasting: true },
  )
}

/** @param bound an address, which a name stands for. */
function isHost(host: string, bound: string): boolean {
  if (host === '') return bound === '::' || bound === '0.0.0.0'
  return host === bound || (host.toLowerCase() === 'localhost' && isLoopback(bound))
}

/** What a client calls: `http://127.0.0.1:8080`, `https://[::1]:8443`, `unix:/run/x.sock`. */
export function addressText(address: ListenAddress, server: Server): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const [host = '0.0.0.0'] = hostOf(address)
  return `${server instanceof TlsServer ? 'https' : 'http'}://${host}:${port}`
}

/** The names that a `Host` field may give us: a page that rebinds its own name to this machine gives another. */
export function ownHosts(config: Pick<Config, 'listen' | 'allowedHosts'>): ReadonlySet<string> {
  const loopback = ['localhost', '127.0.0.1', '[::1]']
  return new Set([...loopback, ...hostOf(config.listen), ...config.allowedHosts])
}

/** The same for the status page, beside every address. */
export function adminHosts(
  config: Pick<Config, 'adminListen' | 'allowedHosts'>,
  machine: string,
): ReadonlySet<string> {
  const names = ['localhost', machine.toLowerCase()]
  return new Set([...names, ...hostOf(config.adminListen), ...config.allowedHosts])
}

/** The host as in a URL; none: a Unix socket, or all interfaces. */
function hostOf(address: ListenAddress): readonly string[] {
  if (address.kind === 'unix' || address.host === '') return []
  return [urlHost(address.host)]
}

/** The mode holds from the first instant: a chmod after the bind would leave a moment for anyone. */
function bindWithMode(server: Server, path: string, mode: number): void {
  const before = process.umask(ALL_MODE_BITS & ~mode)
  try {
    // Node binds a pipe inside this call, not on a later tick.
    server.listen({ path })
  } finally {
    process.umask(before)
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'in use by another process: stop it (`ss -ltnp` names it), or take another address',
  EACCES: 'no permission',
  EADDRNOTAVAIL: 'not an address of this machine',
  ENOTFOUND: 'the host name is not known',
}

function sentence(error: NodeJS.ErrnoException, address: ListenAddress): string {
  const code = error.code ?? 'unknown error'
  return `cannot listen on ${whereOf(address)}: ${CAUSES[code] ?? code}`
}

function whereOf(address: ListenAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`
}

async function removeStale(path: string): Promise<void> {
  // libuv would call it a lack of permission.
  if (!existsSync(dirname(path)))
    throw new ListenError(`cannot listen on ${path}: the directory does not exist`)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new ListenError(`${path} exists and is not a socket`)
  const code = await connectError(path)
  if (code === undefined) throw new ListenError(`${path} is in use by another process`)
  if (code === 'ENOENT') return
  if (code !== 'ECONNREFUSED')
    throw new ListenError(`cannot tell whether ${path} is in use (${code})`)
  // Another starter may have replaced it since: only the socket that was probed is removed.
  const now = lstatSync(path, { throwIfNoEntry: false })
  if (now?.ino === found.ino && now.dev === found.dev) unlinkSync(path)
}

/** Undefined: there is a server. */
async function connectError(path: string): Promise<string | undefined> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error'
  } finally {
    socket.destroy()
  }
}
