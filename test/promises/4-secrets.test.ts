// Guarantee 4: our secrets are in no log, metric, error, page, dump or argv. Every output by itself is in
// `test/behaviour/secrets-canary.test.ts`, the process in `test/behaviour/secrets-process.test.ts`.
import { expect, test } from 'vitest'
import {
  environment,
  openIsales,
  serveBuilt,
  shown,
  tasks,
  ticket,
  whole,
} from '../behaviour/secrets-stand.ts'
import { builtProgram } from '../cli/program.ts'
import { leaks } from '../support/canaries.ts'

const start = builtProgram()

test('a day in the life of the built program shows no secret anywhere', async () => {
  const sim = await openIsales({ switches: { tokenLifetime: 2, rotate: true } })
  const served = await serveBuilt(start, environment(sim.origin))
  await served.logged('logged-in')
  const clientTicket = await ticket(served)
  await served.logged('renewed')
  sim.revoke()
  const healed = await tasks(served, clientTicket)
  sim.failBusiness({ status: 500, body: sim.issued().join(' ') })
  await tasks(served, clientTicket)
  await sim.down()
  const failed = await tasks(served, clientTicket)

  expect([healed.status, failed.status]).toEqual([200, 502])
  expect(sim.issued().length).toBeGreaterThan(4)
  const secrets = [...sim.issued(), clientTicket]
  expect(leaks(await shown(served), secrets)).toEqual([])
  expect(leaks(healed.rawHeaders.join('\n'), secrets)).toEqual([])
  expect(leaks(whole(failed), secrets)).toEqual([])
}, 30_000)
