import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { Resolve } from '../../src/upstream/connector.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { closing, listen } from '../support/tcp-server.ts'
import { dispatch, egress, openUpstream, plain, portOf, secured } from './support.ts'

/** A TCP proxy that completes no connection until `resume`, as a network with a long round-trip time would. */
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
const V6 = { address: '::1', family: 6 }
const ORDERS = [
  ['IPv4 first', [V4, V6]],
  ['IPv6 first', [V6, V4]],
] as const

const WAYS = ['http', 'https', 'the egress proxy'] as const

// The kernel sends a SYN again after one second: that is the round-trip time here.
describe('a name with an IPv4 address that needs a second to connect, and an IPv6 address that refuses', () => {
  it.each(ORDERS)('is reached over TCP, TLS and the egress proxy, %s', async (_, addresses) => {
    const options = {
      isalesConnectTimeout: 8000,
      resolve: ((_name, _options, found) => found(null, [...addresses])) satisfies Resolve,
    }
    const reach = async (way: (typeof WAYS)[number]) => {
      const { port } = await (way === 'http' ? plain(() => responseBytes('ok')) : secured())
      const target =
        way === 'the egress proxy' ? (await egress('HTTP/1.1 200 OK\r\n\r\n', port)).port : port
      const slow = await slowTcp('127.0.0.1', target)
      const httpsProxy = new Secret(`http://egress.example:${slow.port}`)
      const upstream = openUpstream(
        way === 'the egress proxy'
          ? { ...options, isalesUrl: `https://localhost:${port}`, httpsProxy }
          : { ...options, isalesUrl: `${way}://localhost:${slow.port}` },
      )
      const outcome = dispatch(upstream)
      await delay(400)
      slow.resume()
      return [way, (await outcome).status]
    }
    expect(await Promise.all(WAYS.map(reach))).toEqual(WAYS.map((way) => [way, 200]))
  })
})

it('a name whose first address is dead is reached at the second within the timeout', async () => {
  const dead = await slowTcp('::1', 1)
  // The same port, on IPv4.
  const alive = await listen((socket) => {
    socket.once('data', () => socket.end(responseBytes('ok', { fields: ['Connection: close'] })))
  }, dead.port)
  const upstream = openUpstream({
    isalesUrl: `http://isales.example:${portOf(alive)}`,
    isalesConnectTimeout: 1000,
    resolve(_name, _options, found) {
      found(null, [V6, V4])
    },
  })
  expect(await dispatch(upstream)).toMatchObject({ status: 200, text: 'ok' })
})
