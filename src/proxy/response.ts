import { STATUS_CODES, type ServerResponse } from 'node:http'
import { headerText } from '../http/header-lines.ts'
import type { Attempt } from '../upstream/attempt.ts'
import type { ResponseHeaders } from './headers.ts'

/** The head of a response as the client is to get it. */
export interface RelayedHead extends ResponseHeaders {
  readonly status: number
  readonly reason: string
}

/**
 * Relays a response with back-pressure: iSales is paused while the client has not taken what there is.
 *
 * @param onCut called when the response does not come to its end.
 * @throws when Node would not send these headers; nothing is sent then.
 */
export function relay(
  response: ServerResponse,
  head: RelayedHead,
  attempt: Attempt,
  onCut: () => void,
): void {
  response.writeHead(head.status, reasonBytes(head), head.headers)
  // RFC 9110 section 6.4.1. Not left to undici: it takes the length in a 304 for a promise of bytes.
  if (response.req.method === 'HEAD' || head.status === 204 || head.status === 304) {
    response.end()
    return
  }
  // Most responses are whole when their head is looked at: one write for all.
  if (attempt.whole) {
    response.end(attempt.collected())
    return
  }
  const begun = attempt.collected().length > 0
  response.on('drain', () => attempt.resume())
  attempt.take({
    // What the kernel has taken whole needs no pause, however large it was.
    onChunk: (chunk) => response.write(chunk) || response.writableLength === 0,
    onEnd(whole) {
      if (whole) response.end()
      else onCut()
    },
  })
  // A head without a body behind it yet does not wait for one.
  if (!begun && response.writable) response.flushHeaders()
}

/**
 * Relays a 1xx response. Node has methods for three of them only, each with its own idea of the headers. Nothing of the
 * final response has been written yet, so the bytes may go straight to the socket.
 */
export function relayInformational(response: ServerResponse, head: RelayedHead): void {
  const { socket } = response
  // RFC 9110 section 15.2: none to a 1.0 client.
  if (response.req.httpVersion === '1.0' || socket === null || response.headersSent) return
  // A flood of them is not kept for a client that does not read.
  if (socket.writableNeedDrain) return
  const { status, headers } = head
  socket.write(`HTTP/1.1 ${status} ${reasonBytes(head)}\r\n${headerText(headers)}\r\n`, 'latin1')
}

/**
 * Ends a response that has begun so that it never looks complete. To a 1.0 client the end of the connection may be the
 * end of the response, so it is reset where that can be: TLS has its own alert for a regular end, a Unix socket nothing.
 */
export function cut(response: ServerResponse): void {
  const { socket } = response
  const tcp = socket?.remoteFamily !== undefined && !('encrypted' in socket)
  if (tcp && response.req.httpVersion === '1.0') socket.resetAndDestroy()
  response.destroy()
}

/**
 * One character a byte, and none that Node would refuse: a phrase in Chinese is no reason to lose the response. Of a
 * phrase that came in several parts undici gives the last one only.
 */
function reasonBytes({ status, reason }: RelayedHead): string {
  const usual = STATUS_CODES[status]
  if (usual?.endsWith(reason) === true) return usual
  return Buffer.from(reason)
    .toString('latin1')
    .replaceAll(/[^\t -~\u0080-\u00ff]/g, '')
}
