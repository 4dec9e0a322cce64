import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that Linux assigns to connections (net.ipv4.ip_local_port_range), so that no connection takes it. */
const FIRST = 10_000
const COUNT = 22_000

/** Returns a free port of the loopback interface, for a program that cannot choose one itself. */
export async function freePort(): Promise<number> {
  const port = FIRST + Math.floor(Math.random() * COUNT)
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return freePort()
    throw error
  }
  server.close()
  await once(server, 'close')
  return port
}
