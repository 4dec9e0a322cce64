import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { watchFiles } from '../../src/config/reload.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { configOf, PASSWORDLESS } from './stand.ts'

const { ca, server } = makeCertificates()

let file: ReturnType<typeof temporaryFiles>
let paths: Record<'ISALES_PASSWORD_FILE' | 'OBS_PASSWORD_FILE' | 'ISALES_CA_FILE', string>
let env: Environment
let happened: string[]
let files: ReturnType<typeof watchFiles> | undefined

beforeEach(() => {
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
    users: {
      credentials: ({ isalesPassword }) => happened.push(`password ${isalesPassword.reveal()}`) > 0,
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

it('what changes between the reading of the configuration and the watch is used', async () => {
  watch(() => {
    file('password', 'new')
    file('obs', 'obs-password-of-now')
  })
  expect(await next(3)).toEqual([
    `password new`,
    'obs obs-password-of-now',
    `in use OBS_PASSWORD_FILE`,
  ])
})

it('each part that changed is handed over, and no other', async () => {
  const files = watch()
  file('ca.pem', server.cert)
  await files.now()
  expect(await next(1)).toEqual(['tls other', `in use ISALES_CA_FILE`])
  file('password', 'new')
  await files.now()
  expect(await next(1)).toEqual([`password new`])
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
  watch()
  await until(() => happened.length === 0)
  // After the first look.
  await files?.now()
  change(paths.ISALES_PASSWORD_FILE)
  await until(() => happened.length > 0)
  expect(happened).toEqual([expect.stringMatching(/^password (?:new|two)$/)])
})

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
  expect(await next(2)).toEqual([
    'credentials empty-file',
    'obs obs-password-of-now',
    `in use OBS_PASSWORD_FILE`,
    'isalesTls not-pem',
  ])
  await files.now()
  expect(happened).toEqual([])

  rmSync(paths.ISALES_PASSWORD_FILE)
  await files.now()
  expect(await next(1)).toEqual(['credentials file-unreadable'])
  file('password', 'old')
  file('ca.pem', ca.cert)
  await files.now()
  // Also as they were.
  expect(await next(1)).toEqual([
    'credentials ',
    `password old`,
    'isalesTls ',
    'tls ca',
    `in use ISALES_CA_FILE`,
  ])
})
