import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'

/** PEM texts. */
export interface SimulatorTls {
  readonly cert: string
  readonly key: string
  /** True: a client without a certificate of `ca` is refused in the handshake. */
  readonly requestCert?: boolean
  readonly ca?: string
}

export interface Listener {
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
  /** Connections accepted since the start. */
  readonly connections: number
  disconnect(): number
  down(): Promise<void>
  up(): Promise<void>
  setKeepAlive(ms: number): void
}

/** Enough for 1,000 connections that arrive at once. */
const BACKLOG = 4096
const LARGEST_HEAD = 64 * 1024

/** Listens on loopback; answers once the port is known. */
export async function openListener(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  { tls, port }: { readonly tls: SimulatorTls | undefined; readonly port: number },
): Promise<Listener> {
  const server = createHttpServer(handle, tls)
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => sockets.delete(socket))
  })
  const taken = await listen(server, port)

  function disconnect(): number {
    const open = sockets.size
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    return open
  }

  return {
    port: taken,
    sockets,
    get connections() {
      return connections
    },
    disconnect,
    async down() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      disconnect()
      await closed
    },
    async up() {
      if (!server.listening) await listen(server, taken)
    },
    setKeepAlive(ms) {
      server.keepAliveTimeout = ms
    },
  }
}

function createHttpServer(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  tls: SimulatorTls | undefined,
): Server {
  const limits = { maxHeaderSize: LARGEST_HEAD, requestTimeout: 0 }
  if (tls === undefined) return createServer(limits, handle)
  const { requestCert = false, ...pems } = tls
  return createTlsServer(
    { ...limits, ...pems, requestCert, rejectUnauthorized: requestCert },
    handle,
  )
}

/** Loopback only: nobody but this machine has any business with a simulator. */
export async function listen(server: NetServer, port: number): Promise<number> {
  server.listen({ port, host: '127.0.0.1', backlog: BACKLOG })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
