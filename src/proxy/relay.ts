import { STATUS_CODES, type ServerResponse } from 'node:http'
import { SECOND, type Clock, type Timer } from '../clock.ts'
import type { Exchange } from '../upstream/index.ts'
import type { RelayedHead } from './headers.ts'

/** Bytes of a response that a client must take within `MAX_WAIT` milliseconds. */
const PIECE = 4 * 1024 * 1024
const MAX_WAIT = 3 * SECOND
/** The same while too many calls are in flight; longer than TCP needs to repeat a lost packet. */
const MAX_WAIT_WHEN_FULL = SECOND / 2

/** Bytes of a body that are searched for `result`. */
const RESULT_WITHIN = 256
/** Strings, punctuation, and other words of JSON. A cut string reaches to the end of the text. */
const JSON_TOKENS = /"(?:[^"\\]|\\.)*(?:"|$)|[{}[\]:,]|[^\s"{}[\]:,]+/gs

/** Returns the `result` of the top object, if it is at the beginning of the body; undefined if it is 0 or missing. */
export function failedResult(body: Buffer): string | undefined {
  const text = body.toString('latin1', 0, RESULT_WITHIN)
  // Almost every body, without a search of 1.6 µs.
  if (text.startsWith('{"result":0,') || !text.includes('"result"')) return undefined
  let [depth, name, previous] = [0, '', '']
  for (const [token] of text.matchAll(JSON_TOKENS)) {
    if (depth === 1 && previous === ':' && name === '"result"') {
      const [, quoted, number = quoted] = /^(?:"([^"]{1,64})"|(-?\d{1,20}))$/.exec(token) ?? []
      return number === '0' ? undefined : number
    }
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    // Not a JSON object.
    if (depth === 0) return undefined
    ;[name, previous] = [previous, token]
  }
  return undefined
}

/** White space, and a byte order mark. */
const BLANK: ReadonlySet<number> = new Set(Buffer.from('\uFEFF \t\r\n'))

/** Returns the first or the last character of a body that is not blank; undefined if there is none. */
function edgeOf(body: Buffer, isLast = false): string | undefined {
  for (let nth = 0; nth < body.length; nth += 1) {
    const byte = body[isLast ? body.length - 1 - nth : nth] ?? 0
    if (!BLANK.has(byte)) return String.fromCodePoint(byte)
  }
  return undefined
}

export interface RelayObserver {
  /** As `failedResult` returns it for a 200. */
  result: string | undefined
  /** True if the complete body does not begin and end as a JSON object. */
  notJson: boolean
  /** Returns true if the proxy has waited for half a second for iSales's bytes, and longer than for the client. */
  isStarved: () => boolean
  /** Called when iSales's response breaks off. */
  onCut(): void
}

/**
 * Relays responses with back-pressure. A client that does not read, or reads slowly, loses its response. Only the time for
 * which bytes wait for the client counts, so that a client can read as slowly as iSales writes.
 */
export function createRelay(clock: Clock) {
  /** When the current piece of each response began to wait for the client; Infinity if nothing is waiting. */
  const waitingSince = new Map<ServerResponse, number>()

  /** Call `wait` when bytes wait for the client. `resume` is called when it has taken them. */
  const watchReader = (response: ServerResponse, resume = (): void => undefined) => {
    const startedAt = clock.now()
    /** Milliseconds that bytes of this piece, and of all before, have waited. */
    let [waited, before] = [0, 0]
    let pieceAt = response.socket?.bytesWritten ?? 0
    let timer: Timer | undefined
    const pieceMs = (): number =>
      Math.max(waited, clock.now() - (waitingSince.get(response) ?? Infinity))
    waitingSince.set(response, Infinity)
    response.once('close', () => {
      timer?.cancel()
      waitingSince.delete(response)
    })
    response.on('drain', () => {
      timer?.cancel()
      waited = pieceMs()
      waitingSince.set(response, Infinity)
      const taken = response.socket?.bytesWritten ?? 0
      if (taken - pieceAt >= PIECE) [before, waited, pieceAt] = [before + waited, 0, taken]
      resume()
    })
    return {
      wait: (): void => {
        if (waitingSince.get(response) !== Infinity) return
        waitingSince.set(response, clock.now() - waited)
        timer = clock.setTimer(() => cut(response), MAX_WAIT - waited)
      },
      isStarved: (): boolean => {
        const ofClient = before + pieceMs()
        return clock.now() - startedAt - ofClient > Math.max(ofClient, SECOND / 2)
      },
    }
  }

  return {
    watchReader,

    /** @throws if Node does not send these headers; nothing is sent then. */
    relay(
      response: ServerResponse,
      head: RelayedHead,
      exchange: Exchange,
      observer: RelayObserver,
    ): void {
      response.writeHead(head.status, reasonBytes(head), head.headers)
      // RFC 9110 section 6.4.1. undici would wait for the body of a 304 that has a length.
      if (response.req.method === 'HEAD' || head.status === 204 || head.status === 304)
        return void response.end()
      const collected = exchange.collected()
      // Most responses have arrived completely with their head, and need one write.
      if (exchange.ended === 'whole') {
        if (head.status === 200) observer.result = failedResult(collected)
        observer.notJson = edgeOf(collected) !== '{' || edgeOf(collected, true) !== '}'
        response.end(collected)
        if (response.writableLength > 0) watchReader(response).wait()
        return
      }
      const reader = watchReader(response, () => exchange.resume())
      observer.isStarved = reader.isStarved
      let mayHaveResult = head.status === 200
      let [first, last]: (string | undefined)[] = []
      exchange.take({
        onChunk(chunk) {
          if (mayHaveResult) observer.result = failedResult(chunk)
          mayHaveResult = false
          first ??= edgeOf(chunk)
          last = edgeOf(chunk, true) ?? last
          // If the kernel has taken all of it, no pause is needed, however large the chunk is.
          if (response.write(chunk) || response.writableLength === 0) return true
          reader.wait()
          return false
        },
        onEnd(whole) {
          if (!whole) return observer.onCut()
          observer.notJson = first !== '{' || last !== '}'
          response.end()
          if (response.writableLength > 0) reader.wait()
        },
      })
      // Sends a head whose body has not begun.
      if (collected.length === 0 && response.writable) response.flushHeaders()
    },

    /** Cuts the response that waited longest. Returns the milliseconds until the next try; undefined if none is relayed. */
    evictSlowest(): number | undefined {
      let [slowest, since]: [ServerResponse | undefined, number] = [undefined, Infinity]
      for (const [each, start] of waitingSince)
        if (start <= since && !each.destroyed) [slowest, since] = [each, start]
      if (slowest === undefined) return undefined
      const left = Math.min(since + MAX_WAIT_WHEN_FULL - clock.now(), MAX_WAIT_WHEN_FULL)
      if (left > 0) return left
      cut(slowest)
      return 0
    },
  }
}

/**
 * Ends a response that has begun so that it never looks complete. HTTP/1.0 may take the connection's end as the response's
 * end, so a TCP connection is reset; TLS has its own alert for a regular end.
 */
export function cut(response: ServerResponse): void {
  const { socket } = response
  const tcp = socket !== null && !('encrypted' in socket)
  if (tcp && response.req.httpVersion === '1.0') socket.resetAndDestroy()
  response.destroy()
}

/** Returns the reason phrase with one character for every byte, without those that Node refuses, as for a Chinese phrase. */
function reasonBytes({ status, reason }: RelayedHead): string {
  const usual = STATUS_CODES[status]
  if (usual?.endsWith(reason) === true) return usual
  return Buffer.from(reason)
    .toString('latin1')
    .replaceAll(/[^\t -~\u0080-\u00ff]/g, '')
}
