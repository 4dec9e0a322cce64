import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { framingOf, HttpError, readBody, readHead, valueOf, valuesOf } from './http-bytes.ts'
import type { Field, Head } from './http-bytes.ts'
import { inboxOf, whole, write, type Inbox } from './raw-socket.ts'

export interface RawRequest {
  /** 0 for the first connection. */
  readonly connection: number
  readonly method: string
  readonly target: string
  readonly fields: readonly Field[]
  header(name: string): string | undefined
  readonly bytes: Buffer
}

/** Sends bytes (text as Latin-1), waits, ends with a FIN (`end`) or a RST, or runs a function and performs its result. */
export type Step =
  | string
  | Uint8Array
  | { readonly waitMs: number }
  | { readonly close: 'end' | 'reset' }
  | (() => unknown)

export interface RawUpstreamOptions {
  readonly respond: (
    request: RawRequest,
  ) => Step | readonly Step[] | Promise<Step | readonly Step[]>
  readonly tls?: TlsOptions
}

export type RawUpstream = Awaited<ReturnType<typeof startRawUpstream>>

export function responseBytes(
  body: string,
  { status = '200 OK', fields = [] }: { status?: string; fields?: readonly string[] } = {},
): string {
  const length = `Content-Length: ${Buffer.byteLength(body, 'latin1')}`
  return [`HTTP/1.1 ${status}`, ...fields, length, '', body].join('\r\n')
}

/** Starts a server that reads strictly, keeps every byte, and responds with exactly the given bytes. */
export async function startRawUpstream(options: RawUpstreamOptions) {
  const requests: RawRequest[] = []
  const faults: string[] = []
  const open = new Set<Socket>()
  const inboxes: Inbox[] = []

  async function serve(socket: Socket, inbox: Inbox, connection: number): Promise<void> {
    for (;;) {
      const head = await whole(inbox, 'head', () => readHead(inbox.bytes))
      const { framing, ...about } = parseRequest(head)
      const parse = () => readBody(inbox.bytes.subarray(head.length), framing, false)
      const body = await whole(inbox, 'body', parse)

      const request = { ...about, connection, bytes: inbox.take(head.length + body.length) }
      requests.push(request)
      if (!(await perform(socket, await options.respond(request)))) return
    }
  }

  function accept(socket: Socket): void {
    const inbox = inboxOf(socket)
    const connection = inboxes.push(inbox) - 1
    serve(socket, inbox, connection).catch((error: unknown) => {
      if (error instanceof HttpError) faults.push(`connection ${connection}: ${error.message}`)
      // The client has half-closed after its last request.
      if (inbox.end === 'fin' && inbox.bytes.length === 0) socket.end()
      else socket.destroy()
    })
  }

  // Half-open, so that a client that half-closes still gets its response.
  const server =
    options.tls === undefined
      ? createServer({ allowHalfOpen: true }, accept)
      : createTlsServer({ allowHalfOpen: true, ...options.tls }, accept)
  // The client reports a failed handshake; without a listener, the half-open socket would stay open.
  server.on('tlsClientError', () => undefined)
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    port,
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    /** Complete requests, in the order of their ends. */
    requests: requests as readonly RawRequest[],
    /** Every violation of HTTP/1.1 in the received bytes. A test ends by expecting none. */
    faults: faults as readonly string[],
    connections: () => inboxes.length,
    open: () => open.size,
    /** Total bytes received, including a request in progress. */
    received: () => inboxes.reduce((sum, { total }) => sum + total, 0),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** RFC 9112 section 3. */
function parseRequest({ startLine, fields }: Head) {
  const line = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/.exec(startLine)
  const [, method, target] = line ?? []
  if (method === undefined || target === undefined)
    throw new HttpError(`request line ${JSON.stringify(startLine)}`)
  const hosts = valuesOf(fields, 'host').length
  if (hosts !== 1) throw new HttpError(`${hosts} Host fields`)
  const header = (name: string): string | undefined => valueOf(fields, name)
  return { method, target, fields, header, framing: framingOf(fields, 'none') }
}

/** Performs the steps in order. Returns false if one of them ended the connection. */
async function perform(socket: Socket, steps: Step | readonly Step[]): Promise<boolean> {
  for (const step of [steps].flat()) {
    const done: unknown = typeof step === 'function' ? await step() : step
    if (typeof done === 'string' || done instanceof Uint8Array) await write(socket, done)
    const { waitMs, close } = Object(done) as { waitMs?: number; close?: 'end' | 'reset' }
    if (waitMs !== undefined) await delay(waitMs)
    if (close === undefined) continue
    if (close === 'end') socket.end()
    else socket.resetAndDestroy()
    return false
  }
  return true
}
