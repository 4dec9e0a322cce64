import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { createAdminApp } from '../../src/admin/app.ts'
import type { Status } from '../../src/admin/status.ts'

export interface PageServer {
  readonly url: string
  readonly close: () => Promise<void>
}

/** The real admin app on a free port of loopback, with whatever `status` says. */
export async function servePage(status: () => Promise<Status>): Promise<PageServer> {
  const verdict = { status: 200, body: {} } as const
  const app = createAdminApp({
    metrics: { render: () => Promise.resolve(''), contentType: 'text/plain' },
    health: { live: () => verdict, started: () => verdict, ready: () => verdict },
    status,
    hosts: new Set(),
  })
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer((request, response) => void listener(request, response))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
