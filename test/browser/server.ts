import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hono } from 'hono'
import { serveHono } from '../../src/http/hono.ts'

/** Serves the admin app on a free port of loopback. */
export async function servePage(app: Hono) {
  const serve = serveHono(app)
  const server = createServer((request, response) => serve(request, response, request.url ?? '/'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
