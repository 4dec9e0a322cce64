// Guarantee 2: no request is lost without an error, and none that iSales may have executed is sent twice. Connections
// that break at every moment are in `test/behaviour/forward-broken.test.ts`, calls that could not be sent in
// `test/behaviour/every-request.test.ts`, stops in `test/listener/listener.test.ts`.
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openWorld, type World } from '../support/world.ts'

function writeResult(world: World, id: string) {
  const result = { subCCNo: 1, vdnId: 1, uniqueId: id, serviceId: 1 }
  return world.post(INTERFACE_PATHS.pushCallOutRlt, result, { 'X-Request-Id': id })
}

test('results written through revocations and lost connections are executed once each', async () => {
  const world = await openWorld()
  const succeeded: string[] = []
  const unknown: string[] = []
  for (let n = 0; n < 60; n += 1) {
    if (n === 5 || n === 35) world.sim.revoke()
    if (n % 12 === 8) world.sim.disconnect()
    if (n % 20 === 17) world.sim.reset({ operation: 'business' })
    const id = randomUUID()
    const response = await writeResult(world, id)
    if (response.status === 200) succeeded.push(id)
    else if (response.json.sent === 'unknown') unknown.push(id)
    else throw new Error(`unexpected ${response.status} ${response.text}`)
  }

  for (const id of succeeded) expect(world.sim.executions(id)).toBe(1)
  for (const id of unknown) expect(world.sim.executions(id)).toBe(1)
  // Only the calls whose response was lost are in doubt, and the client knows which.
  expect(unknown).toHaveLength(3)
})
