import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import {
  framingOf,
  HttpError,
  readBody,
  readHead,
  valueOf,
  valuesOf,
  type Body,
  type Field,
  type Framing,
  type Head,
} from './http-bytes.ts'
import { inboxOf, write, type Inbox } from './raw-socket.ts'

/** One request as its bytes say. */
export interface RawRequest {
  /** 0 for the first that any connection brought. */
  readonly index: number
  /** 0 for the first connection. */
  readonly connection: number
  readonly method: string
  readonly target: string
  readonly fields: readonly Field[]
  header(name: string): string | undefined
  readonly framing: Framing['kind']
  /** Every byte, as it came. */
  readonly bytes: Buffer
  readonly body: Buffer
  readonly trailers: readonly Field[]
}

/**
 * What is done next on the connection: bytes are sent (text as Latin-1); a function runs, and what it gives is done;
 * `close` ends the connection with a FIN once all is sent (`end`), with a RST (`reset`), or immediately (`destroy`).
 */
export type Step =
  | string
  | Uint8Array
  | { readonly waitMs: number }
  | { readonly close: 'end' | 'reset' | 'destroy' }
  | (() => unknown)

export interface RawUpstreamOptions {
  /** The response; asked when the request is whole. */
  readonly respond: (
    request: RawRequest,
  ) => Step | readonly Step[] | Promise<Step | readonly Step[]>
  readonly tls?: TlsOptions
}

export type RawUpstream = Awaited<ReturnType<typeof startRawUpstream>>

/** A response with a body of known length; fields as given. */
export function responseBytes(
  body: string,
  { status = '200 OK', fields = [] }: { status?: string; fields?: readonly string[] } = {},
): string {
  const length = `Content-Length: ${Buffer.byteLength(body, 'latin1')}`
  return [`HTTP/1.1 ${status}`, ...fields, length, '', body].join('\r\n')
}

/** A server that reads strictly, keeps every byte, and responds with exactly the bytes that it is given. */
export async function startRawUpstream(options: RawUpstreamOptions) {
  const requests: RawRequest[] = []
  const faults: string[] = []
  const sockets = new Set<Socket>()
  const inboxes: Inbox[] = []
  let index = 0
  let cut = 0

  async function serve(socket: Socket, inbox: Inbox, connection: number): Promise<void> {
    for (;;) {
      const head = await readWhole(inbox, () => readHead(inbox.bytes))
      if (head === undefined) return void socket.end()
      const { framing, ...about } = judge(head)
      const started = { index: index++, connection, framing: framing.kind, ...about }
      const body = await readWhole(inbox, () => bodyAfter(inbox, head, framing))
      if (body === undefined) return
      const request = {
        ...started,
        bytes: inbox.take(head.length + body.length),
        body: Buffer.from(body.content),
        trailers: body.trailers,
      }
      requests.push(request)
      const steps = await options.respond(request)
      if (!(await perform(socket, toSteps(steps)))) return
    }
  }

  function accept(socket: Socket): void {
    const inbox = inboxOf(socket)
    const connection = inboxes.push(inbox) - 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(socket, inbox, connection).catch((error: unknown) => {
      if (error instanceof HttpError) faults.push(`connection ${connection}: ${error.message}`)
      else cut += 1
      socket.destroy()
    })
  }

  // Half-open, so that a client that has sent all and said so still gets its response.
  const server =
    options.tls === undefined
      ? createServer({ allowHalfOpen: true }, accept)
      : createTlsServer({ allowHalfOpen: true, ...options.tls }, accept)
  // A handshake that fails is the client's matter, and shows there; its socket, half open, would stay for ever.
  server.on('tlsClientError', () => undefined)
  const accepted = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    accepted.add(socket)
    socket.once('close', () => accepted.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    port,
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    /** Requests that came whole, in the order of their ends. */
    requests: requests as readonly RawRequest[],
    /** Every violation of HTTP/1.1 in what came. A test ends with expecting none. */
    faults: faults as readonly string[],
    /** Accepted since the start. */
    connections: () => inboxes.length,
    /** Connections open now. */
    open: () => sockets.size,
    /** Requests that began and did not end. */
    cut: () => cut,
    /** Bytes that came, all in all, those of a request in progress too. */
    received: () => inboxes.reduce((sum, { total }) => sum + total, 0),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of [...sockets, ...accepted]) socket.destroy()
      await closed
    },
  }
}

/** What `parse` finds at the start of the bytes; undefined when the connection ended before the first byte. */
async function readWhole<Part>(
  inbox: Inbox,
  parse: () => Part | undefined,
): Promise<Part | undefined> {
  for (;;) {
    const part = parse()
    if (part !== undefined) return part
    if (inbox.end !== undefined) {
      if (inbox.bytes.length > 0) throw new Error('the request was cut')
      return undefined
    }
    await inbox.change()
  }
}

function bodyAfter(inbox: Inbox, head: Head, framing: Framing): Body | undefined {
  return readBody(inbox.bytes.subarray(head.length), framing, false)
}

/** RFC 9112 section 3. */
function judge({ startLine, fields }: Head) {
  const line = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/.exec(startLine)
  const [, method, target] = line ?? []
  if (method === undefined || target === undefined)
    throw new HttpError(`request line ${JSON.stringify(startLine)}`)
  const hosts = valuesOf(fields, 'host').length
  if (hosts !== 1) throw new HttpError(`${hosts} Host fields`)
  const header = (name: string): string | undefined => valueOf(fields, name)
  return { method, target, fields, header, framing: framingOf(fields, 'none') }
}

function toSteps(steps: Step | readonly Step[]): readonly Step[] {
  return Array.isArray(steps) ? (steps as readonly Step[]) : [steps as Step]
}

/** Does the steps in order; false when one of them ended the connection. */
async function perform(socket: Socket, steps: readonly Step[]): Promise<boolean> {
  for (const step of steps) {
    const done: unknown = typeof step === 'function' ? await step() : step
    if (typeof done === 'string' || done instanceof Uint8Array) await write(socket, done)
    else if (isStep(done, 'waitMs')) await delay(done.waitMs)
    else if (isStep(done, 'close')) {
      if (done.close === 'end') socket.end()
      else if (done.close === 'reset') socket.resetAndDestroy()
      else socket.destroy()
      return false
    }
  }
  return true
}

function isStep<Name extends 'waitMs' | 'close'>(
  value: unknown,
  name: Name,
): value is Extract<Step, Readonly<Record<Name, unknown>>> {
  return typeof value === 'object' && value !== null && name in value
}
