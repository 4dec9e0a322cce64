import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { openAttemptFile, openVersions } from '../../src/token/attempt-file.ts'
import { NO_ATTEMPTS, type AttemptRecord } from '../../src/token/login-guard.ts'
import { createRegister } from '../../src/token/register.ts'
import { manualClock } from '../support/manual-clock.ts'
import { replaceOfFs } from '../support/replace-fs.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { START as NOW } from './support.ts'

/** `ATTEMPT_ROUNDS=10000 npx vitest run test/token/attempt-file.test.ts` takes minutes. */
const ROUNDS = Number(process.env['ATTEMPT_ROUNDS'] ?? 200)
const HOUR = 3_600_000
const WALL = Date.parse('2026-03-01T12:00:00Z')
const credentials = { user: 'obs', password: new Secret('p1-canary') }
const other = { ...credentials, user: 'another' }
const REFUSED: AttemptRecord = { ...NO_ATTEMPTS, attempts: 2, rejections: 2, pauseFrom: NOW }

/** The register of a process that starts at this date. */
function start(directory: string, wall = WALL) {
  const manual = manualClock(NOW)
  let jumped = 0
  const clock = { ...manual, date: () => wall + jumped + manual.now() - NOW }
  const problems: string[] = []
  const home = openAttemptFile({
    directory,
    clock,
    onStorageError: (error) =>
      problems.push(error ? `${error.cause.code} ${error.detail ?? ''}`.trim() : 'well'),
    onExposed: () => problems.push('exposed'),
  })
  const { update, ...register } = createRegister(clock, home)
  const begin = () =>
    register.start(async () => {
      await update(credentials, (account, { alone }) => (alone ? undefined : account))
    })
  /** Passes seconds until the record is on the disk again, and gives the disk its time. */
  const recover = () =>
    until(async () => {
      await clock.advance(1000)
      await delay(20)
      return problems.at(-1) === 'well'
    })
  return {
    clock,
    problems,
    begin,
    stop: () => register.stop(),
    jump: (ms: number) => void (jumped += ms),
    recover,
    read: async (of = credentials) => (await update(of, () => undefined)).record,
    /** Returns whether the record is on the disk. */
    write: async (record: AttemptRecord, of = credentials) => {
      let isAlone = false
      await update(of, (account, { alone }) => {
        isAlone = alone
        return { ...account, record }
      })
      return !isAlone
    },
  }
}

/** Lets calls of a function of `node:fs/promises` fail with this code, if `fails` says so of their first argument. */
function breakFs(
  name: 'open' | 'mkdir' | 'link',
  code: string,
  fails: (path: unknown) => boolean,
): void {
  const real: (...given: never[]) => unknown = fs[name]
  const failed = Object.assign(new Error(code), { code, syscall: name })
  replaceOfFs({
    [name]: (...given: never[]) => (fails(given[0]) ? Promise.reject(failed) : real(...given)),
  })
}

/** Returns the versions, the latest first. */
const versions = (directory: string) =>
  readdirSync(directory)
    .flatMap((name) => /^attempts-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((one, next) => next - one)

it('a record outlives its process', async () => {
  const directory = join(temporaryDirectory(), 'of/state')
  const first = start(directory)
  expect(await first.write(REFUSED)).toBe(true)
  expect(versions(directory)).toEqual([1])
  const modes = [directory, join(directory, 'attempts-1.json')].map((path) => statSync(path).mode)
  expect(modes.map((mode) => mode & 0o777)).toEqual([0o700, 0o600])
  const second = start(directory, WALL + 4000)
  expect(await second.read()).toEqual({ ...REFUSED, pauseFrom: NOW - 4000 })
  expect(await second.read(other)).toEqual(NO_ATTEMPTS)
  expect([...first.problems, ...second.problems]).toEqual([])
})

it('a disk that fails while no login is due is noticed within 10 s, and its end within 1 s', async () => {
  const directory = temporaryDirectory()
  const { clock, problems, write, begin, stop } = start(directory)
  expect(await write(REFUSED)).toBe(true)
  begin()
  let isFull = true
  breakFs('open', 'ENOSPC', () => isFull)
  await clock.advance(9999)
  expect(problems).toEqual([])
  await clock.advance(1)
  await until(() => problems.length > 0)
  expect(problems).toEqual(['disk-full ENOSPC'])
  isFull = false
  await clock.advance(1000)
  await until(() => problems.length > 1)
  expect(problems).toEqual(['disk-full ENOSPC', 'well'])
  expect(await start(directory).read()).toMatchObject({ rejections: 2 })
  await clock.advance(10_000)
  await stop()
  expect([clock.waiting(), readdirSync(directory).length]).toEqual([[], 4])
})

it('attempts with two passwords outlive a disk that is unavailable at the start', async () => {
  const directory = temporaryDirectory()
  // Makes the salt.
  await start(directory).read()
  const { write, read, begin, recover, stop } = start(directory)
  let isBroken = true
  breakFs('mkdir', 'EIO', () => isBroken)
  expect([await write(REFUSED, other), await write(REFUSED)]).toEqual([false, false])
  isBroken = false
  begin()
  await recover()
  const next = start(directory)
  const found = [await read(other), await next.read(other), await next.read()]
  expect(found.map(({ attempts }) => attempts)).toEqual([2, 2, 2])
  await stop()
})

it('another process reads an attempt as it was, although the date jumped before it was written', async () => {
  const directory = temporaryDirectory()
  const one = start(directory)
  expect(await one.write({ ...REFUSED, attempts: 1 })).toBe(true)
  const second = start(directory, WALL + HOUR)
  one.jump(HOUR)
  expect(await one.write(REFUSED)).toBe(true)
  expect(await second.read()).toEqual(REFUSED)
})

it('a disk operation that waits for another one is not a slow disk', async () => {
  const { clock, problems, write } = start(temporaryDirectory())
  expect(await write(REFUSED)).toBe(true)
  const { mkdir } = fs
  let started = 0
  replaceOfFs({
    mkdir: async (path: string) => {
      started += 1
      await clock.sleep(600)
      return mkdir(path)
    },
  })
  const first = write(REFUSED)
  await until(() => started === 1)
  await clock.advance(100)
  const second = write({ ...REFUSED, attempts: 3 })
  await clock.advance(500)
  expect(await first).toBe(true)
  await until(() => started === 2)
  await clock.advance(500)
  expect([await second, problems]).toEqual([false, []])
})

it.runIf(process.getuid?.() === 0)("root's file belongs to the directory's owner", async () => {
  const directory = temporaryDirectory()
  chownSync(directory, 65_534, 65_534)
  await start(directory).write(REFUSED)
  expect(statSync(join(directory, 'attempts-1.json'))).toMatchObject({ uid: 65_534, gid: 65_534 })
})

it('a file names credentials by a salted hash, never by themselves', async () => {
  const writes = [temporaryDirectory(), temporaryDirectory()].map(async (directory) => {
    await start(directory).write(REFUSED)
    return readFileSync(join(directory, 'attempts-1.json'), 'utf8')
  })
  const texts = await Promise.all(writes)
  expect(texts.join('')).not.toMatch(/canary|"obs"/)
  const entries = texts.map((text) => (JSON.parse(text) as { entries: object }).entries)
  expect(Object.keys(entries[0] ?? {})).not.toEqual(Object.keys(entries[1] ?? {}))
})

it("the salt outlives the record, and is the first process's", async () => {
  const directory = temporaryDirectory()
  await Promise.all([start(directory).write(REFUSED), start(directory).write(REFUSED, other)])
  const salt = () => readFileSync(join(directory, 'attempts-salt'), 'utf8')
  const first = salt()
  const { mode } = statSync(join(directory, 'attempts-salt'))
  expect([first.length, mode & 0o777]).toEqual([32, 0o600])
  for (const number of versions(directory))
    writeFileSync(join(directory, `attempts-${number}.json`), '{')
  await start(directory).write(REFUSED)
  expect(salt()).toBe(first)
})

it.each(['attempts-salt', 'attempts-1.json'])(
  'attempts of a process that cannot read %s at first are added later',
  async (name) => {
    const directory = temporaryDirectory()
    await start(directory).write({ ...REFUSED, attempts: 3 })
    const { write, read, begin, recover } = start(directory)
    begin()
    let tries = 0
    breakFs('open', 'EACCES', (path) => path === join(directory, name) && (tries += 1) <= 2)
    expect(await write({ ...REFUSED, rejections: 4 })).toBe(false)
    await recover()
    const both = { attempts: 5, rejections: 6 }
    expect(await read()).toMatchObject(both)
    expect(await start(directory).read()).toMatchObject(both)
  },
)

it.each([
  ['EIO', false],
  // A newer version exists if this one was removed meanwhile.
  ['ENOENT', true],
])('a version that cannot be read because of %s is read again: %s', async (code, isAgain) => {
  const directory = temporaryDirectory()
  await start(directory).write(REFUSED)
  let nth = 0
  // The first file is the salt.
  breakFs('open', code, () => (nth += 1) === 2)
  expect(await start(directory).write(REFUSED)).toBe(isAgain)
})

const OURS = { version: 6 }

it.each([
  ['is not JSON', '{'],
  ['is of another kind', '{"version":3}'],
  ['has no records', JSON.stringify(OURS)],
  ['has a record of another kind', JSON.stringify({ ...OURS, entries: { id: {} } })],
  ['is longer than 64 KiB', JSON.stringify({ ...OURS, entries: {} }).padEnd(64 * 1024 + 1)],
  ['is a directory, as is the salt', undefined],
])('a file that %s is reported, and replaced', async (_, text) => {
  const directory = temporaryDirectory()
  const path = join(directory, 'attempts-7.json')
  if (text !== undefined) writeFileSync(path, text)
  else for (const each of [path, join(directory, 'attempts-salt')]) mkdirSync(each)
  const { read, write, begin, stop, problems, clock } = start(directory)
  expect(await read()).toEqual(NO_ATTEMPTS)
  expect(await write(REFUSED)).toBe(true)
  begin()
  await clock.advance(10_000)
  // The disk works; the contents are lost all the same.
  await until(() => clock.waiting().includes(10_000))
  await stop()
  expect(problems).toEqual(['disk-foreign'])
  await clock.advance(50_000)
  expect(problems).toEqual(['disk-foreign', 'well'])
  expect(await start(directory).read()).toMatchObject({ rejections: 2 })
  expect(versions(directory)).toEqual([9, 8, 7])
})

it('a process that was stopped finds the number of a removed version taken', async () => {
  const directory = temporaryDirectory()
  const latest = openVersions(directory, () => undefined)
  for (let number = 1; number <= 10; number += 1) await latest.write(number, `version ${number}`)
  expect(versions(directory)).toEqual([10, 9, 8, 7, 6, 5, 4, 3])
  expect([await latest.write(10, 'late'), await latest.write(2, 'later')]).toEqual([false, false])
  expect(await latest.read()).toEqual({ number: 10, text: 'version 10' })
  expect(await latest.write(11, 'next')).toBe(true)
})

it('a symbolic link in place of a version is not followed', async () => {
  const directory = temporaryDirectory()
  const target = join(temporaryDirectory(), 'target')
  writeFileSync(target, 'untouched')
  symlinkSync(target, join(directory, 'attempts-7.json'))
  expect(await start(directory).write(REFUSED)).toBe(true)
  expect(readFileSync(target, 'utf8')).toBe('untouched')
})

it("a killed process's files are removed after eight versions, and no others", async () => {
  const directory = temporaryDirectory()
  const names = ['attempts-1.0a.new', 'attempts-2.0b.new', 'attempts-x.json', 'other']
  for (const name of names) writeFileSync(join(directory, name), '')
  const { write } = start(directory)
  for (let version = 1; version <= 9; version += 1) await write(REFUSED)
  const left = readdirSync(directory).filter((name) => !/^attempts-[2-9]\.json$/.test(name))
  expect(left.sort()).toEqual([...names.slice(1), 'attempts-salt'].sort())
})

it.each([
  [0o1777, ['exposed']],
  // The kubelet gives a volume's directory this mode, for a pod's group.
  [0o2770, []],
])('a directory of mode %o is reported once, or not: %j', async (mode, expected) => {
  const directory = temporaryDirectory()
  chmodSync(directory, mode)
  const { write, problems } = start(directory)
  await write(REFUSED)
  await write(REFUSED)
  expect(problems).toEqual(expected)
})

it.each([
  // As on VFAT.
  ['has no hard links', 'link', 'EPERM', 'disk-no-links ERR_NO_HARD_LINKS'],
  ['is full', 'link', 'ENOSPC', 'disk-full ENOSPC'],
  ['has no directory there', 'mkdir', 'ENOTDIR', 'disk-failed ENOTDIR'],
] as const)('while the disk %s, attempts are in memory', async (_, call, code, problem) => {
  const directory = temporaryDirectory()
  const { write, read, begin, recover, problems } = start(directory)
  begin()
  let tries = 0
  breakFs(call, code, () => (tries += 1) <= 2)
  expect(await write(REFUSED)).toBe(false)
  expect([await read(), problems, readdirSync(directory)]).toEqual([REFUSED, [problem], []])
  await recover()
  expect(await start(directory).read()).toMatchObject({ rejections: 2 })
})

it('while the disk takes longer than a second, attempts are in memory', async () => {
  const directory = temporaryDirectory()
  const { write, problems, read, begin, recover, clock } = start(directory)
  begin()
  const { link } = fs
  const stall = new AbortController()
  let isLinking = false
  replaceOfFs({
    link: async (from: string, to: string) => {
      isLinking = true
      if (!stall.signal.aborted) await once(stall.signal, 'abort')
      return link(from, to)
    },
  })
  const late = write(REFUSED)
  await until(() => isLinking)
  const behind = write({ ...REFUSED, rejections: 3 })
  await clock.advance(1000)
  const after = write({ ...REFUSED, rejections: 4 })
  expect(await Promise.all([late, behind, after])).toEqual([false, false, false])
  expect(problems).toEqual([])
  expect(await read()).toMatchObject({ rejections: 4 })
  await clock.advance(1000)
  await until(() => problems.length > 0)
  expect(problems).toEqual(['disk-slow'])
  stall.abort()
  await recover()
  expect(await start(directory).read()).toMatchObject({ rejections: 4 })
})

it('processes that are killed at any moment lose no change that the disk took', async () => {
  const directory = temporaryDirectory()
  const source = fileURLToPath(new URL('attempt-process.ts', import.meta.url))
  const program = join(temporaryDirectory(), 'process.mjs')
  const output = { platform: 'node', format: 'esm', outfile: program } as const
  buildSync({ entryPoints: [source], bundle: true, ...output })
  const lines: string[] = []
  let kills = 0
  const run = async (killAfter: number | undefined): Promise<void> => {
    const child = spawn(process.execPath, [program, directory, String(ROUNDS)])
    kills += killAfter === undefined ? 0 : 1
    if (killAfter !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfter)
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
    await once(child, 'close')
    lines.push(...printed.split('\n').filter((line) => line !== ''))
  }
  // The third process of each chain ends by itself.
  const chain = async (first: number): Promise<void> => {
    for (const killAfter of [first, 600 - first, undefined]) await run(killAfter)
  }
  await Promise.all([chain(200), chain(300)])

  expect(new Set(lines)).toEqual(new Set(['written']))
  const { attempts } = await start(directory).read({ user: 'obs', password: new Secret('p') })
  // A killed process may not have reported its last write.
  expect(attempts).toBeGreaterThanOrEqual(lines.length)
  expect(attempts).toBeLessThanOrEqual(lines.length + kills)
  expect(lines.length).toBeGreaterThanOrEqual(2 * ROUNDS)
}, 600_000)
