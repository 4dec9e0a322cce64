// Clients of the proxy: some behave as CTI-OBS does, others hang up, stall, pipeline or send what is no HTTP.
import { connect, type Socket } from 'node:net'
import {
  BASE_PATH,
  ECHO_PATH,
  INTERFACE_PATHS,
  LOGIN_PATH,
  UPLOAD_PATH,
} from '../../simulator/index.ts'
import { framingOf, readBody, readHead, valueOf } from '../support/http-bytes.ts'
import type { Call, Heard } from './judge.ts'

/** The path that iSales refuses now and then, whatever the token. */
export const PROBED_PATH = INTERFACE_PATHS.getHoliDay

/** The path of most calls. Now and then iSales serves it without a look at the token. */
export const COMMON_PATH = INTERFACE_PATHS.getTask

/** How a call is sent, and where its client hangs up. */
export interface Manner {
  readonly kind: 'json' | 'chunked' | 'upload' | 'get' | 'expect' | 'probe' | 'unusual' | 'garbage'
  /** Bytes of an upload. */
  readonly bytes: number
  /** Milliseconds between two parts of the request; 0: it is sent whole. */
  readonly pause: number
  /** Undefined: the client stays. `stall`: it stays, and sends no more. */
  readonly hangUp: 'in-request' | 'stall' | 'waiting' | 'in-response' | 'half' | undefined
  /** Milliseconds until it hangs up, when it waits. */
  readonly patience: number
}

/** Time, and on whose behalf something is done. */
export interface Machine {
  readonly time: () => number
  readonly later: (ms: number, run: () => void) => void
  readonly enter: <T>(act: () => T) => T
}

export interface Client {
  /** Sends the calls on one connection, behind each other, without waiting for a response between them. */
  send(manners: readonly Manner[]): void
  readonly busy: () => boolean
  close(): void
}

interface ClientOptions {
  readonly name: string
  readonly port: number
  readonly replica: number
  readonly machine: Machine
  readonly onCall: (call: Call) => void
  /** Bytes behind the last response. */
  readonly onExtra: (id: string, bytes: string) => void
}

interface Pending {
  readonly id: string
  readonly manner: Manner
  readonly from: number
  /** When the last byte was written. */
  sentAt: number
  readonly after: string | undefined
  /** The connection was opened for it. */
  readonly fresh: boolean
}

/** One client of one replica: a connection that is kept, and opened again when it is needed. */
export function createClient(options: ClientOptions): Client {
  const { name, port, replica, machine } = options
  const { time, later, enter } = machine
  let socket: Socket | undefined
  const pending: Pending[] = []
  let received = Buffer.alloc(0)
  let count = 0
  let last = ''

  function end(heard: Heard, status = 0, body = ''): void {
    const one = pending.shift()
    if (one === undefined) return
    last = one.id
    const { id, manner, from, sentAt, after, fresh } = one
    const [next] = pending
    // It is served when it is its turn.
    if (next !== undefined) next.sentAt = Math.max(next.sentAt, time())
    const problem = problemOf(body)
    options.onCall({
      id,
      replica,
      safe: manner.kind === 'get',
      garbage: manner.kind === 'garbage',
      stalls: manner.hangUp === 'stall',
      fresh: fresh && manner.pause === 0 && manner.hangUp === undefined,
      from,
      sentAt,
      to: time(),
      after,
      // A client that closes its side is taken as gone.
      heard: manner.hangUp === 'half' && heard === 'cut' ? 'hung-up' : heard,
      status,
      body,
      ...problem,
    })
  }

  function lose(heard: Heard): void {
    socket = undefined
    received = Buffer.alloc(0)
    while (pending.length > 0) end(heard)
  }

  function open(): Socket {
    if (socket !== undefined) return socket
    const opened = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket = opened
    opened.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      if (socket === opened) take(opened, false)
    })
    opened.on('end', () => {
      if (socket !== opened) return
      take(opened, true)
      opened.destroy()
    })
    opened.on('error', () => undefined)
    opened.on('close', () => {
      if (socket === opened) lose('cut')
    })
    return opened
  }

  /** Reads the responses that are whole. */
  function take(from: Socket, ended: boolean): void {
    while (received.length > 0) {
      const [first] = pending
      if (first === undefined) {
        options.onExtra(last, JSON.stringify(received.toString('latin1', 0, 60)))
        received = Buffer.alloc(0)
        return
      }
      const head = readHead(received)
      if (head === undefined) return
      const status = Number(head.startLine.split(' ')[1])
      if (status >= 100 && status < 200) {
        received = received.subarray(head.length)
        continue
      }
      if (first.manner.hangUp === 'in-response') {
        hangUp(from)
        return
      }
      const isBodiless = status === 204 || status === 304
      const framing = isBodiless ? { kind: 'none' as const } : framingOf(head.fields, 'close')
      const body = readBody(received.subarray(head.length), framing, ended)
      if (body === undefined) return
      received = received.subarray(head.length + body.length)
      end('response', status, body.content.toString('latin1'))
      if (valueOf(head.fields, 'connection')?.toLowerCase() === 'close') {
        from.end()
        if (pending.length > 0) lose('cut')
        socket = undefined
        received = Buffer.alloc(0)
        return
      }
    }
  }

  function hangUp(of: Socket): void {
    if (socket !== of) return
    lose('hung-up')
    of.resetAndDestroy()
  }

  function write(one: Pending, on: Socket, parts: readonly Buffer[]): void {
    const { manner } = one
    const [part, ...rest] = parts
    if (socket !== on || part === undefined) return
    on.write(part)
    one.sentAt = time()
    if (manner.hangUp === 'stall') return
    if (manner.hangUp === 'in-request' && rest.length < 2) {
      hangUp(on)
      return
    }
    if (rest.length > 0) {
      later(manner.pause, () => write(one, on, rest))
      return
    }
    if (manner.hangUp === 'half') on.end()
    if (manner.hangUp === 'waiting') {
      later(manner.patience, () => {
        if (pending.includes(one)) hangUp(on)
      })
    }
  }

  return {
    busy: () => pending.length > 0,
    send: (manners) =>
      enter(() => {
        const isOpen = socket !== undefined
        const on = open()
        for (const manner of manners) {
          count += 1
          const id = `${name}-${count}`
          const after = pending.at(-1)?.id
          const fresh = !isOpen && after === undefined
          const one = { id, manner, from: time(), sentAt: time(), after, fresh }
          pending.push(one)
          write(one, on, partsOf(id, manner, port))
        }
      }),
    close: () =>
      enter(() => {
        if (socket !== undefined) socket.end()
        socket = undefined
      }),
  }
}

function partsOf(id: string, manner: Manner, port: number): readonly Buffer[] {
  const { kind, bytes, pause, hangUp } = manner
  const common = `Host: 127.0.0.1:${port}\r\nX-Call-Id: ${id}\r\n`
  const json = JSON.stringify({
    id,
    serviceId: '12345',
    batchCount: 1,
    uniqueId: id,
    holidayId: '0',
  })
  const post = (path: string, fields: string) =>
    `POST ${path} HTTP/1.1\r\n${common}Content-Type: application/json\r\n${fields}\r\n`
  const length = `Content-Length: ${json.length}\r\n`
  const whole = (): readonly string[] => {
    switch (kind) {
      case 'json':
        return [post(COMMON_PATH, length), json]
      case 'probe':
        return [post(PROBED_PATH, length), json]
      case 'expect':
        return [post(INTERFACE_PATHS.pushCallOutRlt, `${length}Expect: 100-continue\r\n`), json]
      case 'chunked': {
        const half = Math.floor(json.length / 2)
        const chunks = [json.slice(0, half), json.slice(half)]
        const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
        return [post(COMMON_PATH, 'Transfer-Encoding: chunked\r\n'), ...framed, '0\r\n\r\n']
      }
      case 'upload':
        return [post(`${UPLOAD_PATH}?id=${id}`, `Content-Length: ${bytes}\r\n`), 'x'.repeat(bytes)]
      case 'get':
        return [`GET ${ECHO_PATH}?id=${id}&bytes=${bytes} HTTP/1.1\r\n${common}\r\n`]
      case 'unusual': {
        const target = `http://127.0.0.1:${port}${BASE_PATH}/business/interface`
        return [post(target, `${length}Connection: Upgrade\r\nUpgrade: h2c\r\n`), json]
      }
      case 'garbage': {
        const all = garbageOf(common)
        return [all[bytes % all.length] ?? '']
      }
    }
  }
  const buffer = Buffer.from(whole().join(''), 'latin1')
  if (pause === 0 && hangUp !== 'in-request' && hangUp !== 'stall') return [buffer]
  // Of equal size, so that a client that hangs up has sent most of it.
  const size = Math.ceil(buffer.length / 4)
  return [0, 1, 2, 3]
    .map((nth) => buffer.subarray(nth * size, (nth + 1) * size))
    .filter((part) => part.length > 0)
}

/** What is no HTTP, or is not for iSales. */
function garbageOf(common: string): readonly string[] {
  const path = `${BASE_PATH}/business/tasks`
  const start = `POST ${path} HTTP/1.1\r\n`
  return [
    `${start}${common}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde`,
    `${start}${common}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${start}${common}Transfer-Encoding: gzip\r\n\r\n`,
    `${start}${common}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `${start}Host: elsewhere.example\r\nContent-Length: 0\r\n\r\n`,
    `${start}Content-Length: 0\r\n\r\n`,
    `POST http://elsewhere.example${path} HTTP/1.1\r\n${common}Content-Length: 0\r\n\r\n`,
    `POST ${path}/../../auth/login HTTP/1.1\r\n${common}Content-Length: 0\r\n\r\n`,
    `POST ${path}/%zz HTTP/1.1\r\n${common}Content-Length: 0\r\n\r\n`,
    `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${common}\r\n`,
    `TRACE ${path} HTTP/1.1\r\n${common}\r\n`,
    `CONNECT elsewhere.example:443 HTTP/1.1\r\n${common}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${common}\r\n`,
    `POST ${LOGIN_PATH} HTTP/1.1\r\n${common}Content-Length: 2\r\n\r\n{}`,
    `${start}${common}Origin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\r\n`,
    '\u0016\u0003\u0001\r\n\r\n',
  ]
}

function problemOf(body: string): { readonly code?: string; readonly sent?: string } {
  if (!body.startsWith('{"type"')) return {}
  try {
    const { code, sent } = JSON.parse(body) as { readonly code?: string; readonly sent?: string }
    return { ...(code !== undefined && { code }), ...(sent !== undefined && { sent }) }
  } catch {
    return {}
  }
}
