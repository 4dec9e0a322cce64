import { statSync, utimesSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { watchFiles } from '../../src/config/reload.ts'
import { replaceOfFs } from '../support/replace-fs.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until, within } from '../support/until.ts'
import { configOf, PASSWORDLESS } from './stand.ts'

// Effects of valid and invalid changes are in test/behaviour/reload-files.test.ts.

let file: ReturnType<typeof temporaryFiles>
let path: string
let env: Environment
let happened: string[]

beforeEach(() => {
  file = temporaryFiles()
  path = file('password', 'old')
  const obs = { OBS_USER: 'cti', OBS_PASSWORD_FILE: file('obs', 'x') }
  env = { ...PASSWORDLESS, ...obs, ISALES_PASSWORD_FILE: path }
  happened = []
})

/** Watches with the configuration from before `change`, with a check every `interval` ms. */
function watch(change = (): void => undefined, interval = 20) {
  const config = configOf(loadConfig(env))
  change()
  const ignored = () => undefined
  const files = watchFiles({
    env,
    config,
    interval,
    apply: {
      credentials: (latest) => void happened.push(latest.isalesPassword.reveal()),
      obsLogin: () => void happened.push('obs'),
      isalesTls: ignored,
      listenTls: ignored,
    },
    onWarning: ignored,
    onReloaded: ignored,
    onProblems: (part, problems) =>
      void happened.push(`${part} ${problems.map(({ code }) => code).join()}`),
  })
  onTestFinished(() => files.close())
  return files
}

const next = () => until(() => happened.length > 0 && happened.splice(0).join())

it('only the group that changed between loading and watching is applied', async () => {
  await watch(() => file('password', 'new')).now()
  expect(await next()).toBe('new')
})

it.each<readonly [string, () => void]>([
  ['renamed over', () => void file('password', 'new')],
  [
    'written with the previous size and time',
    () => {
      const { atime, mtime } = statSync(path)
      writeFileSync(path, 'two')
      utimesSync(path, atime, mtime)
    },
  ],
])('a file that is %s is read without a signal', async (_, change) => {
  // After the first check.
  await watch().now()
  change()
  expect(await next()).toMatch(/^(?:new|two)$/)
})

it.each([
  [1, 3, 3],
  [4, 6, 6],
  [Infinity, 7, 20],
])(
  'files that change for %s checks are read after %i to %i checks',
  async (changes, least, most) => {
    const files = watch(() => file('password', 'first'), 60_000)
    await files.now()
    expect(await next()).toBe('first')
    const real = fs.stat
    let checks = 0
    const version = (): number => Math.min(checks, changes)
    replaceOfFs({
      async stat(one: string) {
        if (one !== path) return real(one)
        checks += 1
        writeFileSync(path, `${version()}`)
        return { ino: version(), ctimeMs: 0, size: 0 }
      },
    })
    await files.now()
    // On a machine that stands still, the wait of 2 s ends before the read.
    const text = await next()
    expect(text).toBe(`${version()}`)
    expect(checks).toBeGreaterThanOrEqual(least)
    expect(checks).toBeLessThanOrEqual(most)
  },
)

it('a mount that hangs delays a reload by at most 2 s, and no file is read', async () => {
  const real = fs.stat
  const stat = (one: string) =>
    one === env['OBS_PASSWORD_FILE'] ? new Promise(() => undefined) : real(one)
  replaceOfFs({ stat })
  const files = watch(() => file('password', 'new'))
  await within(Promise.all([files.now(), files.now()]), 'two reloads')
  expect(happened).toEqual([])
})
