import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Resources to close when the test has finished, newest first. */
export const closing = {
  push(close: () => unknown): void {
    onTestFinished(async () => void (await close()))
  },
}

/** Starts a TCP server, by default on a port of its own. */
export async function listen(
  accept: (socket: Socket) => void,
  port = 0,
  host = '127.0.0.1',
): Promise<Server> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    accept(socket)
  })
  server.listen(port, host)
  await once(server, 'listening')
  closing.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return server
}
