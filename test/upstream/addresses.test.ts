import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { closing, listen } from '../support/tcp-server.ts'
import { dispatch, openUpstream, startIsales, portOf } from './support.ts'

/** Starts a TCP proxy that completes no connection until `resume`, like a network with a long round-trip time. */
async function slowTcp(host: string, to: number) {
  const child = fork(fileURLToPath(new URL('slow-accept.mjs', import.meta.url)), [host, String(to)])
  closing.push(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  child.kill('SIGSTOP')
  const fillers = [1, 2, 3, 4].map(() => connect(port, host).on('error', () => undefined))
  closing.push(() => fillers.map((socket) => socket.destroy()))
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')))
  return { port, resume: () => child.kill('SIGCONT') }
}

const V4 = { address: '127.0.0.1', family: 4 }
// Other tests use any port of 127.0.0.1, but only this one uses 127.0.0.2.
const OTHER_V4 = { address: '127.0.0.2', family: 4 }
const V6 = { address: '::1', family: 6 }

const reached = (port: number, timeout: number, addresses: readonly (typeof V4)[]) =>
  openUpstream({
    isalesUrl: `http://isales.example:${port}`,
    isalesConnectTimeout: timeout,
    resolve: (_name, _options, found) => found(null, [...addresses]),
  })

// The kernel repeats a SYN after one second, which is the round-trip time here.
it('a name whose address needs a second to connect is reached, next to one that refuses', async () => {
  const { port } = await startIsales()
  const slow = await slowTcp('127.0.0.1', port)
  const outcome = dispatch(reached(slow.port, 8000, [V4, V6]))
  await delay(400)
  slow.resume()
  expect(await outcome).toMatchObject({ status: 200 })
})

it('a name whose first address is dead is reached at the second within the timeout', async () => {
  const dead = await slowTcp('::1', 1)
  // The same port, on IPv4.
  const accept = (socket: Socket) =>
    socket.once('data', () => socket.end(responseBytes('ok', { fields: ['Connection: close'] })))
  const alive = await listen(accept, dead.port, OTHER_V4.address)
  const upstream = reached(portOf(alive), 1000, [V6, OTHER_V4])
  expect(await dispatch(upstream)).toMatchObject({ status: 200, text: 'ok' })
})
