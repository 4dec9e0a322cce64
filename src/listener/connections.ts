import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PROBLEMS, problemBody, problemHeaders } from '../http/problem.ts'
import type { ProblemCode } from '../http/problem.ts'
import type { Client } from '../http/client.ts'

/** How many bytes had gone one way at the last look, and when they were last seen to move, or excused. */
interface Progress {
  bytes: number
  at: number
}

/** One client connection after its TLS handshake, and the exchanges on it. */
interface Connection extends Client {
  readonly socket: Socket
  /** In the order of their requests; those that have ended stay until somebody looks. */
  readonly open: ServerResponse[]
  /** Over the cap: its first request is answered 503. */
  readonly refused: boolean
  /** No more requests are taken from it: it closes when what is open has been answered. */
  failed: boolean
  endedAt: number | undefined
  /** Of the body in progress. */
  readonly received: Progress
  /** Of what waits for the client to take it. */
  readonly sent: Progress
}

export interface ConnectionsOptions {
  /** Connections served at once. */
  readonly maxConnections: number
  /** Milliseconds without a byte of a body that is awaited, or of what the client is to take. */
  readonly bodyIdleTimeout: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Each answer that was made here, for the count by code. */
  readonly onProblem: (code: ProblemCode) => void
}

/** Keeps every open connection: who is over the cap, who has stalled, what must not be written into. */
export function createConnections(options: ConnectionsOptions) {
  const connections = new Map<Socket, Connection>()
  let draining = false

  function add(socket: Socket): void {
    const refused = connections.size >= options.maxConnections
    const connection: Connection = {
      socket,
      open: [],
      refused,
      failed: false,
      endedAt: undefined,
      received: { bytes: 0, at: options.now() },
      sent: { bytes: 0, at: options.now() },
    }
    connections.set(socket, connection)
    socket.once('end', () => {
      connection.endedAt = options.now()
    })
    socket.once('close', () => {
      connections.delete(socket)
      // Once Node has told the response whose turn it is.
      process.nextTick(closeOpen, connection)
    })
  }

  /** Takes note of a request; undefined when it goes no further: it was answered here, or nobody would read the answer. */
  function admit(request: IncomingMessage, response: ServerResponse): Client | undefined {
    const connection = connections.get(request.socket)
    if (connection === undefined) return undefined
    // RFC 9112 section 9.6: behind an answer that closes the connection nothing is served, or it would be executed
    // and its answer lost.
    if (request.socket.writableEnded || connection.open.some(closes)) connection.failed = true
    letGo(connection)
    connection.open.push(response)
    connection.received.at = options.now()
    if (connection.failed) return undefined
    if (request.headers.upgrade !== undefined) {
      // Node's parser drops what came in one packet behind such a request: the answer must say that
      // nothing behind it was served.
      connection.failed = true
      response.shouldKeepAlive = false
    }
    if (draining) response.shouldKeepAlive = false
    if (!connection.refused) return connection
    answer(response, 'overloaded')
    return undefined
  }

  /**
   * A request that could not be read. The error may stand behind a request whose answer is under way: that
   * answer is never touched. When the error is in the body of the last request, the answer to that request
   * says so; else it is said after the last answer, if the connection is still open then.
   */
  function fail(socket: Socket, code: ProblemCode): void {
    const connection = connections.get(socket)
    if (connection === undefined || connection.failed) return
    connection.failed = true
    const open = connection.open.filter(unfinished)
    const last = open.at(-1)
    if (last === undefined) {
      refuse(socket, code)
      return
    }
    if (!last.req.complete && !last.headersSent) {
      answer(last, code)
      return
    }
    last.once('close', () => refuse(socket, code))
  }

  /** CONNECT: Node has let go of the socket, and what it did for answers under way is left to do here. */
  function takeOver(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    const open = connections.get(socket)?.open.filter(unfinished) ?? []
    socket.on('drain', () => open.find(unfinished)?.emit('drain'))
    fail(socket, 'not-allowed')
  }

  /** The last word on a connection; nothing of an answer may be under way. */
  function refuse(socket: Socket, code: ProblemCode): void {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    options.onProblem(code)
    socket.end(rawAnswer(code))
    socket.destroySoon()
  }

  /** Answers a request in its turn; the connection is closed behind it. */
  function answer(response: ServerResponse, code: ProblemCode): void {
    options.onProblem(code)
    const requestId = randomUUID()
    const body = problemBody(code, requestId)
    response.shouldKeepAlive = false
    response.writeHead(PROBLEMS[code].status, problemHeaders(code, body, { requestId }))
    response.end(body)
    if (response.req.complete) return
    // Node forgets a request once it is answered: without this its reader would wait for ever.
    response.once('close', () => response.req.destroy(new Error(PROBLEMS[code].title)))
  }

  /** Ends exchanges whose client owes us a body and has sent nothing of it, or takes nothing of an answer, for too long. */
  function sweep(): void {
    for (const connection of connections.values()) {
      if (takesNothing(connection)) connection.socket.destroy()
      else sweepBody(connection)
      letGo(connection)
    }
  }

  /**
   * A write counts when all of it has left. What the kernel took of it would tell no more: it makes room in steps that are
   * larger than a piece of an answer.
   */
  function takesNothing({ socket, sent }: Connection): boolean {
    const waiting = socket.writableLength
    return standsStill(sent, socket.bytesWritten - waiting, waiting === 0)
  }

  function sweepBody(connection: Connection): void {
    const { socket, open, received } = connection
    const last = open.at(-1)
    if (last === undefined || last.req.complete) return
    if (standsStill(received, socket.bytesRead, heldBack(socket, last.req)))
      stalled(connection, last)
  }

  function standsStill(way: Progress, bytes: number, excused: boolean): boolean {
    const now = options.now()
    if (excused || bytes !== way.bytes) {
      way.bytes = bytes
      way.at = now
    }
    return now - way.at >= options.bodyIdleTimeout
  }

  function stalled(connection: Connection, response: ServerResponse): void {
    if (!unfinished(response)) connection.socket.destroy()
    // One that has begun closes the connection at its end; until then it is not to be cut.
    else if (!response.headersSent) answer(response, 'request-timeout')
  }

  /** From here on every answer closes its connection. */
  function retire(): void {
    draining = true
  }

  /** As `retire`, and connections without a request in progress close now. */
  function drain(): void {
    retire()
    for (const connection of connections.values()) {
      // The last one only: behind an answer that says close, no other is sent.
      const last = connection.open.at(-1)
      if (last !== undefined && !last.headersSent) last.shouldKeepAlive = false
      closeIfIdle(connection)
    }
  }

  /**
   * Node's own `closeIdleConnections` destroys a connection whose answer was handed over but has not left
   * yet, which cuts it.
   */
  function closeIfIdle(connection: Connection): void {
    if (connection.open.some(unfinished)) return
    const { socket, received } = connection
    // Bytes since the last look are the beginning of a request.
    if (received.bytes === socket.bytesRead) socket.destroySoon()
    else received.bytes = socket.bytesRead
  }

  return {
    add,
    admit,
    fail,
    takeOver,
    sweep,
    retire,
    drain,
  }
}

/**
 * Closed ones go as others come, so that no listener is needed on each response, and at each sweep: a connection that idles
 * does not keep its last request and all that was kept of it.
 */
function letGo({ open }: Connection): void {
  while (open[0]?.destroyed === true && open[0].req.complete) open.shift()
}

/** Node tells only the response whose turn it is: those behind it would wait for theirs, and for a drain, for ever. */
function closeOpen({ open }: Connection): void {
  for (const response of open.filter(unfinished)) {
    response.destroy()
    response.emit('close')
  }
}

function closes(response: ServerResponse): boolean {
  return !response.shouldKeepAlive
}

/** Until its last byte has been handed to the kernel. */
function unfinished(response: ServerResponse): boolean {
  return !response.destroyed
}

/** True while it is we who do not read: the client cannot send then. */
function heldBack(socket: Socket, request: IncomingMessage): boolean {
  return request.readableLength >= request.readableHighWaterMark || socket.isPaused()
}

/** For a connection that has no response object: the request's head could not be read. */
function rawAnswer(code: ProblemCode): string {
  const { status } = PROBLEMS[code]
  const requestId = randomUUID()
  const body = problemBody(code, requestId)
  const fields = problemHeaders(code, body, { requestId })
  fields.push('Date', new Date().toUTCString(), 'Connection', 'close')
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < fields.length; index += 2)
    head += `${fields[index] ?? ''}: ${fields[index + 1] ?? ''}\r\n`
  return `${head}\r\n${body}`
}
