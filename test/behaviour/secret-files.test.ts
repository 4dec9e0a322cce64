import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'secret-'))
  file = join(directory, 'password')
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

const openWithFile = (password: string): Promise<World> => {
  writeFileSync(file, `${password}\n`)
  return openWorld({
    simulator: { switches: { password: 'right' } },
    env: { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file },
    ready: false,
  })
}

const reloads = (world: World, outcome: string): Promise<number> =>
  world.metric(`isales_proxy_credential_reloads_total{outcome="${outcome}"}`)

test('a refused password that is corrected in its file is tried at once', async () => {
  const world = await openWithFile('wrong')
  await until(() => world.events.some(({ type }) => type === 'failed'))

  writeFileSync(file, 'right')

  await until(() => world.events.some(({ type }) => type === 'granted'))
  expect((await world.tasks()).status).toBe(200)
  expect(await reloads(world, 'success')).toBe(1)
  expect(world.sim.state().loginAttempts).toBe(2)
})

test('a refused password that is written again buys no attempt', async () => {
  const world = await openWithFile('wrong')
  await until(() => world.events.some(({ type }) => type === 'failed'))

  // Another text, the same password. The watch sees it within a fifth of a second.
  writeFileSync(file, 'wrong')
  await expect(until(() => world.sim.state().loginAttempts > 1, 1000)).rejects.toThrow('not within')
  unlinkSync(file)

  await until(async () => (await reloads(world, 'failure')) === 1)
  expect(world.lines.at(-1)).toMatchObject({
    event: 'secret-unreadable',
    setting: 'ISALES_PASSWORD_FILE',
  })
  expect(await reloads(world, 'success')).toBe(0)
  expect(world.sim.state().loginAttempts).toBe(1)
})

test('a file that is emptied before it is written leaves the former password in force', async () => {
  const world = await openWithFile('right')
  await until(() => world.events.some(({ type }) => type === 'granted'))

  writeFileSync(file, '')
  await until(async () => (await reloads(world, 'failure')) === 1)
  world.sim.revoke()
  expect((await world.tasks()).status).toBe(200)

  world.sim.wrongPassword({ password: 'newer' })
  writeFileSync(file, 'newer\n')
  await until(async () => (await reloads(world, 'success')) === 1)
  await until(() => world.events.at(-1)?.type === 'granted')
  expect(world.sim.state().loginsRejected).toBe(0)
})
