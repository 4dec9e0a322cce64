import { connect, type AddressInfo, type Socket } from 'node:net'
import { listen } from '../support/tcp-server.ts'

/** A proxy between client and store that can be told to misbehave. */
export async function startProxy(target: number) {
  const sockets = new Set<Socket>()
  let delay = 0
  let stalled = false
  let isCut = false
  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      if (stalled) return
      if (delay === 0) to.write(chunk)
      else setTimeout(() => to.write(chunk), delay)
    })
    from.on('close', () => to.destroy())
    from.on('error', () => to.destroy())
  }
  const server = await listen((socket) => {
    if (isCut) return void socket.destroy()
    const upstream = connect(target, '127.0.0.1')
    for (const one of [socket, upstream]) sockets.add(one)
    pass(socket, upstream)
    pass(upstream, socket)
  })
  return {
    port: (server.address() as AddressInfo).port,
    /** Milliseconds that each chunk is kept, both ways. */
    delay(ms: number) {
      delay = ms
    },
    /** True: bytes are taken and nothing comes out, as with a firewall that drops packets. */
    stall(value: boolean) {
      stalled = value
    },
    /** Ends every connection, and refuses those to come until `restore()`. */
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    restore() {
      isCut = false
    },
  }
}
