import { connect, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { listen } from '../support/tcp-server.ts'

/** A proxy between client and store that can be told to misbehave. */
export interface TcpProxy {
  readonly port: number
  /** Milliseconds that each chunk is kept, both ways. */
  delay(ms: number): void
  /** True: bytes are taken and nothing comes out, as with a firewall that drops packets. */
  stall(stalled: boolean): void
  /** Ends every connection, and refuses those to come until `restore()`. */
  cut(): void
  restore(): void
}

export async function startProxy(target: number): Promise<TcpProxy> {
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
    delay(ms) {
      delay = ms
    },
    stall(value) {
      stalled = value
    },
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    restore() {
      isCut = false
    },
  }
}
