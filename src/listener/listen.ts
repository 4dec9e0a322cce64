import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { isLoopback, urlHost, type ListenAddress } from '../config/index.ts'
import { toListenCode } from '../codes.ts'
import type { Explained } from '../messages/index.ts'

/** Reports why a listener could not start. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** The setting that contains the address. */
  readonly setting: string
  readonly why: Explained
  /** The configuration is wrong: no later start would succeed. */
  readonly lasting: boolean

  constructor(setting: string, why: Explained, lasting: boolean, cause?: unknown) {
    super(why.code, { cause })
    this.setting = setting
    this.why = why
    this.lasting = lasting
  }
}

/**
 * Binds and listens.
 *
 * @param setting name of the setting that contains the address.
 * @throws ListenError
 */
export async function listen(
  server: Server,
  setting: string,
  address: ListenAddress,
): Promise<void> {
  const { host, port, fd } = address
  const configured = ['address', `${host}:${port}`] as const
  const listening = once(server, 'listening')
  if (fd !== undefined) server.listen({ fd })
  else server.listen(host === '' ? { port } : { host, port })
  try {
    await listening
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    const facts = [configured, ['detail', code]] as const
    throw new ListenError(setting, { code: toListenCode(code), facts }, false, error)
  }
  const bound = server.address()
  if (fd === undefined || isAt(address, bound)) return
  server.close()
  const elsewhere = bound instanceof Object ? `${urlHost(bound.address)}:${bound.port}` : `${bound}`
  const facts = [configured, ['socketAddress', elsewhere]] as const
  throw new ListenError(setting, { code: 'socket-elsewhere', facts }, true)
}

/** Binds, listens and closes. Throws a ListenError if a listener could not start. */
export async function tryToListen(setting: string, address: ListenAddress): Promise<void> {
  const server = createServer()
  await listen(server, setting, address)
  server.close()
}

/** Returns true if an inherited socket has the configured address, on which the rules for network access depend. */
function isAt({ host, port }: ListenAddress, bound: ReturnType<Server['address']>): boolean {
  if (typeof bound === 'string' || bound === null || bound.port !== port) return false
  const { address } = bound
  if (host === '') return address === '::' || address === '0.0.0.0'
  return host === address || (host.toLowerCase() === 'localhost' && isLoopback(address))
}

/** Returns the URL for clients, such as `http://127.0.0.1:8080` or `https://[::1]:8443`. */
export function addressText({ host }: ListenAddress, server: Server): string {
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const scheme = server instanceof TlsServer ? 'https' : 'http'
  return `${scheme}://${host === '' ? '0.0.0.0' : urlHost(host)}:${port}`
}
