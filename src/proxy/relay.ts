import { STATUS_CODES, type ServerResponse } from 'node:http'
import { SECOND, type Clock, type Timer } from '../clock.ts'
import type { Exchange } from '../upstream/index.ts'
import type { RelayedHead } from './headers.ts'

/** Bytes of a response that a client takes before it has kept the proxy waiting for too long. */
const PIECE = 4 * 1024 * 1024
/** Milliseconds of waiting for one piece. */
const MAX_WAIT = 4 * SECOND
/** The same while as many calls are in flight as may be. A lost packet that is sent again takes less. */
const MAX_WAIT_WHEN_FULL = SECOND / 2

/** Bytes of a body in which `result` is looked for. */
const RESULT_WITHIN = 256
/** Bodies of iSales are small JSON with `result` first, so that they need not be parsed. */
const RESULT = /"result"\s*:\s*(?:"([^"]{1,64})"|(-?\d{1,20}))/

/** The `result` at the beginning of a body; undefined: it is 0, or there is none. */
function failedResult(body: Buffer): string | undefined {
  const [, text, number = text] = RESULT.exec(body.toString('latin1', 0, RESULT_WITHIN)) ?? []
  return number === '0' ? undefined : number
}

interface RelayObserver {
  /** Called once for a 200 whose `result` is not 0, in what is collected or in the first part of the body. */
  readonly onResult: (result: string) => void
  /** Called when the response does not come to its end. */
  readonly onCut: () => void
}

/**
 * Relays responses with back-pressure: iSales is paused while the client has not taken what there is. A client that does
 * not read, or reads slowly, loses its response. Only the time counts in which bytes wait for the client, so that a slow
 * iSales costs it nothing.
 */
export function createRelay(clock: Clock) {
  /** Responses in progress, and the instant since which their client keeps the current piece waiting; infinite: it does not. */
  const waits = new Map<ServerResponse, number>()

  /**
   * Follows how a client takes its response.
   *
   * @param resume called whenever the client has taken everything.
   * @returns the function to call when it has not.
   */
  const follow = (response: ServerResponse, resume = (): void => undefined): (() => void) => {
    let waited = 0
    let pieceAt = response.socket?.bytesWritten ?? 0
    let timer: Timer | undefined
    waits.set(response, Infinity)
    response.once('close', () => {
      timer?.cancel()
      waits.delete(response)
    })
    response.on('drain', () => {
      timer?.cancel()
      waited = Math.max(waited, clock.now() - (waits.get(response) ?? Infinity))
      waits.set(response, Infinity)
      const taken = response.socket?.bytesWritten ?? 0
      if (taken - pieceAt >= PIECE) [waited, pieceAt] = [0, taken]
      resume()
    })
    return () => {
      if (waits.get(response) !== Infinity) return
      waits.set(response, clock.now() - waited)
      timer = clock.setTimer(() => cut(response), MAX_WAIT - waited)
    }
  }

  return {
    follow,

    /**
     * Relays a response.
     *
     * @throws if Node would not send these headers; nothing is sent then.
     */
    relay(
      response: ServerResponse,
      head: RelayedHead,
      exchange: Exchange,
      { onResult, onCut }: RelayObserver,
    ): void {
      response.writeHead(head.status, reasonBytes(head), head.headers)
      // RFC 9110 section 6.4.1. Not left to undici: it takes the length in a 304 for a promise of bytes.
      if (response.req.method === 'HEAD' || head.status === 204 || head.status === 304)
        return void response.end()
      let isBegun = head.status !== 200
      const look = (part: Buffer): void => {
        if (isBegun) return
        isBegun = true
        const result = failedResult(part)
        if (result !== undefined) onResult(result)
      }
      // Most responses are whole when their head is looked at: one write for all.
      if (exchange.whole) {
        look(exchange.collected())
        response.end(exchange.collected())
        if (response.writableLength > 0) follow(response)()
        return
      }
      const begun = exchange.collected().length > 0
      const wait = follow(response, () => exchange.resume())
      exchange.take({
        onChunk(chunk) {
          look(chunk)
          // What the kernel has taken whole needs no pause, however large it was.
          if (response.write(chunk) || response.writableLength === 0) return true
          wait()
          return false
        },
        onEnd(whole) {
          if (!whole) return onCut()
          response.end()
          if (response.writableLength > 0) wait()
        },
      })
      // A head whose body has not come yet does not wait for it.
      if (!begun && response.writable) response.flushHeaders()
    },

    /**
     * Cuts the response that waits for its client for longest, in favor of another call.
     *
     * @returns milliseconds after which a call in flight may have ended; undefined: no response is being relayed.
     */
    makeWay(): number | undefined {
      if (waits.size === 0) return undefined
      let [response, since]: [ServerResponse | undefined, number] = [undefined, Infinity]
      for (const [each, waitsSince] of waits)
        if (waitsSince < since) [response, since] = [each, waitsSince]
      const left = Math.min(since + MAX_WAIT_WHEN_FULL - clock.now(), MAX_WAIT_WHEN_FULL)
      if (response === undefined || left > 0) return left
      waits.delete(response)
      cut(response)
      return 0
    },
  }
}

/**
 * Ends a response that has begun so that it never looks complete. To a 1.0 client the end of the connection may be the
 * end of the response, so it is reset where that can be: TLS has its own alert for a regular end.
 */
export function cut(response: ServerResponse): void {
  const { socket } = response
  const tcp = socket !== null && !('encrypted' in socket)
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
