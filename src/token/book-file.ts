import { randomBytes, scryptSync } from 'node:crypto'
import { constants } from 'node:fs'
import { chown, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cause, causeOfDisk, codeOf, CODES } from '../causes.ts'
import { MINUTE, SECOND, type Clock, type Timer } from '../clock.ts'
import { parseObject } from '../json.ts'
import type { Failure } from '../words/index.ts'
import {
  merged,
  NO_ENTRY,
  parseStoredBook,
  storedBook,
  type BookStore,
  type Change,
  type Entry,
  type Updated,
} from './book.ts'
import type { Credentials } from './protocol.ts'

export interface BookFileOptions {
  /** `STATE_DIR`. Undefined: the book is in memory, and a restart forgets it. */
  readonly directory: string | undefined
  readonly clock: Clock
  /** Milliseconds since 1970: a file outlives the monotonic clock. */
  readonly wallClock: () => number
  /** Why the book is in memory only. Undefined: it is on the disk again. */
  readonly onTrouble: (why: Failure | undefined) => void
  /** All may write to the directory. */
  readonly onExposed: () => void
}

/** The book as one version of the file has it; entries by the slow hash of their credentials. */
interface Contents {
  /** 0: there is no file. */
  readonly number: number
  readonly salt: string
  readonly entries: ReadonlyMap<string, Entry>
}

/** What counts in memory. */
interface Kept {
  readonly credentials: Credentials
  readonly entry: Entry
  /** The version of the file that it goes on from. */
  readonly number: number
}

/** So many times another process may be quicker. */
const MAX_ROUNDS = 100
const FORMAT = 4
/** A disk that takes longer is not waited for: calls wait for the login, 2.8 s at most. */
const MAX_DISK_WAIT = SECOND
const RETRY_AFTER = SECOND

/**
 * The book of logins in `STATE_DIR`, or in memory. It names credentials by a slow hash with a salt of its own, so that
 * whoever reads the file cannot try passwords quickly. Each change is a compare and swap of the whole file.
 *
 * One step of the disk at a time, and each is waited for 1 s. What the disk does not take counts in memory, and is tried
 * again each second.
 */
export function openBook(options: BookFileOptions): BookStore {
  const { directory, clock, wallClock, onTrouble } = options
  let contents: Contents = { number: 0, salt: randomBytes(16).toString('hex'), entries: new Map() }
  let kept: readonly Kept[] = []
  let hashed: { readonly credentials: Credentials; salt: string; readonly id: string } | undefined
  /** The step of the disk in flight, and whether it takes too long. */
  let step: Promise<unknown> = Promise.resolve()
  let isLate = false
  let retry: Timer | undefined
  let trouble: Failure | undefined

  const report = (why: Failure | undefined): void => {
    const isSame = why?.cause.code === trouble?.cause.code && why?.detail === trouble?.detail
    trouble = why
    if (!isSame) onTrouble(why)
  }

  /** 50 ms of CPU for other credentials, or another salt. */
  const idOf = (credentials: Credentials): string => {
    const { salt } = contents
    if (hashed?.credentials !== credentials || hashed.salt !== salt) {
      const text = JSON.stringify([credentials.user, credentials.password.reveal()])
      const id = scryptSync(text, Buffer.from(salt, 'hex'), 32).toString('hex')
      hashed = { credentials, salt, id }
    }
    return hashed.id
  }

  const inFile = (credentials: Credentials): Entry => {
    const { entries } = contents
    return (entries.size > 0 ? entries.get(idOf(credentials)) : undefined) ?? NO_ENTRY
  }

  const keptOf = ({ user, password }: Credentials): Kept | undefined =>
    kept.find(
      ({ credentials: one }) => one.user === user && one.password.reveal() === password.reveal(),
    )

  /** Changes it in memory alone. */
  const keep = (credentials: Credentials, change: Change): Updated => {
    const former = keptOf(credentials)
    const before = former?.entry ?? inFile(credentials)
    const entry = change(before, clock.now())
    if (entry === undefined) return { entry: before, isChanged: false }
    const { number } = former ?? contents
    kept = [...kept.filter((one) => one !== former), { credentials, entry, number }]
    return { entry, isChanged: true, isWritten: directory === undefined }
  }

  if (directory === undefined)
    return { update: async (credentials, change) => keep(credentials, change) }
  const versions = openVersions(directory, options.onExposed)

  /** What it had is lost, which is shown for a while though the next version replaces it. */
  const reportForeign = (): void => {
    const why = { cause: cause('disk-foreign', 'disk') }
    report(why)
    clock.setTimer(() => {
      if (trouble === why) report(undefined)
    }, MINUTE)
  }

  const load = async (): Promise<void> => {
    const { number, text } = await versions.read()
    // It is read once: an instant in the future, of a date that was set back, is taken as now.
    if (number === contents.number) return
    const now = clock.now()
    const found = number === 0 ? contents : parsed(text, wallClock() - now, now)
    if (found === undefined) reportForeign()
    contents = { ...(found ?? contents), number }
  }

  /** Changes the file, again and again until no other process is quicker. */
  const commit = async (credentials: Credentials, change: Change): Promise<Updated> => {
    // Not later: this change itself counts in memory when the disk takes too long.
    const missed = keptOf(credentials)
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      await load()
      const { number, salt, entries } = contents
      const before = present(inFile(credentials), missed, number)
      const entry = change(before, clock.now())
      if (entry === undefined) return { entry: before, isChanged: false }
      const id = idOf(credentials)
      const next = { number: number + 1, salt, entries: new Map([...entries, [id, entry]]) }
      if (!(await versions.write(next.number, formatted(next, wallClock() - clock.now())))) continue
      contents = next
      const latest = keptOf(credentials)
      kept = kept.filter((one) => one !== latest)
      // What was changed in memory while the disk took its time goes on from this.
      if (latest !== undefined && latest !== missed)
        kept = [...kept, { ...latest, number: next.number }]
      if (kept.length === 0 && trouble?.cause.code !== 'disk-foreign') report(undefined)
      return { entry, isChanged: true }
    }
    throw new Error('other processes were quicker each time')
  }

  const update = async (credentials: Credentials, change: Change): Promise<Updated> => {
    if (isLate) return keep(credentials, change)
    // What has waited for a step that took too long counts in memory already.
    const committed = step.then(() => (isLate ? undefined : commit(credentials, change)))
    const ended = committed.then(ignore, ignore)
    step = ended
    try {
      const updated = await inTime(committed)
      if (updated !== undefined) return updated
      isLate = true
      report({ cause: cause('disk-slow', 'disk') })
      void ended.then(() => {
        isLate = false
        planRetry()
      })
    } catch (error) {
      const code = codeOf(error)
      report({ cause: causeOfDisk(code), detail: code })
      planRetry()
    }
    return keep(credentials, change)
  }

  const planRetry = (): void => {
    retry?.cancel()
    retry = clock.setTimer(() => {
      const [missed] = kept
      if (missed === undefined) return report(undefined)
      void update(missed.credentials, (entry) => entry).then(() => {
        if (kept.length > 0) planRetry()
      })
    }, RETRY_AFTER)
  }

  /** @returns undefined when the disk takes too long. */
  const inTime = <T>(work: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const timer = clock.setTimer(() => resolve(undefined), MAX_DISK_WAIT)
      void work.then(resolve, reject).finally(() => timer.cancel())
    })

  return { update }
}

/** The entry in this version of the file, with what was changed in memory since. */
function present(inFile: Entry, missed: Kept | undefined, number: number): Entry {
  if (missed === undefined) return inFile
  // Where another process has written since, both count.
  return missed.number === number ? missed.entry : merged(inFile, missed.entry)
}

/** Undefined for what is not a file of ours. */
function parsed(text = '', offset: number, now: number): Omit<Contents, 'number'> | undefined {
  const { version, salt, entries } = parseObject(text) ?? {}
  const found = parseStoredBook(entries, offset, now)
  if (version !== FORMAT || typeof salt !== 'string' || found === undefined) return undefined
  return { salt, entries: found }
}

/** @param offset what the date is ahead of our clock, milliseconds. */
function formatted({ entries, salt }: Contents, offset: number): string {
  return `${JSON.stringify({ version: FORMAT, salt, entries: storedBook(entries, offset) })}\n`
}

// One text in a directory, changed by compare and swap: `book-8.json` comes after `book-7.json`.

const VERSION = /^book-(\d{1,12})\.(?:json|[0-9a-f]+\.new)$/
/** So many versions stay, the latest among them: who is less behind finds that its number is taken. */
const KEPT = 8
const WRITABLE_BY_ALL = 0o002
/** Bytes; twenty entries are a tenth of it. */
const MAX_FILE = 64 * 1024
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
/** Another process was quicker, or has swept the scratch file of one that stood still. */
const TAKEN = new Set(['EEXIST', 'ENOENT'])
/** Of `link`: there are no hard links on this disk. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * A version is written whole under a scratch name of mode 0600, to the disk, and gets its name by link(2), which only one
 * process can. So after a crash there is a whole file, the former or the new one. A symbolic link in its place is not
 * followed.
 *
 * All of it rejects with an error of Node where the disk does not take it.
 */
export function openVersions(directory: string, onExposed: () => void) {
  const pathOf = (number: number): string => join(directory, `book-${number}.json`)
  let isExposed = false

  /** What is there, with its version: NaN where the name is no such one. Processes that are killed leave files, too. */
  const files = async () => {
    const names = await readdir(directory).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    })
    return names.map((name) => ({ name, number: Number(VERSION.exec(name)?.[1]) }))
  }

  /** @returns who owns the directory: what root writes there, with a command, is for the proxy to read. */
  const prepare = async () => {
    await makeDirectory(directory)
    const found = await stat(directory)
    const isOpenToAll = (found.mode & WRITABLE_BY_ALL) !== 0
    if (isOpenToAll && !isExposed) onExposed()
    isExposed ||= isOpenToAll
    return found
  }

  const textOf = async (number: number): Promise<string | undefined> => {
    // A pipe of that name is not waited for.
    const file = await open(pathOf(number), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const found = await file.stat()
      return found.isFile() && found.size <= MAX_FILE ? await file.readFile('utf8') : undefined
    } finally {
      await file.close()
    }
  }

  return {
    /** The present version; 0: there is none. `text` undefined: it is no file of the kind. */
    async read(): Promise<{ readonly number: number; readonly text: string | undefined }> {
      for (;;) {
        const number = highest(await files())
        try {
          return { number, text: number === 0 ? undefined : await textOf(number) }
        } catch (error) {
          const code = codeOf(error)
          // A symbolic link.
          if (code === 'ELOOP') return { number, text: undefined }
          // It was swept meanwhile: there is a newer one.
          if (code !== 'ENOENT') throw error
        }
      }
    },

    /** Writes the version of this number. @returns false: another process was quicker, and it is to be read again. */
    async write(number: number, text: string): Promise<boolean> {
      const { uid, gid } = await prepare()
      const scratch = join(directory, `book-${number}.${randomBytes(8).toString('hex')}.new`)
      try {
        const file = await open(scratch, NEW_FILE, 0o600)
        try {
          await file.writeFile(text)
          await file.sync()
        } finally {
          await file.close()
        }
        await link(scratch, pathOf(number))
      } catch (error) {
        const code = codeOf(error)
        if (TAKEN.has(code)) return false
        const isWithoutLinks = Object(error).syscall === 'link' && NO_LINKS.has(code)
        throw isWithoutLinks ? Object.assign(new Error(code), { code: CODES.noLinks }) : error
      } finally {
        await rm(scratch, { force: true }).catch(ignore)
      }
      const all = await files()
      // A process that stood still may link a number that was there before, and was swept.
      if (highest(all) >= number + KEPT) return false
      // Only now: without CAP_FOWNER root can link its own files alone. Nobody but root may give one away, or has to.
      await chown(pathOf(number), uid, gid).catch(ignore)
      for (const old of all.filter((one) => one.number <= number - KEPT))
        await rm(join(directory, old.name), { force: true }).catch(ignore)
      return true
    },
  }
}

/** By hand: with `recursive`, Node tries for ever below /proc. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    if (code !== 'ENOENT') throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

function highest(files: readonly { readonly name: string; readonly number: number }[]): number {
  const versions = files.filter(({ name, number }) => number > 0 && name.endsWith('.json'))
  return Math.max(0, ...versions.map(({ number }) => number))
}

function ignore(): void {}
