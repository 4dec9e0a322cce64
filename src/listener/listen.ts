import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { isLoopback, urlHost, type ListenAddress } from '../config/index.ts'
import { toListenCode } from '../codes.ts'
import type { Explained } from '../messages/index.ts'

/** Connections that wait to be accepted. Above Node's 511, a client repeats its first packet after 1 to 3 s. */
const BACKLOG = 4096

/** A listener could not start. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** `setting`: the setting that contains the address. */
  readonly problem: Explained & { readonly setting: string }
  /** The configuration is wrong: no later start would succeed. */
  readonly lasting: boolean

  constructor(problem: ListenError['problem'], lasting: boolean, cause?: unknown) {
    super(problem.code, { cause })
    this.problem = problem
    this.lasting = lasting
  }
}

/** Binds and listens. Returns the bound port. @throws ListenError, which names the setting. */
export async function listen(
  server: Server,
  setting: string,
  address: ListenAddress,
): Promise<number> {
  const { host, port, fd } = address
  const configured = ['address', `${host}:${port}`] as const
  const listening = once(server, 'listening')
  const at = fd === undefined ? (host === '' ? { port } : { host, port }) : { fd }
  server.listen(at, BACKLOG)
  try {
    await listening
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    const facts = [configured, ['detail', code]] as const
    throw new ListenError({ setting, code: toListenCode(code), facts }, false, error)
  }
  // An inherited socket may have a path.
  const bound = server.address() as AddressInfo | string
  const isPath = typeof bound === 'string'
  if (!isPath && (fd === undefined || isAt(address, bound))) return bound.port
  server.close()
  const elsewhere = isPath ? bound : `${urlHost(bound.address)}:${bound.port}`
  const facts = [configured, ['socketAddress', elsewhere]] as const
  throw new ListenError({ setting, code: 'socket-elsewhere', facts }, true)
}

/** Binds, listens and closes. @throws ListenError */
export async function tryToListen(setting: string, address: ListenAddress): Promise<void> {
  const server = createServer()
  await listen(server, setting, address)
  server.close()
}

/** Returns true if an inherited socket has the configured address, on which the rules for network access depend. */
function isAt({ host, port }: ListenAddress, bound: AddressInfo): boolean {
  const { address } = bound
  if (bound.port !== port) return false
  if (host === '') return address === '::' || address === '0.0.0.0'
  return host === address || (host.toLowerCase() === 'localhost' && isLoopback(address))
}
