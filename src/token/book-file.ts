import { randomBytes, scryptSync } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { chown, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cause, causeOfDisk, codeOf, type CauseCode } from '../causes.ts'
import type { Clock, Timer } from '../clock.ts'
import { makeDirectory, readSmallFile } from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import type { Failure } from '../words/index.ts'
import { NO_LOCK, parseStored, restored, stored, type BookStore, type Entry } from './book.ts'
import type { Credentials } from './client.ts'

export interface BookFileOptions {
  /** `STATE_DIR`. */
  readonly directory: string
  /** How long a login may take, milliseconds. */
  readonly loginTimeout: number
  readonly clock: Clock
  /** Milliseconds since 1970: a file outlives the monotonic clock. */
  readonly wallClock: () => number
  /** Why the book is in memory only. Undefined: it is on the disk again. */
  readonly onTrouble: (why: Failure | undefined) => void
  /** All may write to the directory. */
  readonly onExposed: () => void
}

const NAME = 'attempts.json'
const LOCK = `${NAME}.lock`
const SCRATCH = /^attempts\.json\.[0-9a-f]+\.new$/
const MAX_FILE = 64 * 1024
const MAX_ENTRIES = 100
const WRITABLE_BY_ALL = 0o002
/** Of a file that cannot be read. Anything else in its place is no book. */
const UNREAD: Readonly<Record<string, CauseCode>> = {
  denied: 'disk-denied',
  unreadable: 'disk-failed',
}
/** Another process was quicker. */
const TAKEN = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT'])
const SALT = /^[0-9a-f]{32}$/
/** A disk that takes longer is not waited for: calls wait for the login, 2.8 s at most. */
const MAX_DISK_WAIT = 1000
const RETRY_AFTER = 1000
/** Between two looks at the lock of another process. */
const LOOK_EVERY = 50
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW

/**
 * The book of logins in `STATE_DIR`. It names credentials by a slow hash with a salt of its own, so that whoever reads
 * the file cannot try passwords quickly. A write goes to a new file of mode 0600, to the disk, and then into place: after
 * a crash the file is whole, the former or the new one. A link in its place is not followed.
 *
 * The lock is a directory that holds one entry, with the name of its holder: the process, the date and a random number. It
 * counts for as long as a login with its two writes may take, so that a process that was killed delays the others by no
 * more. No step of it can meet the lock of another: `rename` takes the place of none or an empty one, and what ends a lock
 * removes an entry by its name.
 */
export function openBookFile(options: BookFileOptions): BookStore {
  const { directory, loginTimeout, clock, wallClock, onTrouble, onExposed } = options
  const path = join(directory, NAME)
  const lockPath = join(directory, LOCK)
  const lockLasts = loginTimeout + 2 * MAX_DISK_WAIT
  let salt = randomBytes(16).toString('hex')
  /** What counts, the latest last. */
  let entries = new Map<string, Entry>()
  /** Those of them that the file lacks. */
  const unwritten = new Map<string, Entry>()
  /** What the file held when it was last read or written. */
  let known: string | undefined
  let last: { readonly credentials: Credentials; salt: string; readonly id: string } | undefined
  let isExposed = false
  let isSwept = false
  let writing: Promise<void> | undefined
  /** Of a write that failed. */
  let retry: Timer | undefined
  let trouble: Failure | undefined

  const report = (why: Failure | undefined): void => {
    const isSame = why?.cause.code === trouble?.cause.code && why?.detail === trouble?.detail
    trouble = why
    if (!isSame) onTrouble(why)
  }

  /** The write in flight takes too long. */
  const isLate = (): boolean => trouble?.cause.code === 'disk-slow'

  /**
   * What is in memory counts by the monotonic clock. Only a file that another process has written since is converted by
   * the date, which may have been set. A file that cannot be read changes nothing.
   */
  const load = (): void => {
    const file = readSmallFile(path, MAX_FILE, O_NOFOLLOW)
    const text = file.ok ? Buffer.from(file.bytes).toString() : file.problem
    if (text === known || text === 'missing') return
    known = text
    const contents = file.ok ? parseContents(text, wallClock(), clock.now()) : undefined
    if (contents === undefined)
      report({ cause: cause((!file.ok && UNREAD[file.problem]) || 'disk-foreign', 'disk') })
    // Entries that are not written yet have names by our salt.
    else if (contents.salt === salt || unwritten.size === 0) {
      ;({ salt, entries } = contents)
      for (const [id, entry] of unwritten) keep(id, entry)
    }
  }

  const keep = (id: string, entry: Entry): void => {
    entries.delete(id)
    entries.set(id, entry)
  }

  load()

  const idOf = (credentials: Credentials): string => {
    if (last?.credentials !== credentials || last.salt !== salt) {
      const text = JSON.stringify([credentials.user, credentials.password.reveal()])
      const id = scryptSync(text, Buffer.from(salt, 'hex'), 32).toString('hex')
      last = { credentials, salt, id }
    }
    return last.id
  }

  /** @param work that does not reject. @returns undefined when the disk takes too long. */
  const inTime = <T>(work: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve) => {
      const timer = clock.setTimer(() => resolve(undefined), MAX_DISK_WAIT)
      void work.then((value) => {
        timer.cancel()
        resolve(value)
      })
    })

  /** @returns who owns the directory: what root writes there, with a command, is for the proxy to read. */
  const prepare = async (): Promise<Stats> => {
    makeDirectory(directory)
    const found = await stat(directory)
    if (!isExposed && (found.mode & WRITABLE_BY_ALL) !== 0) onExposed()
    isExposed ||= (found.mode & WRITABLE_BY_ALL) !== 0
    return found
  }

  /** Writes a new file to the disk. */
  const create = async (name: string, text: string): Promise<void> => {
    const { uid, gid } = await prepare()
    const file = await open(name, NEW_FILE, 0o600)
    try {
      await file.writeFile(text)
      // Nobody but root may give a file away, or has to.
      await file.chown(uid, gid).catch(ignore)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  const put = async (): Promise<void> => {
    const scratch = newScratch()
    load()
    const before = known
    const kept = [...entries].slice(-MAX_ENTRIES)
    const text = formatContents(salt, kept, wallClock(), clock.now())
    try {
      await create(scratch, text)
      load()
      // Another process has written while the disk took its time: its entries come along next time.
      if (known !== before) return
      await rename(scratch, path)
      known = text
      for (const [id, entry] of kept) if (unwritten.get(id) === entry) unwritten.delete(id)
    } finally {
      await rm(scratch, { force: true }).catch(ignore)
    }
  }

  const writeAll = (): Promise<void> => (writing ??= flush())

  const flush = async (): Promise<void> => {
    retry?.cancel()
    try {
      while (unwritten.size > 0) await put()
      report(undefined)
    } catch (error) {
      const code = codeOf(error)
      report({ cause: causeOfDisk(code), detail: code })
      retry = clock.setTimer(() => void writeAll(), RETRY_AFTER)
    }
    writing = undefined
  }

  const newScratch = (): string => `${path}.${randomBytes(8).toString('hex')}.new`

  /** Undefined: nobody has the lock. */
  const holderOf = async (): Promise<string | undefined> => {
    try {
      return (await readdir(lockPath))[0]
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return undefined
    }
  }

  /** True for a lock that a process left which was killed, or which began before the date was set. */
  const isOver = (holder: string): boolean =>
    !(Math.abs(wallClock() - Number(holder.split('-')[1])) <= lockLasts)

  /** Ends the lock of this holder and of no other. */
  const release = async (holder: string): Promise<void> => {
    await rmdir(join(lockPath, holder))
    await rmdir(lockPath)
  }

  /** @returns false while another process has the lock, undefined when there can be none. */
  const take = async (own: string): Promise<boolean | undefined> => {
    const scratch = newScratch()
    try {
      const holder = await holderOf()
      if (holder !== undefined) {
        if (isOver(holder)) await release(holder)
        return false
      }
      const owner = await prepare().catch(ignore)
      if (owner === undefined) return undefined
      await mkdir(scratch)
      await mkdir(join(scratch, own))
      await chown(scratch, owner.uid, owner.gid).catch(ignore)
      await rename(scratch, lockPath)
      // It may have been swept before it was in its place.
      return (await holderOf()) === own
    } catch (error) {
      await rm(scratch, { recursive: true, force: true }).catch(ignore)
      return TAKEN.has(codeOf(error)) ? false : undefined
    }
  }

  /** A process that was killed before it renamed its file has left it. Under the lock nobody else writes. */
  const sweep = async (): Promise<void> => {
    const names = isSwept ? [] : await readdir(directory).catch(() => [])
    isSwept = true
    for (const name of names)
      if (SCRATCH.test(name))
        await rm(join(directory, name), { recursive: true, force: true }).catch(ignore)
  }

  return {
    read(credentials) {
      load()
      return Promise.resolve(entries.get(idOf(credentials)))
    },

    async write(credentials, entry) {
      load()
      const id = idOf(credentials)
      keep(id, entry)
      unwritten.set(id, entry)
      // What is in flight writes this as well.
      if (isLate()) return false
      const isOnTime = await inTime(writeAll().then(() => true))
      if (isOnTime === undefined) report({ cause: cause('disk-slow', 'disk') })
      return isOnTime === true && unwritten.get(id) !== entry
    },

    async lock(signal) {
      const own = `${process.pid}-${wallClock()}-${randomBytes(8).toString('hex')}`
      const unlock = (): Promise<void> => inTime(release(own).catch(ignore))
      while (!signal.aborted) {
        if (isLate()) break
        const taking = take(own)
        const isTaken = await inTime(taking)
        if (isTaken === true) {
          await inTime(sweep())
          return unlock
        }
        if (isTaken === undefined) {
          void taking.then(unlock)
          break
        }
        await delay(LOOK_EVERY)
      }
      return NO_LOCK
    },
  }
}

/** Undefined for what is not a file of ours. */
function parseContents(text: string, wallNow: number, now: number) {
  const { version, salt, entries } = parseObject(text) ?? {}
  if (version !== 3 || typeof salt !== 'string' || !SALT.test(salt) || !isObject(entries)) return
  const parsed = new Map<string, Entry>()
  for (const [id, value] of Object.entries(entries)) {
    const entry = parseStored(value)
    const at = isObject(value) ? value['at'] : undefined
    if (entry === undefined || typeof at !== 'number') return undefined
    parsed.set(id, restored(entry, wallNow - at, now))
  }
  return { salt, entries: parsed }
}

/** Durations are from `at`, milliseconds since 1970. */
function formatContents(
  salt: string,
  entries: readonly (readonly [string, Entry])[],
  at: number,
  now: number,
): string {
  const all = entries.map(([id, entry]) => [id, { at, ...stored(entry, now) }] as const)
  return `${JSON.stringify({ version: 3, salt, entries: Object.fromEntries(all) })}\n`
}

function ignore(): void {}
