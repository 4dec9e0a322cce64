import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { openTimedWorld } from './session-world.ts'

test('a client that leaves does not wait any more', async () => {
  const world = await openTimedWorld({
    ready: false,
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const client = await connectRaw({ port: Number(new URL(world.proxy).port) })
  await client.send('GET /rest/isales/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await world.waiting(1)

  client.reset()
  await world.waiting(0)

  expect(world.sim.state()).toMatchObject({ hanging: 1, business: 0 })
})
