import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openIsales } from '../cli/stand.ts'
import { builtProgram } from '../cli/program.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'

const start = builtProgram()
const LISTEN = { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0' }

test('two proxies and four commands with one STATE_DIR and a wrong password make 2 logins in 8 s', async () => {
  const { sim, env } = await openIsales({ switches: { lockAfter: 0, latency: 100 } })
  const wrong = { ...env, ISALES_PASSWORD: 'wrong', STATE_DIR: temporaryDirectory() }
  const attempts = (): number => sim.state().loginAttempts
  for (let nth = 0; nth < 2; nth += 1) start([], { ...wrong, ...LISTEN })
  const commands = Array.from({ length: 4 }, () => start(['check', '--live', '--quiet'], wrong))
  // Logins begin at 0 and 5 s, and the third at 15 s. On a busy machine, the commands take longer.
  await until(() => attempts() > 0, 30_000)
  await delay(8000)
  expect(attempts()).toBeLessThanOrEqual(2)
  await until(() => attempts() >= 2, 30_000)
  const codes = await Promise.all(commands.map(async ({ ended }) => (await ended).code))
  // Rejected, or not tried because of the pause.
  expect(codes.filter((code) => code !== 3 && code !== 4)).toEqual([])
  expect(attempts()).toBeLessThanOrEqual(3)
  const names = readdirSync(wrong.STATE_DIR)
  expect(names.filter((name) => !/^attempts-(?:\d+\.json|salt)$/.test(name))).toEqual([])
  expect(names.length).toBeLessThanOrEqual(9)
}, 60_000)
