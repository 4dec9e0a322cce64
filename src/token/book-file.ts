import { createHmac, randomBytes, scrypt } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import { makeDirectory, readSmallFile } from '../config/files.ts'
import type { AttemptHome, Entry } from './book.ts'
import type { Credentials } from './client.ts'

export interface AttemptFileOptions {
  /** `STATE_DIR`. */
  readonly directory: string
  readonly clock: Clock
  /** Milliseconds since 1970: a file outlives the monotonic clock. */
  readonly wallClock: () => number
  /** The file cannot be read or written, or is not ours. Counting goes on in memory. `why` names the file. */
  readonly onUnusable: (why: string) => void
  /** All may write to the directory. */
  readonly onExposed: () => void
}

const NAME = 'attempts.json'
const FORMER_NAME = 'refusals.json'
const MAX_FILE = 64 * 1024
const MAX_ENTRIES = 100
/** A former file says how many refusals there were, not how long they pause: the longest ordinary pause. */
const FORMER_PAUSE = 15 * 60_000
const WRITABLE_BY_ALL = 0o002

const COUNT = z.number().int().min(0).max(1e6)
const LIFE = z
  .number()
  .min(0)
  .max(30 * 24 * 3_600_000)
/** Milliseconds; `at` since 1970, the others from then on. */
const STORED = z.object({
  attempts: COUNT,
  refusals: COUNT,
  at: z.number(),
  pause: LIFE,
  proof: LIFE,
})
const CONTENTS = z.object({
  version: z.literal(2),
  /** Hexadecimal. */
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  entries: z.record(z.string(), STORED),
})
const FORMER = z.object({
  version: z.literal(1),
  key: z.string().regex(/^[0-9a-f]{64}$/),
  refusals: z.record(z.string(), z.object({ count: COUNT, at: z.number() })),
})

type Stored = z.infer<typeof STORED>

const slowHash = promisify(scrypt) as (text: string, salt: Buffer, bytes: number) => Promise<Buffer>

/**
 * The book of logins in `STATE_DIR`. It names credentials by a slow hash with a salt of its own, so that whoever reads
 * the file cannot try passwords quickly. A write goes to a new file of mode 0600, to the disk, and then into place: after
 * a crash the file is whole, the former or the new one. A link in its place is not followed.
 */
export function openAttemptFile(options: AttemptFileOptions): AttemptHome {
  const { directory, clock, wallClock, onUnusable, onExposed } = options
  const path = join(directory, NAME)
  const scratch = `${path}.new`
  let salt = randomBytes(16).toString('hex')
  let entries = new Map<string, Entry>()
  /** What the file held when it was last read or written. */
  let known: string | undefined
  let last: { readonly credentials: Credentials; salt: string; readonly id: string } | undefined
  /** Of the directory. Undefined: it is not prepared. */
  let owner: Stats | undefined
  /** The file lacks what could not be written. */
  let isBehind = false
  /** The last write: one begins when the one before it has ended. */
  let writing = Promise.resolve(true)

  /**
   * What is in memory counts by the monotonic clock. Only a file that somebody else has written since is converted by the
   * date, which may have been set. One that cannot be read is not forgotten.
   */
  const load = (report: typeof onUnusable): void => {
    const latest = read(path, CONTENTS, report)
    if (latest === undefined || latest.text === known) return
    known = latest.text
    salt = latest.contents.salt
    const stored = Object.entries(latest.contents.entries)
    entries = new Map(stored.map(([id, each]) => [id, fromStored(each, wallClock(), clock.now())]))
  }

  load(onUnusable)
  const former = read(join(directory, FORMER_NAME), FORMER, onUnusable)?.contents

  /** A command may have logged in meanwhile. What is still to be written is not forgotten. */
  const reread = async (): Promise<void> => {
    let waitedFor: typeof writing | undefined
    while (waitedFor !== writing) {
      waitedFor = writing
      await waitedFor
    }
    if (!isBehind) load(() => {})
  }

  const idOf = async (credentials: Credentials): Promise<string> => {
    // The salt of a file that somebody else made meanwhile is another.
    while (last?.credentials !== credentials || last.salt !== salt) {
      const used = salt
      const text = JSON.stringify([credentials.user, credentials.password.reveal()])
      const hash = await slowHash(text, Buffer.from(used, 'hex'), 32)
      last = { credentials, salt: used, id: hash.toString('hex') }
    }
    return last.id
  }

  const formerEntry = ({ user, password }: Credentials): Entry | undefined => {
    if (former === undefined) return undefined
    const text = JSON.stringify([user, password.reveal()])
    const id = createHmac('sha256', Buffer.from(former.key, 'hex')).update(text).digest('hex')
    const found = former.refusals[id]
    if (found === undefined) return undefined
    const { count, at } = found
    const stored = { attempts: count, refusals: count, at, pause: FORMER_PAUSE, proof: 0 }
    return fromStored(stored, wallClock(), clock.now())
  }

  const prepare = async (): Promise<Stats> => {
    makeDirectory(directory)
    const found = await stat(directory)
    if ((found.mode & WRITABLE_BY_ALL) !== 0) onExposed()
    return found
  }

  const put = async (text: string): Promise<void> => {
    const { uid, gid } = (owner ??= await prepare())
    // What a crash, or somebody else, left there.
    await rm(scratch, { force: true })
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    const file = await open(scratch, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      await file.writeFile(text)
      // What root writes, with a command, is for the proxy to read. Nobody else may give a file away, or has to.
      await file.chown(uid, gid).catch(() => undefined)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(scratch, path)
    if (former !== undefined) await rm(join(directory, FORMER_NAME), { force: true })
  }

  /** @returns false when it could not be written. */
  const write = async (text: string): Promise<boolean> => {
    try {
      await put(text)
      known = text
      isBehind = false
    } catch (error) {
      isBehind = true
      onUnusable(error instanceof Error ? error.message : 'unknown')
    }
    return !isBehind
  }

  return {
    async find(credentials) {
      await reread()
      const id = await idOf(credentials)
      return entries.get(id) ?? formerEntry(credentials)
    },

    async save(credentials, entry) {
      await reread()
      const id = await idOf(credentials)
      // The latest stands last.
      entries.delete(id)
      entries.set(id, entry)
      const [oldest] = entries.keys()
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest)
      const stored = [...entries].map(([each, its]) => [
        each,
        toStored(its, wallClock(), clock.now()),
      ])
      const contents = { version: 2, salt, entries: Object.fromEntries(stored) }
      writing = writing.then(() => write(`${JSON.stringify(contents)}\n`))
      return writing
    },
  }
}

/** A date in the future is a clock that was set back: it counts as now. */
function fromStored(
  { attempts, refusals, at, pause, proof }: Stored,
  wallNow: number,
  now: number,
): Entry {
  const written = now - Math.max(0, wallNow - at)
  return { attempts, refusals, notBefore: written + pause, provenUntil: written + proof }
}

function toStored(
  { attempts, refusals, notBefore, provenUntil }: Entry,
  at: number,
  now: number,
): Stored {
  const pause = Math.max(0, notBefore - now)
  return { attempts, refusals, at, pause, proof: Math.max(0, provenUntil - now) }
}

/** Undefined: it is missing, or not ours. */
function read<T>(path: string, shape: z.ZodType<T>, onUnusable: (why: string) => void) {
  const { O_NOFOLLOW } = constants
  const file = readSmallFile(path, MAX_FILE, O_NOFOLLOW)
  if (!file.ok) {
    if (file.problem !== 'missing') onUnusable(`${path} ${file.problem}`)
    return undefined
  }
  try {
    const text = Buffer.from(file.bytes).toString()
    return { text, contents: shape.parse(JSON.parse(text)) }
  } catch {
    onUnusable(`${path} is not a file of ours`)
    return undefined
  }
}
