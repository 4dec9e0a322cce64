import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { watchFiles } from '../../src/config/reload.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until, within } from '../support/until.ts'
import { configOf, PASSWORDLESS } from './stand.ts'

/** Paths on a mount that hangs. */
const hung = vi.hoisted(() => new Set<unknown>())
vi.mock('node:fs/promises', async (original) => {
  const real = await original<{ readonly stat: (path: string) => unknown }>()
  const stat = (path: string) => (hung.has(path) ? new Promise(() => undefined) : real.stat(path))
  return { ...real, stat }
})

const { ca, server } = makeCertificates()

let file: ReturnType<typeof temporaryFiles>
let paths: Record<'ISALES_PASSWORD_FILE' | 'OBS_PASSWORD_FILE' | 'ISALES_CA_FILE', string>
let env: Environment
let happened: string[]
let files: ReturnType<typeof watchFiles> | undefined

beforeEach(() => {
  hung.clear()
  file = temporaryFiles()
  paths = {
    ISALES_PASSWORD_FILE: file('password', 'old'),
    OBS_PASSWORD_FILE: file('obs', 'obs-password-of-before'),
    ISALES_CA_FILE: file('ca.pem', ca.cert),
  }
  env = { ...PASSWORDLESS, OBS_USER: 'cti', ...paths }
  happened = []
})
afterEach(() => files?.close())

/** Watches with the configuration as it was before `change`. Each look is 20 ms after the one before. */
function watch(change = (): void => undefined) {
  const config = configOf(loadConfig(env))
  change()
  files = watchFiles({
    env,
    config,
    interval: 20,
    apply: {
      credentials: (latest) => void happened.push(`password ${latest.isalesPassword.reveal()}`),
      obsLogin: ({ obsPassword }) => void happened.push(`obs ${obsPassword?.reveal()}`),
      isalesTls: ({ isalesTls }) =>
        void happened.push(`tls ${isalesTls.ca?.trim() === ca.cert.trim() ? 'ca' : 'other'}`),
      listenTls: () => void happened.push('listen'),
    },
    onWarning: ({ setting, code }) => void happened.push(`doubt ${setting} ${code}`),
    onReloaded: (settings) => void happened.push(`in use ${settings.join()}`),
    onProblems: (part, problems) =>
      void happened.push(`${part} ${problems.map(({ code }) => code).join()}`),
  })
  return files
}

/** What has happened since the last look, when it is so much. */
const next = (count: number) =>
  until(() => happened.length >= count && happened.splice(0, happened.length))

it('what changes between the reading of the configuration and the watch is used, and no other part', async () => {
  watch(() => {
    file('password', 'new')
    file('obs', 'obs-password-of-now')
  })
  expect(await next(4)).toEqual([
    'password new',
    'in use ISALES_PASSWORD_FILE',
    'obs obs-password-of-now',
    'in use OBS_PASSWORD_FILE',
  ])
})

it.each<readonly [string, (path: string) => void]>([
  ['written', (path) => writeFileSync(path, 'new')],
  [
    'renamed over',
    (path) => {
      writeFileSync(`${path}.new`, 'new')
      renameSync(`${path}.new`, path)
    },
  ],
  [
    'written with the former size and time',
    (path) => {
      const { atime, mtime } = statSync(path)
      writeFileSync(path, 'two')
      utimesSync(path, atime, mtime)
    },
  ],
])('a file that is %s is noticed by itself, when it rests', async (_, change) => {
  // After the first look.
  await watch().now()
  change(paths.ISALES_PASSWORD_FILE)
  expect(await next(2)).toEqual([expect.stringMatching(/^password (?:new|two)$/), ANY_TEXT])
})
// oxlint-disable-next-line vitest/no-standalone-expect -- what a line is compared with
const ANY_TEXT: unknown = expect.any(String)

it('a file that is written again as it was is no change', async () => {
  const files = watch()
  file('password', 'old')
  file('ca.pem', `# a comment\n${ca.cert}`)
  await files.now()
  expect(happened).toEqual([])
})

it('what is wrong stays as it was and is said once; other parts are used', async () => {
  const files = watch()
  file('ca.pem', 'nonsense')
  file('password', '')
  file('obs', 'obs-password-of-now')
  await files.now()
  expect(await next(4)).toEqual([
    'credentials empty-file',
    'obs obs-password-of-now',
    'in use OBS_PASSWORD_FILE',
    'isalesTls not-pem',
  ])
  await files.now()
  expect(happened).toEqual([])

  rmSync(paths.ISALES_PASSWORD_FILE)
  await files.now()
  expect(await next(1)).toEqual(['credentials file-unreadable'])
  file('password', 'old')
  file('ca.pem', server.cert)
  await files.now()
  // Also as they were.
  expect(await next(6)).toEqual([
    'credentials ',
    'password old',
    'in use ISALES_PASSWORD_FILE',
    'isalesTls ',
    'tls other',
    'in use ISALES_CA_FILE',
  ])
})

it('a mount that hangs holds nobody longer than a second, and nothing is read from it', async () => {
  const files = watch(() => {
    hung.add(paths.OBS_PASSWORD_FILE)
    file('password', 'new')
  })
  await within(Promise.all([files.now(), files.now()]), 'two reloads')
  expect(happened).toEqual([])
})
