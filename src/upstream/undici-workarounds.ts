import type { Socket } from 'node:net'
// undici's index takes in fetch, WebSocket, caches and mocks, a megabyte that costs 15 ms of every start.
import symbols from 'undici/lib/core/symbols.js'

export { default as Client } from 'undici/lib/dispatcher/client.js'
export { default as Pool } from 'undici/lib/dispatcher/pool.js'

/** Goes on with an answer that was held back, if there is one on this connection. */
export function resumeAnswer(socket: Socket): void {
  ;(socket as { [symbols.kParser]?: { resume(): void } | null })[symbols.kParser]?.resume()
}
