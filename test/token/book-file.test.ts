import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, test } from 'vitest'
import type { Timer } from '../../src/clock.ts'
import { Secret } from '../../src/config/secret.ts'
import { NO_ENTRY, NO_LOCK, withBook, type Entry } from '../../src/token/book.ts'
import { openBookFile } from '../../src/token/book-file.ts'
import { askOnce, loginOnce } from '../../src/token/client.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { ATTEMPTS, REFUSED as FAILED } from './support.ts'

const HOUR = 3_600_000
const WALL = Date.parse('2026-03-01T12:00:00Z')
const NOW = 1_000_000
const credentials = { user: 'obs', password: new Secret('p1-canary') }
const REFUSED: Entry = {
  ...NO_ENTRY,
  attempts: 2,
  refusals: 2,
  notBefore: NOW + 10_000,
}

const LOCK = 'attempts.json.lock'

/** What a process leaves that is killed while it has the lock. */
function holdLock(directory: string, holder: string): void {
  mkdirSync(join(directory, LOCK, holder), { recursive: true })
}

function writeFileIn(directory: string, name: string): void {
  mkdirSync(directory)
  writeFileSync(join(directory, name), '')
}

/** The file as a process sees it that starts at this date. */
function start(directory: string, wall = WALL) {
  const clock = manualClock(NOW)
  const date = { set: wall, onLook() {} }
  const problems: string[] = []
  /** So many steps of it take less than a second. */
  const disk = { quick: Infinity }
  const setTimer = (run: () => void, ms: number): Timer => {
    disk.quick -= 1
    if (disk.quick < 0) queueMicrotask(run)
    return clock.setTimer(run, ms)
  }
  const home = openBookFile({
    directory,
    clock: { ...clock, setTimer },
    wallClock: () => {
      date.onLook()
      return date.set + clock.now() - NOW
    },
    loginTimeout: 5000,
    onTrouble: (why) =>
      problems.push(why === undefined ? 'well' : `${why.cause.code} ${why.detail ?? ''}`.trim()),
    onExposed: () => problems.push('exposed'),
  })
  return { ...home, clock, date, disk, problems, file: join(directory, 'attempts.json') }
}

it('outlives the process, which reads the same entry later', async () => {
  const directory = join(temporaryDirectory(), 'state')
  const first = start(directory)
  expect(await first.write(credentials, REFUSED)).toBe(true)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(first.file).mode & 0o777).toBe(0o600)
  const second = start(directory, WALL + 4000)
  expect(await second.read(credentials)).toEqual({
    ...REFUSED,
    notBefore: NOW + 6000,
    provenUntil: NOW - 4000,
  })
  expect(await second.read({ ...credentials, user: 'another' })).toBeUndefined()
  expect([...first.problems, ...second.problems]).toEqual([])
})

it('knows and keeps what another process has written since, such as a command', async () => {
  const directory = temporaryDirectory()
  const proxy = start(directory)
  await start(directory).write(credentials, REFUSED)
  await proxy.write({ ...credentials, user: 'another' }, REFUSED)
  const known = { ...REFUSED, provenUntil: NOW }
  expect(await proxy.read(credentials)).toEqual(known)
  expect(await start(directory).read(credentials)).toEqual(known)
})

it('loses nothing to those who look while it is written', async () => {
  const directory = temporaryDirectory()
  const home = start(directory)
  const other = { ...credentials, user: 'another' }
  await home.write(other, REFUSED)
  const written = { yet: false }
  const saving = home.write(credentials, REFUSED).then(() => (written.yet = true))
  while (!written.yet) {
    await home.read(other)
    await turn()
  }
  await saving
  const known = { ...REFUSED, provenUntil: NOW }
  expect(await start(directory).read(credentials)).toEqual(known)
  expect(await home.read(credentials)).toEqual(REFUSED)
})

it('loses no entry that another process writes in the middle of a write', async () => {
  const directory = temporaryDirectory()
  const [home, another] = [start(directory), start(temporaryDirectory())]
  await home.write({ ...credentials, user: 'first' }, REFUSED)
  copyFileSync(home.file, another.file)
  await another.write({ ...credentials, user: 'another' }, REFUSED)
  home.date.onLook = () => {
    home.date.onLook = () => {}
    copyFileSync(another.file, home.file)
  }
  expect(await home.write(credentials, REFUSED)).toBe(true)
  for (const user of ['first', 'another', credentials.user])
    expect(await start(directory).read({ ...credentials, user })).toMatchObject({ refusals: 2 })
})

it.runIf(process.getuid?.() === 0)('of root belongs to who owns the directory', async () => {
  const directory = temporaryDirectory()
  chownSync(directory, 65_534, 65_534)
  const { write, file } = start(directory)
  await write(credentials, REFUSED)
  expect(statSync(file)).toMatchObject({ uid: 65_534, gid: 65_534 })
})

it('takes a date in the future, of a clock that was set back, as now', async () => {
  const directory = temporaryDirectory()
  await start(directory, WALL + 1000 * HOUR).write(credentials, REFUSED)
  const { read, clock } = start(directory)
  expect(await read(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
  await clock.advance(8000)
  expect(await read(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
})

it.each([-8, 8])('keeps its pauses when the date is set by %d h', async (hours) => {
  const directory = temporaryDirectory()
  const { write, read, date } = start(directory)
  await write(credentials, REFUSED)
  date.set += hours * HOUR
  expect(await read(credentials)).toEqual(REFUSED)
  await write({ ...credentials, user: 'another' }, REFUSED)
  const later = start(directory, date.set)
  expect(await later.read(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
})

it('names credentials by a slow hash with a salt, never by themselves', async () => {
  const directory = temporaryDirectory()
  const { write, file } = start(directory)
  await write(credentials, REFUSED)
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('canary')
  expect(text).not.toContain('"obs"')
  const other = temporaryDirectory()
  await start(other).write(credentials, REFUSED)
  const names = [text, readFileSync(join(other, 'attempts.json'), 'utf8')].map((each) =>
    Object.keys((JSON.parse(each) as { entries: object }).entries),
  )
  expect(names[0]).not.toEqual(names[1])
})

it.each([
  ['is not JSON', '{'],
  ['is of another kind', '{"version":2}'],
  ['is huge', ' '.repeat(70_000)],
  ['holds something else', '{"version":3,"salt":"00","entries":{}}'],
])('says that a file that %s cannot be used, and begins anew', async (_, text) => {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'attempts.json'), text)
  const { read, write, problems } = start(directory)
  expect(await read(credentials)).toBeUndefined()
  expect(problems).toEqual(['disk-foreign'])
  expect(await write(credentials, REFUSED)).toBe(true)
  expect(await start(directory).read(credentials)).toMatchObject({ refusals: 2 })
})

const KEPT = { attempts: 1, refusals: 1, pause: 5000, full: 0, proof: 0, at: WALL }

it.each([
  ['pause', 5 * HOUR],
  ['at', undefined],
])('does not take a file of ours with %s %j', async (name, value) => {
  const directory = temporaryDirectory()
  const file = join(directory, 'attempts.json')
  const write = (entry: object): void =>
    writeFileSync(
      file,
      JSON.stringify({ version: 3, salt: '0'.repeat(32), entries: { id: entry } }),
    )
  write(KEPT)
  expect(start(directory).problems).toEqual([])
  write({ ...KEPT, [name]: value })
  expect(start(directory).problems).toHaveLength(1)
})

it.each(['attempts.json', 'attempts.json.lock'])(
  'does not follow a link that stands at %s',
  async (name) => {
    const directory = temporaryDirectory()
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, 'untouched')
    symlinkSync(target, join(directory, name))
    const { write, file } = start(directory)
    expect(await write(credentials, REFUSED)).toBe(true)
    expect(readFileSync(target, 'utf8')).toBe('untouched')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  },
)

it.each([
  [0o777, 'exposed'],
  [0o1777, 'exposed'],
  // What the kubelet makes of a directory on a volume, for the group of a pod.
  [0o2770, undefined],
])('a directory of mode %o: %s, once', async (mode, problem) => {
  const directory = join(temporaryDirectory(), 'state')
  mkdirSync(directory)
  chmodSync(directory, mode)
  const { write, problems } = start(directory)
  await write(credentials, REFUSED)
  await write(credentials, { ...REFUSED, refusals: 3 })
  expect(problems).toEqual(problem === undefined ? [] : [problem])
})

it.each<[string, string, (path: string) => string | void]>([
  ['is a file', 'ENOTDIR', (path) => writeFileSync(path, '')],
  ['is a link that leads nowhere', 'EEXIST', (path) => symlinkSync('/nowhere/at/all', path)],
  ['is where none can be made', 'ENOENT', () => '/proc/nowhere'],
])('waits for no lock, and counts in memory, where the directory %s', async (_, code, make) => {
  const path = join(temporaryDirectory(), 'state')
  const { lock, write, read, problems } = start(make(path) ?? path)
  expect(await lock(new AbortController().signal)).toBe(NO_LOCK)
  expect(await write(credentials, REFUSED)).toBe(false)
  expect(problems).toEqual([`disk-failed ${code}`])
  expect(await read(credentials)).toMatchObject({ refusals: 2 })
})

it('is written again after a write that failed, however soon the next one succeeds', async () => {
  const directory = join(temporaryDirectory(), 'state')
  writeFileSync(directory, '')
  const { write, clock, problems } = start(directory)
  expect(await write(credentials, REFUSED)).toBe(false)
  unlinkSync(directory)
  expect(await write(credentials, REFUSED)).toBe(true)
  expect(clock.waiting()).toEqual([])
  await clock.advance(1000)
  await turn()
  expect(await write(credentials, { ...REFUSED, refusals: 3 })).toBe(true)
  expect(await start(directory).read(credentials)).toMatchObject({ refusals: 3 })
  expect(problems).toEqual(['disk-failed ENOTDIR', 'well'])
})

it('is tried again once a second, however many writes failed', async () => {
  const directory = join(temporaryDirectory(), 'file')
  writeFileSync(directory, '')
  const { write, clock } = start(directory)
  for (const refusals of [1, 2, 3]) {
    expect(await write(credentials, { ...REFUSED, refusals })).toBe(false)
    expect(clock.waiting()).toEqual([1000])
  }
  await clock.advance(1000)
  await until(() => clock.waiting().length > 0)
  expect(clock.waiting()).toEqual([1000])
})

test('on a full disk says so, keeps the former file, and writes again when there is room', async (context) => {
  const directory = temporaryDirectory()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'none', directory])
  if (mounted.status !== 0) {
    context.skip('a small file system needs the right to mount')
    return
  }
  onTestFinished(() => {
    spawnSync('umount', [directory])
  })
  const { write, lock, problems, clock } = start(directory)
  await write(credentials, REFUSED)
  const filler = join(directory, 'filler')
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096', 'count=4'])
  expect(await write(credentials, { ...REFUSED, refusals: 3 })).toBe(false)
  expect(await start(directory).read(credentials)).toMatchObject({ refusals: 2 })
  // What is left of a lock would be waited for.
  const unlock = await lock(new AbortController().signal)
  await unlock()
  expect(readdirSync(directory)).not.toContain('attempts.json.lock')
  await clock.advance(3000)
  // It is said once, however often it is tried.
  expect(problems).toEqual(['exposed', 'disk-full ENOSPC'])
  unlinkSync(filler)
  // A try that is in flight fails yet, and sets the timer for the next one when it has.
  await until(async () => {
    await clock.advance(1000)
    return problems.at(-1) === 'well'
  })
  expect(await start(directory).read(credentials)).toMatchObject({ refusals: 3 })
})

it('of several processes lets one log in at a time, and each reads what the one before it wrote', async () => {
  const directory = temporaryDirectory()
  let inFlight = 0
  let most = 0
  let logins = 0
  const login = async (): Promise<AuthFailure> => {
    logins += 1
    inFlight += 1
    most = Math.max(most, inFlight)
    await delay(5)
    inFlight -= 1
    return FAILED
  }
  holdLock(directory, '1-1000-killed')
  const users = ['a', 'a', 'a', 'b', 'c', 'd']
  const outcomes = await Promise.all(
    users.map((user) => {
      const { clock, ...book } = start(directory)
      const isales = { login, refresh: login }
      const client = withBook({ client: isales, book, rules: ATTEMPTS, clock, random: () => 0.5 })
      return client(loginOnce({ ...credentials, user }, askOnce(new AbortController().signal)))
    }),
  )
  expect({ logins, most }).toEqual({ logins: 4, most: 1 })
  expect(outcomes.filter((outcome) => 'deferred' in outcome)).toHaveLength(2)
  for (const user of new Set(users))
    expect(await start(directory).read({ ...credentials, user })).toMatchObject({ refusals: 1 })
  expect(readdirSync(directory)).toEqual(['attempts.json'])
})

it.each([
  ['long past', '1-1000-x'],
  ['a login and its writes ago', `1-${WALL - 7001}-x`],
  ['in the future, since the clock was set back', `1-${WALL + HOUR}-x`],
  ['no date', 'x'],
])('takes the lock of a process that was killed when its date is %s', async (_, holder) => {
  const directory = temporaryDirectory()
  holdLock(directory, holder)
  const scratch = `attempts.json.${'0'.repeat(16)}.new`
  writeFileSync(join(directory, scratch), '')
  mkdirSync(join(directory, scratch.replace('0', '1'), '1-1000-y'), { recursive: true })
  const unlock = await start(directory).lock(new AbortController().signal)
  expect(readdirSync(directory)).toEqual([LOCK])
  await unlock()
  expect(readdirSync(directory)).toEqual([])
})

it('waits for the lock of another process for as long as a login and its writes may take', async () => {
  const directory = temporaryDirectory()
  holdLock(directory, `1-${WALL}-x`)
  const { lock, date } = start(directory)
  let looks = 0
  date.onLook = () => {
    looks += 1
    if (looks === 4) date.set += 7001
  }
  const unlock = await lock(new AbortController().signal)
  expect(looks).toBeGreaterThan(3)
  expect(readdirSync(join(directory, LOCK))).not.toEqual([`1-${WALL}-x`])
  await unlock()
})

it('leaves the lock to another process that took it from a killed one a moment before', async () => {
  const directory = temporaryDirectory()
  holdLock(directory, '1-1000-killed')
  let dates = 0
  const { lock, date } = start(directory)
  date.onLook = () => {
    // The first date is in the name of the holder. The second is compared with that of the lock that was found.
    if ((dates += 1) !== 2) return
    rmSync(join(directory, LOCK), { recursive: true })
    holdLock(directory, `2-${WALL}-other`)
  }
  const waiting = new AbortController()
  const locking = lock(waiting.signal)
  await until(() => dates > 2)
  waiting.abort()
  await (
    await locking
  )()
  expect(readdirSync(join(directory, LOCK))).toEqual([`2-${WALL}-other`])
})

it.each([
  ['a file', (path: string) => writeFileSync(path, '')],
  ['a lock that cannot be removed', (path: string) => writeFileIn(path, '1-1000-x')],
])('logs in without a lock where %s stands in its place', async (_, stand) => {
  const directory = temporaryDirectory()
  stand(join(directory, LOCK))
  const { lock } = start(directory)
  await (
    await lock(new AbortController().signal)
  )()
  expect(readdirSync(directory)).toEqual([LOCK])
})

it('waits for no disk that takes longer than a second, says so, and is well when it goes on', async () => {
  const directory = temporaryDirectory()
  const { write, lock, problems, read, disk } = start(directory)
  disk.quick = 0
  const { signal } = new AbortController()
  expect(await write(credentials, REFUSED)).toBe(false)
  expect(await write(credentials, { ...REFUSED, refusals: 3 })).toBe(false)
  expect(problems).toEqual(['disk-slow'])
  expect(await read(credentials)).toMatchObject({ refusals: 3 })
  expect(await lock(signal)).toBe(NO_LOCK)
  await until(() => problems.at(-1) === 'well')
  expect(await start(directory).read(credentials)).toMatchObject({ refusals: 3 })
})

it('logs in without a lock when the disk takes longer than a second to make it', async () => {
  const directory = temporaryDirectory()
  const { lock, disk } = start(directory)
  disk.quick = 0
  expect(await lock(new AbortController().signal)).toBe(NO_LOCK)
  // What it made all the same is in nobody's way.
  disk.quick = Infinity
  await (
    await lock(new AbortController().signal)
  )()
  expect(readdirSync(directory)).toEqual([])
})

it('makes the directory again when somebody has removed it', async () => {
  const directory = join(temporaryDirectory(), 'state')
  const { lock, write } = start(directory)
  await write(credentials, REFUSED)
  rmSync(directory, { recursive: true })
  await lock(new AbortController().signal)
  expect(readdirSync(directory)).toEqual([LOCK])
})

it('waits for the lock no longer than anybody waits for the login', async () => {
  const directory = temporaryDirectory()
  const unlock = await start(directory).lock(new AbortController().signal)
  const waiting = new AbortController()
  const other = start(directory).lock(waiting.signal)
  waiting.abort()
  await (
    await other
  )()
  expect(readdirSync(directory)).toEqual(['attempts.json.lock'])
  await unlock()
})
