// Guarantee 4: our secrets are in no log, metric, error, page, dump or argv. Every output by itself is in
// `test/behaviour/secrets-canary.test.ts`, the process in `test/behaviour/secrets-process.test.ts`.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { builtProgram } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { CANARIES, leaks, SECRET_SETTINGS, shown, whole } from '../support/secrets.ts'
import { clientOf } from '../support/world.ts'

const start = builtProgram()

test('a day in the life of the built program shows no secret anywhere', async () => {
  const switches = { password: CANARIES.password, tokenLifetime: 2, rotate: true }
  const { sim } = await simulate({ switches })
  const program = start(['serve'], { ...SECRET_SETTINGS, ISALES_URL: sim.origin })
  const addresses = await program.addresses()
  const client = clientOf(addresses)
  await program.line('logged-in')
  const { token } = await client.logIn(CANARIES.obsPassword)
  await program.line('renewed')
  sim.revoke()
  const healed = await client.tasks(token)
  sim.failBusiness({ status: 500, body: sim.issued().join(' ') })
  await client.tasks(token)
  await sim.down()
  const failed = await client.tasks(token)

  expect(healed.status).toBe(200)
  // The token may have expired while the call waited for iSales.
  expect([502, 503]).toContain(failed.status)
  expect(sim.issued().length).toBeGreaterThan(4)
  const secrets = [...sim.issued(), token]
  const cmdline = readFileSync(`/proc/${program.process.pid}/cmdline`, 'latin1')
  const output = `${cmdline}\n${program.stdout()}\n${program.stderr()}`
  expect(leaks(await shown(addresses, output), secrets)).toEqual([])
  expect(leaks(healed.rawHeaders.join('\n'), secrets)).toEqual([])
  expect(leaks(whole(failed), secrets)).toEqual([])
}, 30_000)
