import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { until } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// Files settle for 2 s, in real time.
vi.setConfig({ testTimeout: 30_000 })

/** Milliseconds of real time within which a change is noticed. */
const NOTICED = 4000

let volume: string
let version: number

beforeEach(() => {
  volume = temporaryDirectory()
  version = 0
})

/** How Kubernetes renews a mounted Secret: a directory with the new files, and one rename that makes `..data` lead there. */
function mount(password: string): void {
  version += 1
  const directory = `..version-${version}`
  mkdirSync(join(volume, directory))
  writeFileSync(join(volume, directory, 'password'), password)
  symlinkSync(directory, join(volume, '..data_tmp'))
  renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
  if (version === 1) symlinkSync(join('..data', 'password'), join(volume, 'password'))
  else rmSync(join(volume, `..version-${version - 1}`), { recursive: true })
}

const edit = (password: string): void => writeFileSync(join(volume, 'password'), password)

const openWithSecret = (): Promise<TimedWorld> =>
  openTimedWorld({
    ready: false,
    simulator: { switches: { password: 'old-password', lockAfter: 0 } },
    env: { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: join(volume, 'password') },
  })

const noticed = (world: TimedWorld): Promise<unknown> =>
  until(() => world.events.some(({ type }) => type === 'credentials-changed'), NOTICED)

const operations = (world: TimedWorld): readonly string[] =>
  world.events.flatMap((event) => (event.type === 'request-started' ? [event.operation] : []))

test.each([
  ['mounted Secret whose ..data link is swapped', mount],
  ['plain file that is edited', edit],
] as const)(
  'a password that changed in a %s is logged in with immediately; the old token serves until then',
  async (_, change) => {
    change('old-password')
    const world = await openWithSecret()
    await until(() => world.events.some(({ type }) => type === 'granted'))
    await world.tasks()
    world.sim.wrongPassword({ password: 'new-password' })
    world.sim.hang({ operation: 'login' })

    change('new-password')
    await noticed(world)
    await until(() => world.sim.state().hanging === 1)

    expect((await world.tasks()).status).toBe(200)
    expect(tokensSent(world)).toHaveLength(1)
    world.sim.release()
    await world.settled()
    expect((await world.tasks()).status).toBe(200)
    expect(tokensSent(world)).toHaveLength(2)
    // A refresh would have proved nothing of the new password.
    expect(operations(world)).toEqual(['login', 'login'])
    expect(world.sim.state()).toMatchObject({ loginsRejected: 0, businessRejected: 0 })
    expect(world.said()).toEqual(['info logged-in', 'info secret-reloaded', 'info logged-in'])
  },
)

/** Every token that a business call was carried out with. */
function tokensSent({ sim }: TimedWorld): readonly string[] {
  const values = sim.requests().map(({ rawHeaders }) => {
    const at = rawHeaders.findIndex((name) => name.toLowerCase() === 'authorization')
    return rawHeaders[at + 1] ?? ''
  })
  return [...new Set(values)]
}
