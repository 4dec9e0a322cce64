import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that Linux gives to connections (net.ipv4.ip_local_port_range), so that none takes it meanwhile. */
const FIRST = 10_000
const COUNT = 22_000

/** A port of the loopback interface that nothing listens on, for a program that cannot choose one itself. */
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
