import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { isLoopback, urlHost, type Config, type ListenAddress } from '../config/index.ts'
import { codeOfListen } from '../causes.ts'
import type { Explained } from '../words/index.ts'

/** Why a listener could not start. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** Gave the address. */
  readonly setting: string
  readonly why: Explained
  /** The configuration is wrong: no later start would succeed. */
  readonly lasting: boolean

  constructor(
    setting: string,
    why: Explained,
    { lasting = false, ...cause }: ListenErrorOptions = {},
  ) {
    super(why.code, cause)
    this.setting = setting
    this.why = why
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
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    const facts = [
      ['address', whereOf(address)],
      ['detail', code],
    ] as const
    throw new ListenError(setting, { code: codeOfListen(code), facts }, { cause: error })
  }
  if (fd === undefined || isBoundTo(server, address)) return
  const bound = server.address()
  server.close()
  const where =
    typeof bound === 'object' && bound !== null ? `${urlHost(bound.address)}:${bound.port}` : bound
  const facts = [
    ['address', whereOf(address)],
    ['socketAddress', `${where}`],
  ] as const
  throw new ListenError(setting, { code: 'socket-elsewhere', facts }, { lasting: true })
}

/**
 * Binds, listens and closes: whether a listener could start.
 *
 * @throws ListenError
 */
export async function tryToListen(setting: string, address: ListenAddress): Promise<void> {
  const server = createServer()
  await listen(server, setting, address)
  server.close()
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

function whereOf(address: ListenAddress): string {
  return `${address.host}:${address.port}`
}
