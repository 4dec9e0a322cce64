// Java's default HTTP client asks to upgrade to h2c with every call over plain HTTP. A response with `Connection: close`
// would make it open a connection for every call.
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { ACCOUNT, openWorld } from '../support/world.ts'

const UPGRADE =
  'Connection: Upgrade, HTTP2-Settings\r\nHost: localhost\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\n'
const BODY = JSON.stringify({ subCCNo: 1, vdnId: 1 })
const POST = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1\r\n${UPGRADE}Content-Type: application/json\r\n`
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const CHUNK = `${CHUNKED}${BODY.length.toString(16)}\r\n${BODY}\r\n`
const LENGTH = `Content-Length: ${BODY.length}\r\n\r\n`
const LOGIN = requestText(`POST ${LOGIN_PATH} HTTP/1.1`, [UPGRADE.trim()], JSON.stringify(ACCOUNT))

test.each([
  ['a body in the packet of the head', [POST + LENGTH + BODY]],
  ['a body in a packet of its own', [POST + LENGTH, BODY]],
  ['a body in chunks, the last one apart', [POST + CHUNK, '0\r\n\r\n']],
  ['a body in chunks, each apart', [POST + CHUNKED, CHUNK.slice(CHUNKED.length), '0\r\n\r\n']],
  ['no body', [`GET ${INTERFACE_PATHS.getTask} HTTP/1.1\r\n${UPGRADE}\r\n`]],
])(
  'a login and 20 calls that ask to upgrade, with %s, share two connections and leave nothing behind',
  async (_, packets) => {
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const world = await openWorld()
    const client = await connectRaw({ port: world.port })
    await client.send(LOGIN)
    expect(await client.read({ method: 'POST' })).toMatchObject({ status: 200 })
    for (let n = 0; n < 20; n += 1) {
      for (const packet of packets) {
        await client.send(packet)
        // The proxy runs in this process, and reads the packet within two turns of the event loop.
        await turn()
        await turn()
      }
      const response = await client.read({ method: 'POST' })
      expect([response.status < 500, response.header('connection')]).toEqual([true, 'keep-alive'])
    }
    // The other connection is for the login.
    for (const name of ['upstream_connections_opened_total', 'upstream_connections'])
      expect([name, await world.metric(`isales_proxy_${name}`)]).toEqual([name, 2])
    expect(world.sim.state().loginAttempts).toBe(1)
    client.destroy()
    // Node warns of an eleventh listener, if every call leaves one behind.
    expect(warnings).toEqual([])
    process.off('warning', note)
  },
)
