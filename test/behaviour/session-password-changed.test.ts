import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

// Files settle for 2 s, in real time.
vi.setConfig({ testTimeout: 30_000 })

test('a password that changed in a mounted Secret is logged in with, and no call fails', async () => {
  const volume = temporaryDirectory()
  // How Kubernetes renews it: a directory with the new files, and one rename that makes `..data` lead there.
  const mount = (version: string): void => {
    mkdirSync(join(volume, version))
    writeFileSync(join(volume, version, 'password'), version)
    symlinkSync(version, join(volume, '..data_tmp'))
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
  }
  mount('old')
  symlinkSync(join('..data', 'password'), join(volume, 'password'))
  const world = await openWorld({
    simulator: { switches: { password: 'old', lockAfter: 0 } },
    env: { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: join(volume, 'password') },
  })
  world.sim.wrongPassword({ password: 'new' })
  mount('new')
  await until(() => world.sim.state().logins === 2, 6000)
  expect((await world.tasks()).status).toBe(200)
  expect(world.sim.state()).toMatchObject({ loginsRejected: 0, refreshes: 0, businessRejected: 0 })
  expect(world.lines.map(({ event }) => event)).toContain('secret-reloaded')
})
