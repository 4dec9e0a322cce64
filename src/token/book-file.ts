import { createHmac, randomBytes, scryptSync } from 'node:crypto'
import { cause, causeOfDisk, codeOf } from '../causes.ts'
import type { Clock, Timer } from '../clock.ts'
import { isObject, parseObject } from '../json.ts'
import type { Failure } from '../words/index.ts'
import {
  merged,
  NO_ENTRY,
  parseStored,
  stored,
  type BookStore,
  type Change,
  type Entry,
  type Updated,
} from './book.ts'
import type { Credentials } from './client.ts'
import { ignore, openVersions, type Version } from './versions.ts'

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

const MAX_ENTRIES = 100
/** So many times another process may be quicker. */
const MAX_ROUNDS = 100
const VERSION = 4
/** Milliseconds. */
const MAX_DRIFT = 1000
const SALT = /^[0-9a-f]{32}$/
/** A disk that takes longer is not waited for: calls wait for the login, 2.8 s at most. */
const MAX_DISK_WAIT = 1000
const RETRY_AFTER = 1000

/** The book as one version of the file has it; entries by the slow hash of their credentials. */
interface Contents {
  readonly number: number
  readonly salt: string
  readonly entries: ReadonlyMap<string, Entry>
}

/** What the file lacks: the disk did not take it. */
interface Unwritten {
  readonly credentials: Credentials
  /** The entry in the file when it was changed in memory. */
  readonly base: Entry
  readonly entry: Entry
}

/**
 * The book of logins in `STATE_DIR`, or in memory. It names credentials by a slow hash with a salt of its own, so that
 * whoever reads the file cannot try passwords quickly. Each change is a compare and swap of the whole file.
 *
 * One step of the disk at a time, and each is waited for 1 s. What the disk does not take counts in memory, and is tried
 * again each second.
 */
export function openBook(options: BookFileOptions): BookStore {
  const { directory, clock, wallClock, onTrouble } = options
  const key = randomBytes(32)
  /** By a quick hash with a key of this process. */
  const unwritten = new Map<string, Unwritten>()
  let contents: Contents = { number: 0, salt: randomBytes(16).toString('hex'), entries: new Map() }
  let last: { readonly credentials: Credentials; salt: string; readonly id: string } | undefined
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

  const nameOf = ({ user, password }: Credentials): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password.reveal()]))
      .digest('base64')

  /** 50 ms of CPU for other credentials, or another salt. */
  const idOf = (credentials: Credentials, salt: string): string => {
    if (last?.credentials !== credentials || last.salt !== salt) {
      const text = JSON.stringify([credentials.user, credentials.password.reveal()])
      const id = scryptSync(text, Buffer.from(salt, 'hex'), 32).toString('hex')
      last = { credentials, salt, id }
    }
    return last.id
  }

  /** In memory alone. */
  const keep = (credentials: Credentials, base: Entry, change: Change): Updated => {
    const name = nameOf(credentials)
    const before = unwritten.get(name)?.entry ?? base
    const entry = change(before, clock.now())
    if (entry === undefined) return { entry: before, isChanged: false }
    unwritten.set(name, { credentials, base: unwritten.get(name)?.base ?? base, entry })
    return { entry, isChanged: true, isWritten: false }
  }

  /** Changes the file, again and again until no other process is quicker. */
  const commit = async (
    versions: ReturnType<typeof openVersions>,
    credentials: Credentials,
    change: Change,
  ): Promise<Updated> => {
    const name = nameOf(credentials)
    // Not later: this change itself counts in memory when the disk takes too long.
    const missed = unwritten.get(name)
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const version = await versions.read(contents.number)
      if (version !== 'known') load(version)
      const { number, salt, entries } = contents
      const id = idOf(credentials, salt)
      const before = present(entries.get(id) ?? NO_ENTRY, missed)
      const entry = change(before, clock.now())
      if (entry === undefined) return { entry: before, isChanged: false }
      const others = [...entries].filter(([other]) => other !== id).slice(1 - MAX_ENTRIES)
      const next = { number: number + 1, salt, entries: new Map([...others, [id, entry]]) }
      if (await versions.write(next.number, formatted(next, wallClock() - clock.now()))) {
        contents = next
        const latest = unwritten.get(name)
        // What was changed in memory while the disk took its time goes on from this.
        if (latest !== undefined && latest !== missed)
          unwritten.set(name, { ...latest, base: entry })
        else unwritten.delete(name)
        if (unwritten.size === 0) report(undefined)
        return { entry, isChanged: true }
      }
    }
    throw new Error('other processes were quicker each time')
  }

  /** A file that is none of ours is as good as none: the next version replaces it. */
  const load = ({ number, text }: Version): void => {
    const found = number === 0 ? contents : parsed(text, wallClock() - clock.now(), clock.now())
    if (found === undefined) report({ cause: cause('disk-foreign', 'disk') })
    contents = { ...(found ?? contents), number }
  }

  const onDisk = async (
    versions: ReturnType<typeof openVersions>,
    credentials: Credentials,
    change: Change,
  ): Promise<Updated> => {
    const base = (): Entry => contents.entries.get(idOf(credentials, contents.salt)) ?? NO_ENTRY
    if (isLate) return keep(credentials, base(), change)
    let isTooLate = false
    const committed = step.then(() =>
      isTooLate ? undefined : commit(versions, credentials, change),
    )
    const ended = committed.then(ignore, ignore)
    step = ended
    try {
      const updated = await inTime(committed)
      if (updated !== undefined) return updated
    } catch (error) {
      report(failureOf(error))
      planRetry(versions)
      return keep(credentials, base(), change)
    }
    isTooLate = true
    isLate = true
    report({ cause: cause('disk-slow', 'disk') })
    const kept = keep(credentials, base(), change)
    void ended.then(() => {
      isLate = false
      planRetry(versions)
    })
    return kept
  }

  const planRetry = (versions: ReturnType<typeof openVersions>): void => {
    retry?.cancel()
    retry = clock.setTimer(() => {
      const [missed] = unwritten.values()
      if (missed === undefined) return report(undefined)
      void onDisk(versions, missed.credentials, unchanged).then(() => {
        if (unwritten.size > 0) planRetry(versions)
      })
    }, RETRY_AFTER)
  }

  /** @returns undefined when the disk takes too long. */
  const inTime = <T>(work: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const timer = clock.setTimer(() => resolve(undefined), MAX_DISK_WAIT)
      void work.then(resolve, reject).finally(() => timer.cancel())
    })

  if (directory === undefined) {
    return {
      update(credentials, change) {
        const { entry, isChanged } = keep(credentials, NO_ENTRY, change)
        return Promise.resolve({ entry, isChanged })
      },
    }
  }
  const versions = openVersions(directory, options.onExposed)
  return { update: (credentials, change) => onDisk(versions, credentials, change) }
}

/** The entry in the file, with what was changed in memory since. */
function present(inFile: Entry, missed: Unwritten | undefined): Entry {
  if (missed === undefined) return inFile
  // Where another process has written since, both count.
  return isSame(inFile, missed.base) ? missed.entry : merged(inFile, missed.entry)
}

/** Undefined for what is not a file of ours. */
function parsed(text = '', offset: number, now: number): Omit<Contents, 'number'> | undefined {
  const { version, salt, entries } = parseObject(text) ?? {}
  const isOurs = version === VERSION && typeof salt === 'string' && SALT.test(salt)
  if (!isOurs || !isObject(entries)) return undefined
  const found = new Map<string, Entry>()
  for (const [name, value] of Object.entries(entries)) {
    const entry = parseStored(value, offset, now)
    if (entry === undefined) return undefined
    found.set(name, entry)
  }
  return { salt, entries: found }
}

/** @param offset what the date is ahead of our clock, milliseconds. */
function formatted({ entries, salt }: Contents, offset: number): string {
  const all = [...entries].map(([name, entry]) => [name, stored(entry, offset)] as const)
  return `${JSON.stringify({ version: VERSION, salt, entries: Object.fromEntries(all) })}\n`
}

/** The same within what a clock may drift. */
function isSame(one: Entry, other: Entry): boolean {
  const isNear = (a: number, b: number): boolean => a === b || Math.abs(a - b) < MAX_DRIFT
  return (
    one.attempts === other.attempts &&
    one.refusals === other.refusals &&
    one.open === other.open &&
    isNear(one.at, other.at) &&
    isNear(one.provenUntil, other.provenUntil)
  )
}

function failureOf(error: unknown): Failure {
  const code = codeOf(error)
  return { cause: causeOfDisk(code), detail: code }
}

/** The entry stays as it is in memory. */
function unchanged(entry: Entry): Entry {
  return entry
}
