import { once } from 'node:events'
import {
  createServer,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { COMMANDS, type Commands } from './commands.ts'
import { parseObject, readBody } from './response.ts'
import { check } from './switches.ts'

/** PEM texts. */
export interface SimulatorTls {
  readonly cert: string
  readonly key: string
  /** If true, the handshake refuses a client without a certificate of `ca`. */
  readonly requestCert?: boolean
  readonly ca?: string
}

export interface SimulatedServer {
  readonly server: HttpServer | HttpsServer
  readonly port: number
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>
  /** Connections accepted since the start. */
  readonly connections: number
  disconnect(): number
  down(): Promise<void>
  up(): Promise<void>
}

interface Place {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

/** Enough for 1,000 simultaneous connections. */
const BACKLOG = 4096

/** Listens for requests of iSales' clients. */
export async function openServer(
  handle: RequestListener,
  { tls, host, port }: Place & { readonly tls: SimulatorTls | undefined },
): Promise<SimulatedServer> {
  const limits = { maxHeaderSize: 64 * 1024, requestTimeout: 0 }
  const server =
    tls === undefined
      ? createServer(limits, handle)
      : createTlsServer({ ...limits, ...tls, rejectUnauthorized: tls.requestCert ?? false }, handle)
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => sockets.delete(socket))
  })
  const taken = await listen(server, { host, port })

  function disconnect(): number {
    const open = sockets.size
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    return open
  }

  return {
    server,
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
      if (!server.listening) await listen(server, { host, port: taken })
    },
  }
}

interface ControlOptions extends Place {
  readonly commands: Commands
  readonly state: () => unknown
  readonly requests: () => unknown
}

/**
 * The control port: `POST /control/<command>`, `GET /control/state`, `GET /control/requests`.
 * JSON in and out.
 */
export async function openControl({ commands, state, requests, ...place }: ControlOptions) {
  const server = createServer((request, response) => {
    const [, root, name = '', ...rest] = (request.url ?? '').split('/')
    const run = async (): Promise<void> => {
      if (root !== 'control' || rest.length > 0) return reply(response, 404, { error: 'not found' })
      if (request.method === 'GET' && name === 'state') return reply(response, 200, state())
      if (request.method === 'GET' && name === 'requests') return reply(response, 200, requests())
      if (!isCommand(name)) return reply(response, 404, { error: `${name} is not a command` })
      if (request.method !== 'POST') return reply(response, 405, { error: 'commands are POST' })
      const text = (await readBody(request))?.toString() ?? ''
      const input = parseObject(text === '' ? '{}' : text)
      if (input === undefined)
        return reply(response, 400, { error: 'the body is not a JSON object' })
      try {
        reply(response, 200, { done: name, value: await runCommand(commands, name, input) })
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
        reply(response, 400, { error: error.message })
      }
    }
    run().catch(() => response.destroy())
  })
  const port = await listen(server, place)
  return {
    port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

export function isCommand(name: string): name is keyof Commands {
  return Object.hasOwn(COMMANDS, name)
}

/** @throws {TypeError} if the argument is invalid for the command. */
export async function runCommand(
  commands: Commands,
  name: keyof Commands,
  input: object,
): Promise<unknown> {
  const run = commands[name] as (input: unknown) => unknown
  return (await run(check(COMMANDS[name], input))) ?? null
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

async function listen(server: Server, { host, port }: Place): Promise<number> {
  server.listen({ port, host, backlog: BACKLOG })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
