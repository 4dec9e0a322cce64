// Clients that misbehave: what they hold keeps nobody out, and what they send ahead takes no memory.
import { connect, type Socket } from 'node:net'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import type { Machine } from './client.ts'
import type { Judge } from './judge.ts'

/** Connections behind one call each, with half a body, or with heads behind a call that is slow. */
export type Holding = 'idle' | 'half-sent' | 'ahead'

/** With these a few connections are many. */
export const FEW_PLACES = { listenMaxConnections: 24 }
/** Milliseconds between two connections: the first 40, and those that follow. */
const GAP = 10
const LATER_GAP = 100
const COUNT = 40
const HEADS = 12
/** Milliseconds between two heads: each comes by itself. */
const HEAD_GAP = 20

const call = (fields: string, body: string): string =>
  `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n${body}`
const WHOLE = call('Content-Length: 2\r\n', '{}')
const HALF = call('Content-Length: 9\r\n', 'half')
const HEAD = call(`X-Padding: ${'x'.repeat(15 * 1024)}\r\nContent-Length: 0\r\n`, '')

interface Scene {
  readonly port: number
  readonly replica: number
  readonly machine: Machine
  readonly judge: Judge
}

/** Does it for `ms`. */
export function hold(holding: Holding, ms: number, { port, replica, machine, judge }: Scene): void {
  const { time, later, enter } = machine
  const end = time() + ms
  const sockets: Socket[] = []
  const open = (bytes: string): Socket => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => undefined)
    socket.resume().write(bytes)
    sockets.push(socket)
    return socket
  }
  const openMany = (nth = 0): void => {
    if (time() >= end) return
    enter(() => open(holding === 'idle' ? WHOLE : HALF))
    later(nth < COUNT ? GAP : LATER_GAP, () => openMany(nth + 1))
  }
  const sendAhead = (): void => {
    const socket = open(WHOLE)
    let responded = false
    socket.once('data', () => (responded = true))
    const isRead = (): boolean => socket.destroyed || socket.writableLength === 0
    const from = time()
    const send = (left: number): void => {
      if (responded) return
      if (left === 0) {
        if (isRead()) judge.readAhead(replica, from)
        return
      }
      enter(() => socket.write(HEAD))
      later(HEAD_GAP, () => send(left - 1))
    }
    later(HEAD_GAP, () => send(HEADS))
  }
  judge.note('held', time(), end)
  enter(() => (holding === 'ahead' ? sendAhead() : openMany()))
  later(ms, () => enter(() => sockets.forEach((socket) => socket.destroy())))
}
