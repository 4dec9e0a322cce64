import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chown, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, CODES } from '../causes.ts'

const VERSION = /^book-(\d{1,12})\.json$/
const SCRATCH = /^book\.[0-9a-f]+\.new$/
const MAX_FILE = 64 * 1024
/** So many versions stay, the latest among them: who is less behind finds that its number is taken. */
const KEPT = 8
/** Milliseconds after which nobody goes on with a scratch file. */
const ABANDONED_AFTER = 60_000
const WRITABLE_BY_ALL = 0o002
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const EXISTING_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
/** Another process was quicker, or has swept the scratch file of one that stood still. */
const TAKEN = new Set(['EEXIST', 'ENOENT'])
/** Of `link`: there are no hard links on this disk. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

export interface Version {
  /** 0: there is none. */
  readonly number: number
  /** Undefined: this is no file of the kind, or there is none. */
  readonly text: string | undefined
}

/**
 * One text in a directory, changed by compare and swap: `book-8.json` comes after `book-7.json`. It is written whole under
 * a scratch name of mode 0600, to the disk, and gets its name by link(2), which only one process can. So after a crash
 * there is a whole file, the former or the new one. A symbolic link in its place is not followed.
 *
 * All of it rejects with an error of Node where the disk does not take it.
 */
export function openVersions(directory: string, onExposed: () => void) {
  const pathOf = (number: number): string => join(directory, `book-${number}.json`)
  let isExposed = false

  const names = async (): Promise<readonly string[]> => {
    try {
      return await readdir(directory)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return []
    }
  }

  const highest = async (): Promise<number> => {
    const numbers = (await names()).map((name) => Number(VERSION.exec(name)?.[1] ?? 0))
    return Math.max(0, ...numbers)
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
    const file = await open(pathOf(number), EXISTING_FILE)
    try {
      const { size } = await file.stat()
      return size <= MAX_FILE ? await file.readFile('utf8') : undefined
    } finally {
      await file.close()
    }
  }

  /** Removes what is older, and what a process that was killed has left. */
  const sweep = async (number: number): Promise<void> => {
    for (const name of await names()) {
      const path = join(directory, name)
      const isOlder = Number(VERSION.exec(name)?.[1] ?? number) <= number - KEPT
      const isLeft = SCRATCH.test(name) && (await ageOf(path)) > ABANDONED_AFTER
      if (isOlder || isLeft) await rm(path, { force: true }).catch(ignore)
    }
  }

  return {
    /** The present version. @param known the number of the one whose text the caller has; that is not read again. */
    async read(known: number): Promise<Version | 'known'> {
      for (;;) {
        const number = await highest()
        if (number === known) return 'known'
        if (number === 0) return { number, text: undefined }
        try {
          return { number, text: await textOf(number) }
        } catch (error) {
          const code = codeOf(error)
          // A symbolic link, or a directory.
          if (code === 'ELOOP' || code === 'EISDIR') return { number, text: undefined }
          // It was swept meanwhile: there is a newer one.
          if (code !== 'ENOENT') throw error
        }
      }
    },

    /** Writes the version of this number. @returns false: another process was quicker, and it is to be read again. */
    async write(number: number, text: string): Promise<boolean> {
      const { uid, gid } = await prepare()
      const scratch = join(directory, `book.${randomBytes(8).toString('hex')}.new`)
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
      // A process that stood still may link a number that was there before, and was swept.
      if ((await highest()) >= number + KEPT) return false
      // Only now: without CAP_FOWNER root can link its own files alone. Nobody but root may give one away, or has to.
      await chown(pathOf(number), uid, gid).catch(ignore)
      await sweep(number)
      return true
    },
  }
}

/** Not by `recursive`, which never ends where a directory is there and takes none, such as /proc. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

async function ageOf(path: string): Promise<number> {
  const found = await stat(path).catch(ignore)
  return found === undefined ? 0 : Date.now() - found.mtimeMs
}

export function ignore(): void {}
