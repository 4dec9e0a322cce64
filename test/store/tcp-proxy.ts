import { connect, type AddressInfo, type Socket } from 'node:net'
import { listen } from '../support/tcp-server.ts'

/**
 * Milliseconds that each chunk is kept, both ways; `stall`: bytes are taken and nothing comes out, as with a firewall that
 * drops packets; `cut`: every connection ends, and those to come are refused.
 */
type Mode = number | 'stall' | 'cut'

/** A proxy between client and store. */
export async function startProxy(target: number) {
  const sockets = new Set<Socket>()
  let mode: Mode = 0
  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      if (mode === 0) to.write(chunk)
      else if (typeof mode === 'number') setTimeout(() => to.write(chunk), mode)
    })
    from.on('close', () => to.destroy())
    from.on('error', () => to.destroy())
  }
  const server = await listen((socket) => {
    if (mode === 'cut') return void socket.destroy()
    const upstream = connect(target, '127.0.0.1')
    for (const one of [socket, upstream]) sockets.add(one)
    pass(socket, upstream)
    pass(upstream, socket)
  })
  return {
    port: (server.address() as AddressInfo).port,
    set(next: Mode) {
      mode = next
      if (next === 'cut') for (const socket of sockets) socket.destroy()
    },
  }
}
