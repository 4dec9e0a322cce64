import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { openAttemptFile, openVersions } from '../../src/token/attempt-file.ts'
import { NO_ATTEMPTS, recordStart, type AttemptRecord } from '../../src/token/login-guard.ts'
import { createRegister } from '../../src/token/register.ts'
import { manualClock } from '../support/manual-clock.ts'
import { replaceOfFs } from '../support/replace-fs.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'

/** `ATTEMPT_ROUNDS=10000 npx vitest run test/token/attempt-file.test.ts` takes minutes. */
const ROUNDS = Number(process.env['ATTEMPT_ROUNDS'] ?? 200)
const HOUR = 3_600_000
const WALL = Date.parse('2026-03-01T12:00:00Z')
const NOW = 1_000_000
const credentials = { user: 'obs', password: new Secret('p1-canary') }
const REFUSED: AttemptRecord = { ...NO_ATTEMPTS, attempts: 2, refusals: 2, at: NOW }

/** The register as a process has it that starts at this date. */
function start(directory: string, wall = WALL) {
  const clock = manualClock(NOW)
  const problems: string[] = []
  const home = openAttemptFile({
    directory,
    clock,
    wallClock: () => wall + clock.now() - NOW,
    onStorageError: (why) =>
      problems.push(why === undefined ? 'well' : `${why.cause.code} ${why.detail ?? ''}`.trim()),
    onExposed: () => problems.push('exposed'),
  })
  const { update, stop } = createRegister({ home, clock })
  return {
    update,
    stop,
    clock,
    problems,
    read: async (of = credentials) => (await update(of, () => undefined)).account.record,
    /** @returns whether it is on the disk. */
    write: async (record: AttemptRecord, of = credentials) =>
      !(await update(of, (account) => ({ ...account, record }))).alone,
  }
}

/** The latest first; eight of them stay. */
const versions = (directory: string) =>
  readdirSync(directory)
    .flatMap((name) => /^attempts-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((one, other) => other - one)

it('outlives the process, which reads the same entry later', async () => {
  const directory = join(temporaryDirectory(), 'of/state')
  const first = start(directory)
  expect(await first.write(REFUSED)).toBe(true)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(versions(directory)).toEqual([1])
  expect(statSync(join(directory, 'attempts-1.json')).mode & 0o777).toBe(0o600)
  const second = start(directory, WALL + 4000)
  expect(await second.read()).toEqual({ ...REFUSED, at: NOW - 4000 })
  expect(await second.read({ ...credentials, user: 'another' })).toEqual(NO_ATTEMPTS)
  expect([...first.problems, ...second.problems]).toEqual([])
})

it.runIf(process.getuid?.() === 0)('of root belongs to who owns the directory', async () => {
  const directory = temporaryDirectory()
  chownSync(directory, 65_534, 65_534)
  await start(directory).write(REFUSED)
  expect(statSync(join(directory, 'attempts-1.json'))).toMatchObject({ uid: 65_534, gid: 65_534 })
})

it('takes a date in the future, of a clock that was set back, as now', async () => {
  const directory = temporaryDirectory()
  await start(directory, WALL + 1000 * HOUR).write(REFUSED)
  const { read, clock } = start(directory)
  expect(await read()).toEqual(REFUSED)
  await clock.advance(8000)
  expect(await read()).toEqual(REFUSED)
})

it('names credentials by a slow hash with a salt, never by themselves', async () => {
  const texts = await Promise.all(
    [temporaryDirectory(), temporaryDirectory()].map(async (directory) => {
      await start(directory).write(REFUSED)
      return readFileSync(join(directory, 'attempts-1.json'), 'utf8')
    }),
  )
  expect(texts.join('')).not.toContain('canary')
  expect(texts.join('')).not.toContain('"obs"')
  const [one, other] = texts.map((text) =>
    Object.keys((JSON.parse(text) as { entries: object }).entries),
  )
  expect(one).not.toEqual(other)
})

const OURS = { version: 5, salt: '0'.repeat(32) }

it.each([
  ['is not JSON', '{'],
  ['is of another kind', '{"version":3}'],
  ['has no salt', JSON.stringify({ ...OURS, salt: 0, entries: {} })],
  ['has a record of another kind', JSON.stringify({ ...OURS, entries: { id: {} } })],
  ['is longer than 64 KiB', JSON.stringify({ ...OURS, entries: {} }).padEnd(64 * 1024 + 1)],
  ['is a directory', undefined],
])('says that a file that %s cannot be used, and begins anew', async (_, text) => {
  const directory = temporaryDirectory()
  const path = join(directory, 'attempts-7.json')
  if (text === undefined) mkdirSync(path)
  else writeFileSync(path, text)
  const { read, write, problems, clock } = start(directory)
  expect(await read()).toEqual(NO_ATTEMPTS)
  expect(await write(REFUSED)).toBe(true)
  expect(problems).toEqual(['disk-foreign'])
  await clock.advance(60_000)
  expect(problems).toEqual(['disk-foreign', 'well'])
  expect(await start(directory).read()).toMatchObject({ refusals: 2 })
  expect(versions(directory)).toEqual([8, 7])
})

it('keeps the latest versions: a process that stood still finds that a swept number is taken', async () => {
  const directory = temporaryDirectory()
  const latest = openVersions(directory, () => undefined)
  for (let number = 1; number <= 10; number += 1) await latest.write(number, `version ${number}`)
  expect(versions(directory)).toEqual([10, 9, 8, 7, 6, 5, 4, 3])
  expect([await latest.write(10, 'late'), await latest.write(2, 'later')]).toEqual([false, false])
  expect(await latest.read()).toEqual({ number: 10, text: 'version 10' })
  expect(await latest.write(11, 'next')).toBe(true)
})

it('does not follow a link that stands in its place', async () => {
  const directory = temporaryDirectory()
  const target = join(temporaryDirectory(), 'target')
  writeFileSync(target, 'not-processed')
  symlinkSync(target, join(directory, 'attempts-7.json'))
  expect(await start(directory).write(REFUSED)).toBe(true)
  expect(readFileSync(target, 'utf8')).toBe('not-processed')
})

it('removes what a process that was killed has left eight versions ago, and nothing else', async () => {
  const directory = temporaryDirectory()
  const names = ['attempts-1.0a.new', 'attempts-2.0b.new', 'attempts-x.json', 'other']
  for (const name of names) writeFileSync(join(directory, name), '')
  const { write } = start(directory)
  for (let version = 1; version <= 9; version += 1) await write(REFUSED)
  const left = readdirSync(directory).filter((name) => !/^attempts-[2-9]\.json$/.test(name))
  expect(left.sort()).toEqual(names.slice(1).sort())
})

it.each([
  [0o1777, 'exposed'],
  // What the kubelet makes of a directory on a volume, for the group of a pod.
  [0o2770, undefined],
])('a directory of mode %o: %s, once', async (mode, problem) => {
  const directory = join(temporaryDirectory(), 'state')
  mkdirSync(directory)
  chmodSync(directory, mode)
  const { write, problems } = start(directory)
  await write(REFUSED)
  await write(REFUSED)
  expect(problems).toEqual(problem === undefined ? [] : [problem])
})

it('keeps what another process has written while the disk did not take ours', async () => {
  const directory = join(temporaryDirectory(), 'state')
  const { update, write, clock, problems } = start(directory)
  await write(REFUSED)
  chmodSync(directory, 0o700)
  const hidden = `${directory}-hidden`
  spawnSync('mv', [directory, hidden])
  writeFileSync(directory, '')
  const begin = await update(credentials, (account) => ({
    ...account,
    record: recordStart(account.record, NOW),
  }))
  expect(begin.alone).toBe(true)
  unlinkSync(directory)
  spawnSync('mv', [hidden, directory])
  const other = { ...credentials, user: 'another' }
  const process = start(directory)
  await process.write(REFUSED, other)
  await process.write({ ...REFUSED, attempts: 7 })
  await clock.advance(1000)
  await until(() => problems.at(-1) === 'well')
  expect(problems).toEqual(['disk-failed ENOTDIR', 'well'])
  expect(await start(directory).read()).toMatchObject({ attempts: 7, refusals: 2 })
  expect(await start(directory).read(other)).toMatchObject({ attempts: 2 })
})

it('says that the disk has no hard links, counts in memory, and leaves nothing there', async () => {
  const directory = temporaryDirectory()
  const { write, read, problems } = start(directory)
  // As on VFAT.
  const refused = Object.assign(new Error('EPERM'), { code: 'EPERM', syscall: 'link' })
  replaceOfFs({ link: () => Promise.reject(refused) })
  expect(await write(REFUSED)).toBe(false)
  expect([await read(), problems]).toEqual([REFUSED, ['disk-no-links ERR_NO_HARD_LINKS']])
  expect(readdirSync(directory)).toEqual([])
})

it('on a full disk counts in memory, and writes again when there is room', async () => {
  const directory = temporaryDirectory()
  const { write, problems, clock } = start(directory)
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' })
  const { link } = fs
  let tries = 0
  replaceOfFs({
    link: (from: string, to: string) => ((tries += 1) > 2 ? link(from, to) : Promise.reject(full)),
  })
  expect(await write(REFUSED)).toBe(false)
  await until(async () => {
    await clock.advance(1000)
    return problems.at(-1) === 'well'
  })
  expect(problems[0]).toBe('disk-full ENOSPC')
  expect(await start(directory).read()).toMatchObject({ refusals: 2 })
})

it('waits for no disk that takes longer than a second, says so, and is well when it goes on', async () => {
  const directory = temporaryDirectory()
  const { write, problems, read, clock } = start(directory)
  const { link } = fs
  const goOn = new AbortController()
  let isLinking = false
  replaceOfFs({
    link: async (from: string, to: string) => {
      isLinking = true
      if (!goOn.signal.aborted) await once(goOn.signal, 'abort')
      return link(from, to)
    },
  })
  const late = write(REFUSED)
  await until(() => isLinking)
  await clock.advance(1000)
  expect(await late).toBe(false)
  expect(await write({ ...REFUSED, refusals: 4 })).toBe(false)
  expect(problems).toEqual(['disk-slow'])
  expect(await read()).toMatchObject({ refusals: 4 })
  goOn.abort()
  await until(async () => {
    await clock.advance(1000)
    // The disk has its time.
    await delay(20)
    return problems.at(-1) === 'well'
  })
  expect(await start(directory).read()).toMatchObject({ refusals: 4 })
})

it('of processes that are killed at any moment loses no change that it has taken', async () => {
  const directory = temporaryDirectory()
  const program = join(temporaryDirectory(), 'process.cjs')
  await build({
    entryPoints: [fileURLToPath(new URL('attempt-process.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
  })
  let written = 0
  let kills = 0
  const errors: string[] = []
  const run = async (rounds: number, lives: number | undefined): Promise<void> => {
    const child = spawn(process.execPath, [program, directory, String(rounds)])
    if (lives !== undefined) setTimeout(() => child.kill('SIGKILL'), lives)
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
    await once(child, 'close')
    const lines = printed.split('\n').filter((line) => line !== '')
    written += lines.filter((line) => line === 'written').length
    errors.push(...lines.filter((line) => line !== 'written'))
    kills += lives === undefined ? 0 : 1
  }
  // The third one of each has the time that it needs.
  const one = async (first: number): Promise<void> => {
    for (const lives of [first, 600 - first, undefined]) await run(ROUNDS, lives)
  }
  await Promise.all([one(200), one(300)])

  const { attempts } = await start(directory).read({ user: 'obs', password: new Secret('p') })
  expect(errors).toEqual([])
  // What a killed process had written it may not have said.
  expect(attempts).toBeGreaterThanOrEqual(written)
  expect(attempts).toBeLessThanOrEqual(written + kills)
  expect(written).toBeGreaterThanOrEqual(2 * ROUNDS)
}, 600_000)
