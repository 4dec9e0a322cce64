import { createHmac, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject } from '../http/json.ts'
import type { Credentials } from './client.ts'
import type { PastRefusals } from './state.ts'

/**
 * Counts how often iSales refused which credentials, so that neither a restart nor a secret that changes back and
 * forth locks the account. It knows credentials by a keyed hash only.
 */
export interface RefusalBook {
  /** Undefined: they were not refused since they were last granted a token. */
  find(credentials: Credentials): PastRefusals | undefined
  /** They were refused now. */
  add(credentials: Credentials): void
  /** They were granted a token. */
  remove(credentials: Credentials): void
}

export interface RefusalBookOptions {
  /** `STATE_DIR`; undefined: memory only. */
  readonly directory: string | undefined
  /** Milliseconds since 1970: a file outlives the monotonic clock. */
  readonly wallClock: () => number
  /** The file cannot be read or written, or is not ours. Counting goes on in memory. */
  readonly onUnusable: (error: unknown) => void
}

interface Entry {
  readonly count: number
  /** Milliseconds since 1970. */
  readonly at: number
}

interface Contents {
  /** Of the HMAC; hexadecimal. */
  readonly key: string
  readonly refusals: Map<string, Entry>
}

const VERSION = 1
const MOST_ENTRIES = 100
const HEX_KEY = /^[0-9a-f]{64}$/

export function createRefusalBook(options: RefusalBookOptions): RefusalBook {
  const { directory, wallClock, onUnusable } = options
  const file = directory === undefined ? undefined : join(directory, 'refusals.json')
  const { key, refusals } = open(file, onUnusable)

  const hash = ({ user, password }: Credentials): string =>
    createHmac('sha256', Buffer.from(key, 'hex'))
      .update(JSON.stringify([user, password.reveal()]))
      .digest('hex')

  const save = (): void => {
    if (directory === undefined || file === undefined) return
    const text = JSON.stringify({ version: VERSION, key, refusals: Object.fromEntries(refusals) })
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      // A rename is atomic: after a crash the file is whole, the former or the new one.
      writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (error) {
      onUnusable(error)
    }
  }

  return {
    find(credentials) {
      const entry = refusals.get(hash(credentials))
      // A date in the future is a clock that was set back: the refusal may be of now.
      return entry && { count: entry.count, age: Math.max(0, wallClock() - entry.at) }
    },

    add(credentials) {
      const id = hash(credentials)
      const count = (refusals.get(id)?.count ?? 0) + 1
      // The latest stands last.
      refusals.delete(id)
      refusals.set(id, { count, at: wallClock() })
      const [oldest] = refusals.keys()
      if (refusals.size > MOST_ENTRIES && oldest !== undefined) refusals.delete(oldest)
      save()
    },

    remove(credentials) {
      if (refusals.delete(hash(credentials))) save()
    },
  }
}

function open(file: string | undefined, onUnusable: (error: unknown) => void): Contents {
  const empty = { key: randomBytes(32).toString('hex'), refusals: new Map<string, Entry>() }
  if (file === undefined) return empty
  try {
    return parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!missing) onUnusable(error)
    return empty
  }
}

/** @throws TypeError when it is not a file of ours. */
function parse(json: unknown): Contents {
  const { version, key, refusals } = isObject(json) ? json : {}
  if (version !== VERSION || !isKey(key) || !isObject(refusals)) {
    throw new TypeError('not a refusals file')
  }
  const entries = Object.entries(refusals)
  if (!entries.every(isEntry)) throw new TypeError('not a refusal')
  return { key, refusals: new Map(entries) }
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && HEX_KEY.test(value)
}

function isEntry(pair: readonly [string, unknown]): pair is [string, Entry] {
  const [, value] = pair
  return isObject(value) && Number.isInteger(value['count']) && Number.isFinite(value['at'])
}
