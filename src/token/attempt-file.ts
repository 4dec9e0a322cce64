import { randomBytes, scryptSync } from 'node:crypto'
import { constants } from 'node:fs'
import { chown, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cause, classifyDiskError, readErrorCode, CODES } from '../codes.ts'
import { MINUTE, SECOND, type Clock } from '../clock.ts'
import { parseObject } from '../json.ts'
import type { FailureDetails } from '../messages/index.ts'
import type { Lease } from './account.ts'
import type { Credentials } from './isales-client.ts'
import { parseRecords, storedRecords } from './login-guard.ts'
import type { Home, StoredValue } from './register.ts'

export interface AttemptFileOptions {
  /** `STATE_DIR`. */
  readonly directory: string
  readonly clock: Clock
  /** Milliseconds since 1970: a file outlives the monotonic clock. */
  readonly wallClock: () => number
  /** Why login attempts are in memory only. Undefined: they are on the disk again. */
  readonly onStorageError: (why: FailureDetails | undefined) => void
  /** Any user of the machine may write to the directory. */
  readonly onExposed: () => void
}

const FORMAT = 5
/** Calls wait for a login at most 2.8 s: a slower disk is not waited for. */
const MAX_DISK_WAIT = SECOND
const RETRY_AFTER = SECOND

/**
 * The home of login attempts in `STATE_DIR`. It names credentials by a slow hash with a salt of its own, so that passwords
 * cannot be tried quickly with the file. One step of the disk at a time, each waited for 1 s.
 */
export function openAttemptFile(options: AttemptFileOptions): Home {
  const { clock, wallClock, onStorageError } = options
  const versions = openVersions(options.directory, options.onExposed)
  let salt = randomBytes(16).toString('hex')
  let hashed: { readonly credentials: Credentials; salt: string; readonly name: string } | undefined
  /** The step of the disk in flight, and whether it takes too long. */
  let step: Promise<unknown> = Promise.resolve()
  let isLate = false
  let storageError: FailureDetails | undefined

  const report = (why: FailureDetails | undefined): void => {
    const isSame =
      why?.cause.code === storageError?.cause.code && why?.detail === storageError?.detail
    storageError = why
    if (!isSame) onStorageError(why)
  }

  const swap = async (seen: string, next: string): Promise<StoredValue> => {
    const { number, text } = await versions.read()
    // A version without a readable text is replaced by the next one.
    const value = number === 0 ? '' : (text ?? `version ${number}`)
    if (next === '' || value !== seen) return { value, at: wallClock() }
    return (await versions.write(number + 1, next))
      ? { value: next, at: wallClock() }
      : swap(seen, '')
  }

  /** @returns undefined if the disk takes too long. */
  const inTime = <T>(work: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const timer = clock.setTimer(() => resolve(undefined), MAX_DISK_WAIT)
      void work.then(resolve, reject).finally(() => timer.cancel())
    })

  return {
    propagationDelay: 0,
    retryAfter: RETRY_AFTER,

    async compareAndSwap(seen, next) {
      if (isLate) return undefined
      // A change that has waited for a step that took too long is in memory already.
      const swapped = step.then(() => (isLate ? undefined : swap(seen, next)))
      const ended = swapped.then(ignore, ignore)
      step = ended
      try {
        const reply = await inTime(swapped)
        if (reply !== undefined || isLate) return reply
        isLate = true
        report({ cause: cause('disk-slow', 'disk') })
        void ended.then(() => (isLate = false))
      } catch (error) {
        const code = readErrorCode(error)
        report({ cause: classifyDiskError(code), detail: code })
      }
      return undefined
    },

    settle: () => inTime(step),

    /** 50 ms of CPU for other credentials, or another salt. */
    nameOf(credentials) {
      if (hashed?.credentials !== credentials || hashed.salt !== salt) {
        const text = JSON.stringify([credentials.user, credentials.password.reveal()])
        const name = scryptSync(text, Buffer.from(salt, 'hex'), 32).toString('hex')
        hashed = { credentials, salt, name }
      }
      return hashed.name
    },

    /** With a nonce: two processes must not write the same text, and each take the other's file for its own. */
    close({ records, lease }, offset) {
      const content = {
        version: FORMAT,
        nonce: randomBytes(8).toString('hex'),
        salt,
        lease: lease && { ...lease, renewedAt: lease.renewedAt + offset },
        entries: storedRecords(records, offset),
      }
      return `${JSON.stringify(content)}\n`
    },

    open(value, offset, now) {
      const { version, salt: found, lease, entries } = parseObject(value) ?? {}
      const records = parseRecords(entries, offset, now)
      if (version !== FORMAT || typeof found !== 'string' || records === undefined) return undefined
      salt = found
      return { records, lease: parseLease(lease, offset), token: undefined }
    },

    /** The contents are lost, which is shown for a while though the next version replaces them. */
    onUnreadable() {
      const why = { cause: cause('disk-foreign', 'disk') }
      report(why)
      clock.setTimer(() => {
        if (storageError === why) report(undefined)
      }, MINUTE)
    },

    onWritten() {
      if (storageError?.cause.code !== 'disk-foreign') report(undefined)
    },
  }
}

function parseLease(value: unknown, offset: number): Lease | undefined {
  const { holder, renewedAt } = Object(value) as Readonly<Record<string, unknown>>
  if (typeof holder !== 'string' || typeof renewedAt !== 'number') return undefined
  return { holder, renewedAt: renewedAt - offset }
}

// One text in a directory, changed by compare and swap: `attempts-8.json` follows `attempts-7.json`.

const VERSION = /^attempts-(\d{1,12})\.(?:json|[0-9a-f]+\.new)$/
/** So many versions stay, the latest among them: who is less behind finds that its number is taken. */
const KEPT = 8
const WRITABLE_BY_ALL = 0o002
/** Bytes; twenty records are a tenth of it. */
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
  const pathOf = (number: number): string => join(directory, `attempts-${number}.json`)
  let isExposed = false

  /** What is there, with its version: NaN where the name is no such one. Processes that are killed leave files, too. */
  const files = async () => {
    const names = await readdir(directory).catch((error: unknown) => {
      if (readErrorCode(error) === 'ENOENT') return []
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
          const code = readErrorCode(error)
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
      const scratch = join(directory, `attempts-${number}.${randomBytes(8).toString('hex')}.new`)
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
        const code = readErrorCode(error)
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
    const code = readErrorCode(error)
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
