import { Secret } from '../config/secret.ts'

/** What one replica tells the others of a token: the text that is sealed in the store. Milliseconds. */
export interface SharedRecord {
  readonly token: Secret
  readonly lifetimeMs: number
  /** iSales gave no lifetime that can be believed. */
  readonly assumed: boolean
  readonly refreshToken?: Secret
  /** From the moment the token was requested, as `lifetimeMs`. Absent: not known. */
  readonly refreshLifetimeMs?: number
  /**
   * The longer of the two lives. The store counts down from it, so that the age of a token is this less what is
   * left of the key, and no process reads a wall clock.
   */
  readonly totalMs: number
  /** Fingerprint of the credentials that the token was obtained with. */
  readonly fingerprint: string
  /** A rejected business call asked for it. */
  readonly bought: boolean
}

/** A higher version could only be read by a later program; fields may be added to this one, never changed. */
const VERSION = 1
/** The same limits as for a response of iSales: what is shared was granted once. */
const LONGEST_TOKEN = 8192
const HEADER_SAFE = /^[\x21-\x7e]+$/
const SHORTEST_LIFE = 1000
const LONGEST_LIFE = 24 * 3600 * 1000
const FINGERPRINT = /^[\w-]{22}$/

export function formatRecord(record: SharedRecord): string {
  return JSON.stringify({
    v: VERSION,
    token: record.token.reveal(),
    lifetimeMs: record.lifetimeMs,
    assumed: record.assumed,
    refreshToken: record.refreshToken?.reveal(),
    refreshLifetimeMs: record.refreshLifetimeMs,
    totalMs: record.totalMs,
    fp: record.fingerprint,
    bought: record.bought,
  })
}

/** Undefined for anything that this version of the program would not have written. */
export function parseRecord(text: string): SharedRecord | undefined {
  const json = parseJson(text)
  if (typeof json !== 'object' || json === null) return undefined
  const data: Readonly<Record<string, unknown>> = { ...json }
  const token = tokenOf(data['token'])
  const refreshToken = tokenOf(data['refreshToken'])
  const { v, lifetimeMs, assumed, refreshLifetimeMs, totalMs, fp, bought } = data
  if (v !== VERSION || token === undefined || typeof fp !== 'string' || !FINGERPRINT.test(fp)) {
    return undefined
  }
  if (data['refreshToken'] !== undefined && refreshToken === undefined) return undefined
  if (refreshLifetimeMs !== undefined && !isLife(refreshLifetimeMs)) return undefined
  if (!isLife(lifetimeMs) || !isLife(totalMs) || totalMs < lifetimeMs) return undefined
  if (typeof assumed !== 'boolean' || typeof bought !== 'boolean') return undefined
  return {
    token,
    lifetimeMs,
    assumed,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(refreshLifetimeMs === undefined ? {} : { refreshLifetimeMs }),
    totalMs,
    fingerprint: fp,
    bought,
  }
}

/** The life of the key: a refresh token whose lifetime is not known is kept for a day. */
export function totalLife(record: Omit<SharedRecord, 'totalMs'>): number {
  if (record.refreshToken === undefined) return record.lifetimeMs
  return Math.max(record.lifetimeMs, record.refreshLifetimeMs ?? LONGEST_LIFE)
}

function tokenOf(value: unknown): Secret | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_TOKEN) return undefined
  return HEADER_SAFE.test(value) ? new Secret(value) : undefined
}

function isLife(value: unknown): value is number {
  return typeof value === 'number' && value >= SHORTEST_LIFE && value <= LONGEST_LIFE
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
