import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { framingOf, HttpError, readBody, readHead, valueOf } from './http-bytes.ts'
import type { Field, Framing } from './http-bytes.ts'
import { inboxOf, whole, write, type Inbox } from './raw-socket.ts'
import { closing } from './tcp-server.ts'
import { within } from './until.ts'

export interface RawTarget {
  readonly port?: number
  /** Options for TLS. Default: plain TCP. */
  readonly tls?: ConnectionOptions
}

export type RawResponse = Awaited<ReturnType<typeof readResponse>>

export interface ReadOptions {
  /** Method of the request; responses to HEAD and CONNECT have no body. Default: GET. */
  readonly method?: string
  readonly limitMs?: number
}

/** Returns a request with a Content-Length. */
export const requestText = (startLine: string, fields: readonly string[], body: string): string =>
  [startLine, ...fields, `Content-Length: ${body.length}`, '', body].join('\r\n')

export type RawClient = ReturnType<typeof clientOf>

/** Connects until the test ends. Rejects if the connection or its TLS handshake fails. */
export async function connectRaw(target: RawTarget): Promise<RawClient> {
  const client = await open(target)
  closing.push(() => client.destroy())
  return client
}

async function open(target: RawTarget): Promise<RawClient> {
  const { port = 0, tls } = target
  const place = { host: '127.0.0.1', port }
  const socket =
    tls === undefined
      ? connectTcp(place)
      : connectTls({ servername: 'localhost', ...tls, ...place })
  const inbox = inboxOf(socket)
  await within(once(socket, tls === undefined ? 'connect' : 'secureConnect'), 'connecting')
  socket.setNoDelay(true)
  return clientOf(socket, inbox)
}

export async function exchangeRaw(
  target: RawTarget,
  request: string | Uint8Array,
  options: ReadOptions = {},
): Promise<RawResponse> {
  const client = await open(target)
  try {
    await client.send(request)
    return await client.read(options)
  } finally {
    client.destroy()
  }
}

function clientOf(socket: Socket, inbox: Inbox) {
  return {
    socket,
    send: (data: string | Uint8Array) => write(socket, data),
    /** @throws {HttpError} if the bytes are not an HTTP response; {Error} if they are cut or late. */
    read: ({ method = 'GET', limitMs = 15_000 }: ReadOptions = {}) =>
      within(readResponse(inbox, method), 'a response', limitMs),
    /** Returns the members of a problem response, with the status of the response itself. */
    async readProblem() {
      const { status, text } = await within(readResponse(inbox, 'POST'), 'a response')
      return { ...(JSON.parse(text) as object), status }
    },
    readInterim: async () => {
      const { status } = await within(readResponseHead(inbox), 'a 1xx response')
      if (status >= 200)
        throw new HttpError(`a final response (${status}) instead of a 1xx response`)
      return { status }
    },
    /** Waits until the peer ends the connection. `left`: unread bytes. */
    async closed() {
      const ended = async (): Promise<void> => {
        while (inbox.end === undefined) await inbox.change()
      }
      await within(ended(), 'the end of the connection')
      return { reset: inbox.end instanceof Error, left: Buffer.from(inbox.bytes) }
    },
    /** Returns true if the peer sends no byte and stays connected for this time. */
    async silent(ms: number) {
      const before = inbox.total
      await delay(ms)
      return inbox.total === before && inbox.end === undefined
    },
    left: () => Buffer.from(inbox.bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    /** Half-closes; responses are still read. */
    end: () => socket.end(),
    /** Sends a RST if the socket supports that. */
    reset: () => void socket.resetAndDestroy(),
    destroy: () => void socket.destroy(),
  }
}

async function readResponse(inbox: Inbox, method: string) {
  const { status, reason, fields } = await readResponseHead(inbox)
  if (status < 200) throw new HttpError(`an interim response: ${status}`)
  const framing = responseFraming(fields, status, method)
  const parse = () => readBody(inbox.bytes, framing, inbox.end === 'fin')
  const found = await whole(inbox, 'body', parse)

  // The inbox will overwrite these bytes.
  const body = Buffer.from(found.content)
  inbox.take(found.length)
  const header = (name: string) => valueOf(fields, name)
  return { status, reason, fields, header, body, text: body.toString(), framing: framing.kind }
}

async function readResponseHead(inbox: Inbox) {
  const { startLine, fields, length } = await whole(inbox, 'head', () => readHead(inbox.bytes))
  inbox.take(length)
  const line = /^HTTP\/1\.[01] (\d{3}) ([\t\x20-\x7e\x80-\xff]*)$/.exec(startLine)
  const [, status, reason] = line ?? []
  if (status === undefined) throw new HttpError(`status line ${JSON.stringify(startLine)}`)
  return { status: Number(status), reason, fields }
}

/** RFC 9112 section 6.3. */
function responseFraming(fields: readonly Field[], status: number, method: string): Framing {
  const framing = framingOf(fields, 'close')
  const bodiless = method === 'HEAD' || status === 204 || status === 304 || status < 200
  return bodiless || (method === 'CONNECT' && status < 300) ? { kind: 'none' } : framing
}
