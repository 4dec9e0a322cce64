// The parts that tests of the proxy do not use, or do not see fail: locks, the control port and the command line.
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../simulator/commands.ts'
import { parseInvocation, usage } from '../../simulator/program.ts'
import type { changeSwitches } from '../../simulator/switches.ts'
import { call } from '../support/call.ts'
import { simulate } from './caller.ts'

it.each<[Parameters<typeof changeSwitches>[0], logins: string]>([
  [{ lockPolicy: 'row' }, '0 wrong 403, 1 right 200, 2 wrong 403, 3 wrong 401, 90000 right 401'],
  [
    { lockPolicy: 'window', lockWindow: 900, lockLasts: 60 },
    '0 wrong 403, 899 right 200, 899 wrong 401, 958 right 401, 959 right 200, 1799 wrong 403',
  ],
  // Without a policy, either of them locks.
  [{}, '0 wrong 403, 1 right 200, 2 wrong 401, 902 wrong 401, 2000 right 401'],
])('with %j, the second wrong password locks the account: %s', async (switches, logins) => {
  let now = 0
  const { login, sim } = await simulate({ switches: { ...switches, lockAfter: 2 }, now: () => now })
  for (const each of logins.split(', ')) {
    const [second, password = ''] = each.split(' ')
    now = Number(second) * 1000
    const { status } = await login(password === 'right' ? sim.switches.password : password)
    expect(`${second} ${password} ${status}`).toBe(each)
    expect(sim.state().locked).toBe(status === 401)
  }
})

it('the control port runs the commands of the object, and shows its state', async () => {
  const { control, login, sim } = await simulate()
  const failed = await control('failLogin', { status: 503, times: 1 })
  expect(failed.json).toEqual({ done: 'failLogin', value: null })
  expect([(await login()).status, (await login()).status]).toEqual([503, 200])
  expect((await control('revoke', {})).json['value']).toBe(1)
  const state = (await call(`${sim.controlUrl}/state`)).json
  expect(state).toEqual({ ...sim.state(), sockets: expect.any(Number) })
})

it('docs/dev/simulator.md has every flag and command, and only valid ones', async () => {
  const page = await readFile(new URL('../../docs/dev/simulator.md', import.meta.url), 'utf8')
  const flags = [...usage().matchAll(/^ {2}--(?:\[no-\])?([a-z-]+)/gm)].map(([, flag]) => flag)
  expect(flags.filter((flag) => !page.includes(`--${flag}`))).toEqual([])
  const commands = Object.keys(COMMANDS)
  expect(commands.filter((command) => !page.includes(`\`${command}\``))).toEqual([])
  const shown = [
    ...page.matchAll(/npm run simulator -- ([^\n`#|]+)/g),
    ...page.matchAll(/`(--[a-z-]+[ =][^`]+)`/g),
  ].map(([, args = '']) => args.trim())
  expect(shown).toContain('--lifetime=-5')
  for (const args of shown.filter((line) => !line.includes("'")))
    expect(() => parseInvocation(args.split(/ +/))).not.toThrow()
})
