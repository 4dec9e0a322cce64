import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Client } from '../http/client.ts'
import type { HeaderLines } from './headers.ts'
import { PROBLEMS, problemBody, problemHeaders, type ProblemCode } from '../http/problem.ts'

/** The exchange with the client that an answer belongs to. */
export interface Answering {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
}

/** The head of an answer as the client is to get it. */
export interface AnswerHead {
  readonly status: number
  /** As undici gives it: read as UTF-8, and of a phrase that came in pieces the last one only. */
  readonly reason: string
  readonly fields: HeaderLines
}

/** Milliseconds. */
const HALF_CLOSE = 500

/** @throws when Node would not send these fields; nothing is sent then. */
export function relayHead({ request, response }: Answering, head: AnswerHead): void {
  closeIfUnread(request, response)
  response.writeHead(head.status, reasonBytes(head), head.fields as string[])
  // Head and first piece leave together when they came together; else the head goes alone, now.
  process.nextTick(flushHead, response)
}

/** Relays an answer whose body is at hand. */
export function relayWhole({ request, response }: Answering, head: AnswerHead, body: Buffer): void {
  closeIfUnread(request, response)
  response.writeHead(head.status, reasonBytes(head), head.fields as string[])
  response.end(body)
}

/** RFC 9110 section 15.2.2: nobody asked to switch protocols, and what follows a 101 would not be HTTP. */
export function isInterim(status: number): boolean {
  return status >= 100 && status < 200 && status !== 101
}

/**
 * Relays a 1xx answer. Node has methods for three of them only, each with its own idea of the fields; nothing of
 * the final answer has been written yet, so the bytes may go straight to the socket.
 */
export function relayInformational({ request, response }: Answering, head: AnswerHead): void {
  // RFC 9110 section 15.2: none to a 1.0 client. Behind another answer on its connection, it is not its turn.
  if (request.httpVersion === '1.0' || response.socket === null || response.headersSent) return
  // A flood of them is not kept for a client that does not read.
  if (response.socket.writableNeedDrain) return
  const { status, fields } = head
  let bytes = `HTTP/1.1 ${status} ${reasonBytes(head)}\r\n`
  for (let i = 0; i < fields.length; i += 2) bytes += `${fields[i]}: ${fields[i + 1]}\r\n`
  response.socket.write(`${bytes}\r\n`, 'latin1')
}

/** Writes an answer of our own. `retryAfter` in milliseconds, told with a 503. */
export function writeProblem(
  { request, response, requestId }: Answering,
  code: ProblemCode,
  retryAfter?: number,
): void {
  const body = problemBody(code, requestId)
  closeIfUnread(request, response)
  response.writeHead(PROBLEMS[code].status, problemHeaders(code, body, { requestId, retryAfter }))
  response.end(body)
}

/**
 * Ends an answer that has begun so that it never looks complete. To a 1.0 client the end of the connection may be the
 * end of the answer, so it is reset where that can be: TLS has its own alert for a regular end, a Unix socket nothing.
 */
export function cutAnswer({ request, response }: Answering): void {
  const { socket } = response
  const tcp = socket?.remoteFamily !== undefined && !('encrypted' in socket)
  if (tcp && request.httpVersion === '1.0') socket.resetAndDestroy()
  response.destroy()
}

/**
 * True when nobody waits for the answer any more: the client ended its side of the connection, and not at once, as one
 * does that only says in this way that its request is whole. `wholeAt` is when it was; monotonic milliseconds.
 */
export function hasGivenUp({ endedAt }: Client, wholeAt: number): boolean {
  return endedAt !== undefined && endedAt - wholeAt >= HALF_CLOSE
}

/** RFC 9110 section 6.4.1. */
export function hasNoBody(method: string | undefined, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

/** An answer before the request's end: what is left of it must not be taken for the next request. */
function closeIfUnread(request: IncomingMessage, response: ServerResponse): void {
  if (!request.complete) response.shouldKeepAlive = false
}

/** One character a byte, and none that Node would refuse: a phrase in Chinese is no reason to lose the answer. */
function reasonBytes({ status, reason }: AnswerHead): string {
  const usual = STATUS_CODES[status]
  if (usual?.endsWith(reason) === true) return usual
  return Buffer.from(reason)
    .toString('latin1')
    .replaceAll(/[^\t -~\u0080-\u00ff]/g, '')
}

function flushHead(response: ServerResponse): void {
  if (!response.writableEnded && response.writable) response.flushHeaders()
}
