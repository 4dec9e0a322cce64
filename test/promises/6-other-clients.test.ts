// Promise 6: one client that misbehaves takes no place that a good one needs.
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { hold } from '../listener/support.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

const HEAD = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1`

test.each([
  ['are idle', ''],
  ['have sent half a head', `${HEAD}\r\nHost: local`],
])('connections of one client that %s keep no other client out', async (_name, bytes) => {
  const world = await openWorld({ env: { LISTEN_MAX_CONNECTIONS: '16', MAX_IN_FLIGHT: '8' } })
  await hold(64, world.port, { bytes })

  for (let n = 0; n < 5; n += 1) {
    const client = await connectRaw({ port: world.port })
    await client.send(requestText(HEAD, ['Host: localhost'], '{}'))
    expect((await client.read()).status).toBe(200)
    client.destroy()
  }
})
