import { appendFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, expect, test, vi } from 'vitest'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// A change of the files is used after 2 s.
vi.setConfig({ testTimeout: 15_000 })

let directory: string
let file: string

beforeEach(() => {
  directory = temporaryDirectory()
  file = join(directory, 'password')
})

const openWithFile = (password: string): Promise<World> => {
  writeFileSync(file, `${password}\n`)
  return openWorld({
    simulator: { switches: { password: 'right' } },
    env: {
      ISALES_PASSWORD: undefined,
      ISALES_PASSWORD_FILE: file,
      // No attempt comes by itself while a test waits.
      LOGIN_REJECTED_BACKOFF: '1m',
    },
    ready: false,
  })
}

const reloads = (world: World, outcome: string): Promise<number> =>
  world.metric(`isales_proxy_credential_reloads_total{outcome="${outcome}"}`)

test('a refused password that is corrected in its file is tried immediately', async () => {
  const world = await openWithFile('wrong')
  await until(() => world.events.some(({ type }) => type === 'failed'))

  writeFileSync(file, 'right')

  await until(() => world.events.some(({ type }) => type === 'granted'), 5000)
  expect((await world.tasks()).status).toBe(200)
  expect(await reloads(world, 'success')).toBe(1)
  expect(world.sim.state().loginAttempts).toBe(2)
})

test('a refused password that is written again buys no attempt', async () => {
  const world = await openWithFile('wrong')
  await until(() => world.events.some(({ type }) => type === 'failed'))

  // Another text, the same password. The watch uses it within 2.5 s.
  writeFileSync(file, 'wrong')
  await expect(until(() => world.sim.state().loginAttempts > 1, 3500)).rejects.toThrow('not within')
  unlinkSync(file)

  await until(async () => (await reloads(world, 'failure')) === 1, 5000)
  expect(world.lines.at(-1)).toMatchObject({
    event: 'secret-unreadable',
    setting: 'ISALES_PASSWORD_FILE',
  })
  expect(await reloads(world, 'success')).toBe(0)
  expect(world.sim.state().loginAttempts).toBe(1)
})

test('a password file that is written in two parts, and then the user file, cost one login', async () => {
  const userFile = join(directory, 'user')
  writeFileSync(userFile, 'obs')
  writeFileSync(file, 'right')
  const world = await openWorld({
    simulator: { switches: { user: 'obs', password: 'right' } },
    env: {
      ISALES_USER: undefined,
      ISALES_USER_FILE: userFile,
      ISALES_PASSWORD: undefined,
      ISALES_PASSWORD_FILE: file,
    },
  })
  world.sim.set({ user: 'obs-2', password: 'right-newer' })

  writeFileSync(file, 'right-')
  await delay(300)
  appendFileSync(file, 'newer')
  await delay(1000)
  writeFileSync(userFile, 'obs-2')

  await until(() => world.sim.state().logins === 2, 5000)
  expect(world.sim.state()).toMatchObject({ loginAttempts: 2, loginsRejected: 0 })
  expect(await reloads(world, 'success')).toBe(1)
})

test('a file that is emptied before it is written leaves the former password in force', async () => {
  const world = await openWithFile('right')
  await until(() => world.events.some(({ type }) => type === 'granted'))

  writeFileSync(file, '')
  await until(async () => (await reloads(world, 'failure')) === 1, 5000)
  world.sim.revoke()
  expect((await world.tasks()).status).toBe(200)

  world.sim.wrongPassword({ password: 'newer' })
  writeFileSync(file, 'newer\n')
  await until(async () => (await reloads(world, 'success')) === 1, 5000)
  await until(() => world.events.at(-1)?.type === 'granted')
  expect(world.sim.state().loginsRejected).toBe(0)
})
