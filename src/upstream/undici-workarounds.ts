import type { Socket } from 'node:net'

// What undici 7.30 gets wrong for this program. Try to delete each when undici is updated; the named test fails if
// it is still needed.

/**
 * Prepares a connected socket. Call it before undici has the socket, so that these listeners run first.
 *
 * undici asserts that no response is paused when its connection ends, and the process would crash. So `resume` resumes
 * the response in progress at its end. undici hands over an empty chunk then, and a handler that pauses again at that
 * chunk brings the assertion back: `Exchange` drops it (pool.test: "does not crash the process"). Delete both when
 * `Parser.finish` in undici's client-h1.js no longer asserts `!this.paused`.
 */
export function prepareSocket(socket: Socket, resume: () => void): void {
  socket.on('error', failVisibly)
  socket.on('end', resume)
}

/**
 * Without the new code undici takes a reset during a response that ends with its connection for the regular end, so
 * that a truncated response looks complete (forward-broken.test: "by a reset").
 *
 * Without `destroy`, a TLS error leaves the request waiting, because Node emits no `close` after it and undici acts
 * on `close` (tls.test: "that breaks after the request").
 *
 * Delete it when undici reports any error of a socket as an error of the response.
 */
function failVisibly(this: Socket, error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'ECONNABORTED'
  this.destroy()
}
