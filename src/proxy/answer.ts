import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerFields } from './headers.ts'
import { PROBLEMS, problemBody, problemFields, type ProblemCode } from './problem.ts'

/** The exchange with the client that an answer belongs to. */
export interface Answering {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
}

/** The head of an answer of iSales, as it came. */
export interface UpstreamAnswer {
  readonly status: number
  readonly reason: string
  /** Name, value, name, value. */
  readonly raw: readonly Uint8Array[]
  /** A field that carries one of these is not relayed. */
  readonly secrets: readonly string[]
}

/** Relays the head; returns the announced length of the body, -1 when it is not known. */
export function relayHead(
  { request, response, requestId }: Answering,
  answer: UpstreamAnswer,
): number {
  const { status, reason, raw, secrets } = answer
  const { fields, contentLength } = answerFields(status, raw, secrets, requestId)
  closeIfUnread(request, response)
  response.writeHead(status, reason, fields)
  // Head and first piece leave together when they came together; else the head goes alone, now.
  process.nextTick(flushHead, response)
  return contentLength
}

/**
 * Relays a 1xx answer. Node has methods for three of them only, each with its own idea of the fields; nothing of
 * the final answer has been written yet, so the bytes may go straight to the socket.
 */
export function relayInformational(
  { request, response, requestId }: Answering,
  { status, reason, raw, secrets }: UpstreamAnswer,
): void {
  if (request.httpVersion === '1.0' || response.socket === null) return
  const { fields } = answerFields(status, raw, secrets, requestId)
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  response.socket.write(`${head}\r\n`, 'latin1')
}

/** Writes an answer of our own. `retryAfter` in milliseconds, told with a 503. */
export function writeProblem(
  { request, response, requestId }: Answering,
  code: ProblemCode,
  retryAfter?: number,
): void {
  const body = problemBody(code, requestId)
  closeIfUnread(request, response)
  response.writeHead(PROBLEMS[code].status, problemFields(code, body, { requestId, retryAfter }))
  response.end(body)
}

/** An answer before the request's end: what is left of it must not be taken for the next request. */
function closeIfUnread(request: IncomingMessage, response: ServerResponse): void {
  if (!request.complete) response.shouldKeepAlive = false
}

function flushHead(response: ServerResponse): void {
  if (!response.writableEnded && response.writable) response.flushHeaders()
}
