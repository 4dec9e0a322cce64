import { once } from 'node:events'
import type { Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { isLoopback, urlHost, type Config, type ListenAddress } from '../config/index.ts'

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

/**
 * Binds and listens.
 *
 * @param setting gave the address.
 * @throws ListenError
 */
export async function listen(
  server: Server,
  setting: string,
  address: ListenAddress,
): Promise<void> {
  const { host, port, fd } = address
  const listening = once(server, 'listening')
  if (fd !== undefined) server.listen({ fd })
  else server.listen(host === '' ? { port } : { host, port })
  try {
    await listening
  } catch (error) {
    const problem = sentence(error as NodeJS.ErrnoException, address)
    throw new ListenError(setting, problem, { cause: error })
  }
  if (fd === undefined || isBoundTo(server, address)) return
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
  if (typeof bound === 'string' || bound === null) return false
  return bound.port === address.port && isHost(address.host, bound.address)
}

/** @param bound an address, which a name stands for. */
function isHost(host: string, bound: string): boolean {
  if (host === '') return bound === '::' || bound === '0.0.0.0'
  return host === bound || (host.toLowerCase() === 'localhost' && isLoopback(bound))
}

/** What a client calls: `http://127.0.0.1:8080`, `https://[::1]:8443`. */
export function addressText(address: ListenAddress, server: Server): string {
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

/** The host as in a URL; none: all interfaces. */
function hostOf(address: ListenAddress): readonly string[] {
  return address.host === '' ? [] : [urlHost(address.host)]
}

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'in use by another process: stop it (`ss -ltnp` names it), or take another address',
  EACCES:
    'no permission: ports below 1024 are for root. Take a higher port, or give the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= of the unit)',
  EADDRNOTAVAIL: 'not an address of this machine',
  ENOTFOUND: 'the host name is not known',
}

function sentence(error: NodeJS.ErrnoException, address: ListenAddress): string {
  const code = error.code ?? 'unknown error'
  return `cannot listen on ${whereOf(address)}: ${CAUSES[code] ?? code}`
}

function whereOf(address: ListenAddress): string {
  return `${address.host}:${address.port}`
}
