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
  /** Gave the address. */
  readonly setting: string
  /** The configuration is wrong: no later start would succeed. */
  readonly lasting: boolean

  constructor(
    setting: string,
    message: string,
    { lasting = false, ...cause }: ListenErrorOptions = {},
  ) {
    super(message, cause)
    this.setting = setting
    this.lasting = lasting
  }
}

interface ListenErrorOptions extends ErrorOptions {
  readonly lasting?: boolean
}

const ALL_MODE_BITS = 0o777

/**
 * Binds and listens. A stale Unix socket (nobody listens on it) is replaced; a live one, or a file that
 * is not a socket, is an error.
 *
 * @param setting gave the address.
 * @param socketMode permission bits of a Unix socket.
 * @throws ListenError
 */
export async function listen(
  server: Server,
  setting: string,
  address: ListenAddress,
  socketMode: number,
): Promise<void> {
  const isOpen = address.fd !== undefined
  if (address.kind === 'unix' && !isOpen) {
    const problem = await removeStale(address.path)
    if (problem !== undefined) throw new ListenError(setting, problem)
  }
  const listening = once(server, 'listening')
  if (isOpen) server.listen({ fd: address.fd })
  else if (address.kind === 'unix') bindWithMode(server, address.path, socketMode)
  else server.listen(address.host === '' ? { port: address.port } : address)
  try {
    await listening
  } catch (error) {
    const problem = sentence(error as NodeJS.ErrnoException, address)
    throw new ListenError(setting, problem, { cause: error })
  }
  if (!isOpen || isBoundTo(server, address)) return
  const bound = server.address()
  server.close()
  const where =
    typeof bound === 'object' && bound !== null ? `${urlHost(bound.address)}:${bound.port}` : bound
  const problem = `the socket unit listens on ${where}, not on ${whereOf(address)}: give both the same address`
  throw new ListenError(setting, problem, { lasting: true })
}

/** What is allowed depends on the address in the configuration: a socket that listens elsewhere may be open to a network. */
function isBoundTo(server: Server, address: ListenAddress): boolean {
  const bound = server.address()
  if (address.kind === 'unix') return bound === address.path
  if (typeof bound === 'string' || bound === null) return false
  return bound.port === address.port && isHost(address.host, bound.address)
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

/** @returns why it could not; undefined: nothing is there now. */
async function removeStale(path: string): Promise<string | undefined> {
  // libuv would call it a lack of permission.
  if (!existsSync(dirname(path))) return `cannot listen on ${path}: the directory does not exist`
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  if (!found.isSocket()) return `${path} exists and is not a socket`
  const code = await connectError(path)
  if (code === undefined) return `${path} is in use by another process`
  if (code === 'ENOENT') return undefined
  if (code !== 'ECONNREFUSED') return `cannot tell whether ${path} is in use (${code})`
  // Another starter may have replaced it since: only the socket that was probed is removed.
  const now = lstatSync(path, { throwIfNoEntry: false })
  if (now?.ino === found.ino && now.dev === found.dev) unlinkSync(path)
  return undefined
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
