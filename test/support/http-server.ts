import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Starts an HTTP server on loopback. Default port: a free one. */
export async function serveHttp(listener: RequestListener, at = 0) {
  const server = createServer(listener).listen(at, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close: (): void => {
      server.close()
      server.closeAllConnections()
    },
  }
}
