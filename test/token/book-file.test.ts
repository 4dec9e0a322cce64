import { createHmac } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { NO_ENTRY } from '../../src/token/book.ts'
import type { Entry } from '../../src/token/book.ts'
import { openAttemptFile } from '../../src/token/book-file.ts'
import { manualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const HOUR = 3_600_000
const WALL = Date.parse('2026-03-01T12:00:00Z')
const NOW = 1_000_000
const credentials = { user: 'obs', password: new Secret('p1-canary') }
const REFUSED: Entry = { attempts: 2, refusals: 2, notBefore: NOW + 10_000, provenUntil: -Infinity }

/** The file as a process sees it that starts at this date. */
function start(directory: string, wall = WALL) {
  const clock = manualClock(NOW)
  const date = { set: wall }
  const problems: string[] = []
  const home = openAttemptFile({
    directory,
    clock,
    wallClock: () => date.set + clock.now() - NOW,
    onUnusable: (why) => problems.push(why),
    onExposed: () => problems.push('exposed'),
  })
  return { ...home, clock, date, problems, file: join(directory, 'attempts.json') }
}

it('outlives the process, which reads the same entry later', async () => {
  const directory = join(temporaryDirectory(), 'state')
  const first = start(directory)
  expect(await first.save(credentials, REFUSED)).toBe(true)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(first.file).mode & 0o777).toBe(0o600)
  const second = start(directory, WALL + 4000)
  expect(await second.find(credentials)).toEqual({
    ...REFUSED,
    notBefore: NOW + 6000,
    provenUntil: NOW - 4000,
  })
  expect(await second.find({ ...credentials, user: 'another' })).toBeUndefined()
  expect([...first.problems, ...second.problems]).toEqual([])
})

it('knows and keeps what another process has written since, such as a command', async () => {
  const directory = temporaryDirectory()
  const proxy = start(directory)
  await start(directory).save(credentials, REFUSED)
  await proxy.save({ ...credentials, user: 'another' }, REFUSED)
  const known = { ...REFUSED, provenUntil: NOW }
  expect(await proxy.find(credentials)).toEqual(known)
  expect(await start(directory).find(credentials)).toEqual(known)
})

it('finds an entry in a file with another salt that comes while it looks', async () => {
  const [command, proxy] = [start(temporaryDirectory()), start(temporaryDirectory())]
  await command.save(credentials, REFUSED)
  const looking = proxy.find(credentials)
  await turn()
  copyFileSync(command.file, proxy.file)
  const found = await Promise.all([looking, proxy.find(credentials)])
  expect(found).toMatchObject([{ refusals: 2 }, { refusals: 2 }])
})

it('loses nothing to those who look while it is written', async () => {
  const directory = temporaryDirectory()
  const home = start(directory)
  const other = { ...credentials, user: 'another' }
  await home.save(other, REFUSED)
  const written = { yet: false }
  const saving = home.save(credentials, REFUSED).then(() => (written.yet = true))
  while (!written.yet) {
    await home.find(other)
    await turn()
  }
  await saving
  const known = { ...REFUSED, provenUntil: NOW }
  expect(await start(directory).find(credentials)).toEqual(known)
  expect(await home.find(credentials)).toEqual(REFUSED)
})

it.runIf(process.getuid?.() === 0)('of root belongs to who owns the directory', async () => {
  const directory = temporaryDirectory()
  chownSync(directory, 65_534, 65_534)
  const { save, file } = start(directory)
  await save(credentials, REFUSED)
  expect(statSync(file)).toMatchObject({ uid: 65_534, gid: 65_534 })
})

it('takes a date in the future, of a clock that was set back, as now', async () => {
  const directory = temporaryDirectory()
  await start(directory, WALL + 1000 * HOUR).save(credentials, REFUSED)
  const { find, clock } = start(directory)
  expect(await find(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
  await clock.advance(8000)
  expect(await find(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
})

it.each([-8, 8])('keeps its pauses when the date is set by %d h', async (hours) => {
  const directory = temporaryDirectory()
  const { save, find, date } = start(directory)
  await save(credentials, REFUSED)
  date.set += hours * HOUR
  expect(await find(credentials)).toEqual(REFUSED)
  await save({ ...credentials, user: 'another' }, REFUSED)
  const later = start(directory, date.set)
  expect(await later.find(credentials)).toMatchObject({ notBefore: NOW + 10_000 })
})

it('names credentials by a slow hash with a salt, never by themselves', async () => {
  const directory = temporaryDirectory()
  const { save, file } = start(directory)
  await save(credentials, REFUSED)
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('canary')
  expect(text).not.toContain('"obs"')
  const other = temporaryDirectory()
  await start(other).save(credentials, REFUSED)
  const names = [text, readFileSync(join(other, 'attempts.json'), 'utf8')].map((each) =>
    Object.keys((JSON.parse(each) as { entries: object }).entries),
  )
  expect(names[0]).not.toEqual(names[1])
})

it('reads the former file once, and removes it', async () => {
  const directory = temporaryDirectory()
  const key = 'ab'.repeat(32)
  const id = createHmac('sha256', Buffer.from(key, 'hex'))
    .update(JSON.stringify(['obs', 'p1-canary']))
    .digest('hex')
  const refusals = { [id]: { count: 3, at: WALL - 60_000 } }
  const former = join(directory, 'refusals.json')
  writeFileSync(former, JSON.stringify({ version: 1, key, refusals }))
  const { find, save } = start(directory)
  expect(await find({ ...credentials, user: 'another' })).toBeUndefined()
  expect(await find(credentials)).toMatchObject({ refusals: 3, notBefore: NOW + 14 * 60_000 })
  await save(credentials, { ...NO_ENTRY, attempts: 4, refusals: 4, notBefore: NOW + HOUR })
  expect(existsSync(former)).toBe(false)
  expect(await start(directory).find(credentials)).toMatchObject({ refusals: 4 })
})

it.each([
  ['is not JSON', '{'],
  ['is of another kind', '{"version":3}'],
  ['is huge', ' '.repeat(70_000)],
  ['holds something else', '{"version":2,"salt":"00","entries":{}}'],
])('says that a file that %s cannot be used, and begins anew', async (_, text) => {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'attempts.json'), text)
  const { find, save, problems } = start(directory)
  expect(await find(credentials)).toBeUndefined()
  expect(problems).toHaveLength(1)
  expect(await save(credentials, REFUSED)).toBe(true)
  expect(await start(directory).find(credentials)).toMatchObject({ refusals: 2 })
})

it.each(['attempts.json', 'attempts.json.new'])(
  'does not follow a link that stands at %s',
  async (name) => {
    const directory = temporaryDirectory()
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, 'untouched')
    symlinkSync(target, join(directory, name))
    const { save, file } = start(directory)
    expect(await save(credentials, REFUSED)).toBe(true)
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
  const { save, problems } = start(directory)
  await save(credentials, REFUSED)
  await save(credentials, { ...REFUSED, refusals: 3 })
  expect(problems).toEqual(problem === undefined ? [] : [problem])
})

it('says that nothing can be written where the directory is a file, and counts on in memory', async () => {
  const directory = join(temporaryDirectory(), 'file')
  writeFileSync(directory, '')
  const { save, find, problems } = start(directory)
  expect(await save(credentials, REFUSED)).toBe(false)
  expect(problems.length).toBeGreaterThan(0)
  expect(await find(credentials)).toMatchObject({ refusals: 2 })
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
  const { save, problems } = start(directory)
  await save(credentials, REFUSED)
  const filler = join(directory, 'filler')
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096', 'count=4'])
  expect(await save(credentials, { ...REFUSED, refusals: 3 })).toBe(false)
  expect(problems.join()).toContain('ENOSPC')
  expect(await start(directory).find(credentials)).toMatchObject({ refusals: 2 })
  unlinkSync(filler)
  expect(await save(credentials, { ...REFUSED, refusals: 3 })).toBe(true)
  expect(await start(directory).find(credentials)).toMatchObject({ refusals: 3 })
})
