import { expect, test } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import { call } from '../support/call.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

// The page's findings for an unexpected iSales, from the first call on.

const findingsOf = async ({ admin }: TimedWorld) =>
  ((await call(`${admin}/status.json`)).json as unknown as Status).findings

/** Sends a call every 250 ms, and returns all codes that the page shows, in order. */
async function codesDuring(world: TimedWorld, seconds: number): Promise<readonly string[]> {
  const codes = new Set<string>()
  for (let times = 0; times < seconds * 4; times += 1) {
    // Some calls still wait for their token when the world ends.
    world.tasks().catch(() => undefined)
    await world.pass(250)
    for (const { code, cause } of await findingsOf(world)) codes.add(cause ?? code)
  }
  return [...codes]
}

test('a wrong edition is the cause from the second call on, with the header in force and the status', async () => {
  const world = await openTimedWorld({ simulator: { switches: { edition: 'chinese' } } })
  const codes = await codesDuring(world, 10)
  expect(codes.filter((code) => !['no-calls-yet', 'healthy'].includes(code))).toEqual([
    'token-rejected',
  ])
  const [{ title, reason, facts }] = await findingsOf(world)
  expect(Object.fromEntries(facts)).toMatchObject({
    tokenHeader: 'Authorization: Bearer {token}',
    status: 401,
  })
  expect(`${title} ${reason}`).toContain('iSales rejects every call')
  expect(`${title} ${reason}`).not.toMatch(/some calls|valid/i)
})

test('tokens that live for a second are reported as short-lived, not as a login in progress', async () => {
  const world = await openTimedWorld({ simulator: { switches: { tokenLifetime: 1 } } })
  await codesDuring(world, 5)
  expect(await codesDuring(world, 10)).toEqual(['short-lifetime'])
})

test('a rejected login names the user and the likely typing error in the password', async () => {
  const file = temporaryFiles()('password', '"quoted"')
  const world = await openTimedWorld({
    ready: false,
    env: { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file },
  })
  await world.pass(2000)
  const [{ facts }] = await findingsOf(world)
  expect(Object.fromEntries(facts)).toMatchObject({ user: 'obs', passwordHas: 'quotes' })
})
