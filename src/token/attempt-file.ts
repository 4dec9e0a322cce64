import { randomBytes, scryptSync } from 'node:crypto'
import { constants } from 'node:fs'
import { chown, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cause, classifyDiskError, readErrorCode, NODE_ERROR_CODES } from '../causes.ts'
import { MINUTE, SECOND, within, type Clock } from '../clock.ts'
import type { FailureDetails } from '../messages/index.ts'
import type { Credentials } from './isales-client.ts'
import type { Home, StoredValue } from './register.ts'

interface AttemptFileOptions {
  /** `STATE_DIR`. */
  readonly directory: string
  readonly clock: Clock
  /** Receives why login attempts are in memory only, or undefined once they are on the disk again. */
  readonly onStorageError: (error: FailureDetails | undefined) => void
  /** Any user of the machine may write to the directory. */
  readonly onExposed: () => void
}

/** Calls wait at most 2.8 s for a login, so a slower disk must not delay it. */
export const MAX_DISK_WAIT = SECOND

/**
 * Keeps login attempts in `STATE_DIR`. Credentials are named by a slow, salted hash, so that the file does not help to guess
 * passwords. The first process makes the salt. Disk operations run one at a time; each is awaited for 1 s.
 */
export function openAttemptFile({ directory, clock, ...options }: AttemptFileOptions): Home {
  const versions = openVersions(directory, options.onExposed)
  /** The directory's salt once it is read. */
  let salt = randomBytes(16).toString('hex')
  let isSaltRead = false
  const names = new Map<Credentials, string>()
  /** The last disk operation, and since when its caller no longer waits for it. */
  let operation: Promise<unknown> = Promise.resolve()
  let lateSince: number | undefined
  let reported: FailureDetails | undefined

  const report = (error: FailureDetails | undefined): void => {
    const isSame = error?.cause.code === reported?.cause.code && error?.detail === reported?.detail
    reported = error
    if (!isSame) options.onStorageError(error)
  }

  const swap = async (expected: string, desired: string): Promise<StoredValue> => {
    if (!isSaltRead) {
      salt = await versions.readSalt(salt)
      isSaltRead = true
      names.clear()
    }
    const { number, text } = await versions.read()
    // An unreadable version is replaced by the next one.
    const value = number === 0 ? '' : (text ?? `version ${number}`)
    if (desired === '' || value !== expected) return { value, at: clock.date() }
    return (await versions.write(number + 1, desired))
      ? { value: desired, at: clock.date() }
      : swap(expected, '')
  }

  return {
    shared: false,

    date: () => clock.date(),

    /** A disk is reported as slow after another second: a machine without CPU time also delays an operation. */
    async compareAndSwap(expected, desired) {
      if (lateSince !== undefined) {
        if (clock.now() - lateSince >= MAX_DISK_WAIT) report({ cause: cause('disk-slow', 'disk') })
        return undefined
      }
      // A change that waited behind a late operation is already in memory.
      const done = operation.then(() =>
        lateSince === undefined ? swap(expected, desired) : undefined,
      )
      const ended = done.then(ignore, ignore)
      operation = ended
      try {
        const reply = await within(clock, MAX_DISK_WAIT, done)
        if (reply !== undefined || lateSince !== undefined) return reply
        lateSince = clock.now()
        void ended.then(() => (lateSince = undefined))
      } catch (error) {
        const code = readErrorCode(error)
        report({ cause: classifyDiskError(code), detail: code })
      }
      return undefined
    },

    settle: () => within(clock, MAX_DISK_WAIT, operation),

    /** Costs 50 ms of CPU for new credentials, and for all when the salt is read. */
    nameOf(credentials) {
      const known = names.get(credentials)
      if (known !== undefined) return known
      const text = JSON.stringify([credentials.user, credentials.password.reveal()])
      const name = scryptSync(text, salt, 32).toString('hex')
      names.set(credentials, name)
      return name
    },

    seal: (text) => `${text}\n`,
    open: (value) => value,

    /** Reports the lost contents for a minute, although the next version replaces them. */
    onUnreadable() {
      const error = { cause: cause('disk-foreign', 'disk') }
      report(error)
      clock.setTimer(() => {
        if (reported === error) report(undefined)
      }, MINUTE)
    },

    onWritten() {
      if (reported?.cause.code !== 'disk-foreign') report(undefined)
    },
  }
}

// Versions of one text in a directory, changed by compare and swap: `attempts-8.json` follows `attempts-7.json`.

const VERSION = /^attempts-(\d{1,12})\.(?:json|[0-9a-f]+\.new)$/
/** Number of versions that are kept. A process that missed fewer finds its next number taken. */
const KEPT = 8
const WRITABLE_BY_ALL = 0o002
/** Bytes; 20 records take a tenth. */
const MAX_FILE = 64 * 1024
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
/** Another process was quicker, or removed the scratch file of a process that was stopped. */
const TAKEN = new Set(['EEXIST', 'ENOENT'])
/** Errors of `link` on a disk without hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Opens the versions in a directory. Each is synced to a scratch file of mode 0600 and named by link(2), which succeeds for
 * only one process. After a crash a complete file is therefore left, the previous or the new one. Symbolic links are not
 * followed. Both methods reject with Node's error if the disk fails.
 */
export function openVersions(directory: string, onExposed: () => void) {
  const pathOf = (number: number): string => join(directory, `attempts-${number}.json`)
  let isExposed = false

  /** Returns all files with their versions, NaN for foreign names. Killed processes also leave scratch files. */
  const files = async () =>
    (await readdir(directory)).map((name) => ({ name, number: Number(VERSION.exec(name)?.[1]) }))

  /** Writes a file; false if it exists. `number`: of the version that is written. */
  const create = async (path: string, number: number, text: string): Promise<boolean> => {
    const { uid, gid, mode } = await stat(directory)
    if (!isExposed && (mode & WRITABLE_BY_ALL) !== 0) onExposed()
    isExposed ||= (mode & WRITABLE_BY_ALL) !== 0
    const scratch = join(directory, `attempts-${number}.${randomBytes(8).toString('hex')}.new`)
    try {
      await createFile(scratch, text)
      await link(scratch, path)
    } catch (error) {
      const code = readErrorCode(error)
      if (TAKEN.has(code)) return false
      const isWithoutLinks = Object(error).syscall === 'link' && NO_LINKS.has(code)
      throw isWithoutLinks
        ? Object.assign(new Error(code), { code: NODE_ERROR_CODES.noLinks })
        : error
    } finally {
      await rm(scratch, { force: true }).catch(ignore)
    }
    // For a command that root runs. Not before `link`: without CAP_FOWNER root can link only its own files.
    await chown(path, uid, gid).catch(ignore)
    return true
  }

  return {
    /** Returns the directory's salt, which is `salt` if it has none. Any text is one. */
    async readSalt(salt: string): Promise<string> {
      await makeDirectory(directory)
      const path = join(directory, 'attempts-salt')
      const isFound = (await readdir(directory)).includes('attempts-salt')
      if (!isFound && (await create(path, 0, salt))) return salt
      return (await readText(path)) ?? ''
    },

    /** Returns the current version, or 0. `text` is undefined if it is not a readable file. */
    async read(): Promise<{ readonly number: number; readonly text: string | undefined }> {
      await makeDirectory(directory)
      for (;;) {
        const number = highest(await files())
        try {
          return { number, text: number === 0 ? undefined : await readText(pathOf(number)) }
        } catch (error) {
          const code = readErrorCode(error)
          // A symbolic link.
          if (code === 'ELOOP') return { number, text: undefined }
          // A newer version exists if this one was removed meanwhile.
          if (code !== 'ENOENT') throw error
        }
      }
    },

    /** Writes the version of this number; false if another process was quicker. */
    async write(number: number, text: string): Promise<boolean> {
      if (!(await create(pathOf(number), number, text))) return false
      const all = await files()
      // A process that was stopped may link a number that existed before and was removed.
      if (highest(all) >= number + KEPT) return false
      for (const old of all.filter((one) => one.number <= number - KEPT))
        await rm(join(directory, old.name), { force: true }).catch(ignore)
      return true
    },
  }
}

/** Creates a file and syncs it. Rejects if the file exists. */
async function createFile(path: string, contents: string): Promise<void> {
  const file = await open(path, NEW_FILE, 0o600)
  try {
    await file.writeFile(contents)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Returns undefined if the file is longer than `MAX_FILE`, or not a regular file. */
async function readText(path: string): Promise<string | undefined> {
  // Non-blocking: a pipe of that name must not block.
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const found = await file.stat()
    return found.isFile() && found.size <= MAX_FILE ? await file.readFile('utf8') : undefined
  } finally {
    await file.close()
  }
}

/** Creates parents by hand: with `recursive`, Node loops endlessly below /proc. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
    const code = readErrorCode(error)
    if (code === 'EEXIST') return
    if (code !== 'ENOENT') throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 })
  })
}

function highest(files: readonly { readonly name: string; readonly number: number }[]): number {
  const versions = files.filter(({ name, number }) => number > 0 && name.endsWith('.json'))
  return Math.max(0, ...versions.map(({ number }) => number))
}

function ignore(): void {}
