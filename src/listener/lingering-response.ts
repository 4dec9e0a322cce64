import { ServerResponse } from 'node:http'
import type { Clock } from '../clock.ts'

/** Milliseconds for which a client may go on sending what nobody wants. */
export const LINGER = 2000

/**
 * RFC 9112 section 9.6: closed with bytes of the client unread, a connection is reset, and the client may lose the
 * response. So behind a response that comes before the end of its request only our side is closed. What comes is
 * dropped, until the client has sent the rest or closes its side, and for 2 s at most.
 */
export function createLingeringResponse(clock: Clock) {
  return class LingeringResponse extends ServerResponse {
    #lingering = false

    override end(...args: readonly unknown[]): this {
      const { req, socket, shouldKeepAlive } = this
      if (req.complete || shouldKeepAlive || socket === null) return super.end(...(args as []))
      if (this.#lingering) return this
      this.#lingering = true
      const [body] = args
      if (typeof body === 'string' || body instanceof Uint8Array) this.write(body)
      else this.flushHeaders()
      const timer = clock.setTimer(() => socket.destroy(), LINGER)
      socket.once('close', () => timer.cancel())
      // The last chunk is sent by Node, which then closes the connection.
      const close = this.chunkedEncoding ? () => super.end() : () => socket.destroySoon()
      if (!this.chunkedEncoding) socket.end()
      req.once('end', close).resume()
      return this
    }
  }
}
