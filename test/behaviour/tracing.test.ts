import { expect, test } from 'vitest'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openWorld } from '../support/world.ts'

test('the trace of the client passes as it came', async () => {
  const world = await openWorld()
  const trace = {
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    TraceState: 'obs=1,other=2',
  }

  await world.post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, trace)

  const sent = world.sim.requests().at(-1)?.rawHeaders.join('\n')
  for (const [name, value] of Object.entries(trace)) expect(sent).toContain(`${name}\n${value}`)
})
