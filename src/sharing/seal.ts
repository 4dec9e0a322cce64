import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../config/index.ts'
import { parseObject, type JsonObject } from '../json.ts'
import {
  type Credentials,
  type Grant,
  MAX_LIFETIME,
  MIN_LIFETIME,
  parseStored,
  parseToken,
  type StoredEntry,
} from '../token/index.ts'

export type SharedGrant = Pick<Grant, 'token' | 'lifetime' | 'refreshToken' | 'refreshLifetime'>

/** What one replica tells the others of a token. */
export interface SharedRecord {
  readonly grant: SharedGrant
  /**
   * The number of the token before plus the milliseconds between the two requests, and above every number that this replica
   * has seen: an older record is never taken for a newer one, and of two that were obtained without the store the later one
   * is the newer.
   */
  readonly number: number
  /**
   * Milliseconds. The longer life of the token and its refresh token. The store counts down from it, so that the age
   * of a token is this less what is left of the key, and no process reads a wall clock.
   */
  readonly total: number
  /** Fingerprint of the credentials that the token, or the one that was refreshed, was obtained with. */
  readonly fingerprint: string
  /** A login gave it: iSales took these credentials. */
  readonly login: boolean
}

/** What one replica tells the others of logins, with the life of its key in milliseconds. */
export interface SharedEntry extends StoredEntry {
  readonly total: number
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
/** Their base64 is the id of the value. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Characters; two tokens of 8192 each and their base64 fit. */
const MAX_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of what is sealed is another place. */
export const VERSION = 'v3'
/** An entry is kept that long after its pause. */
const ENTRY_GRACE = 24 * 3600 * 1000

/**
 * Seals what is stored, and names its place. Whoever can read and write the store learns no token and no password, and
 * cannot make a replica send a token that none of them obtained: a value is bound to its place and its key.
 *
 * @param origin of iSales, as `https://host:port`.
 */
export function createSeal(key: Secret, origin: string, user: string) {
  const derive = (purpose: string): Buffer => {
    const info = `isales-auth-proxy ${VERSION} ${purpose}`
    return Buffer.from(hkdfSync('sha256', key.reveal(), '', info, KEY_BYTES))
  }
  const sealKey = derive('seal')
  const secretKey = derive('secret')
  const place = mac(derive('place'), origin, user)
  const additionalData = (name: string): Buffer => Buffer.from(`${VERSION}\n${place}\n${name}`)

  /** Another text each time; its first 16 characters are its id. */
  const close = (name: string, content: object): string => {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData(name))
    const text = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()])
    return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')
  }

  /** Undefined for what was not sealed with this key for this place and name. */
  const open = (name: string, sealed: string): JsonObject | undefined => {
    const bytes = Buffer.from(sealed.slice(0, MAX_SEALED), 'base64url')
    if (bytes.length < NONCE_BYTES + TAG_BYTES || sealed.length > MAX_SEALED) return undefined
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv(CIPHER, sealKey, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(additionalData(name)).setAuthTag(bytes.subarray(-TAG_BYTES))
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
    try {
      decipher.final()
    } catch {
      // GCM: the tag does not fit.
      return undefined
    }
    return parseObject(text.toString('utf8'))
  }

  return {
    /** Names the account in the store: another user, another iSales or another key is another place. */
    place,

    /** Names the credentials without revealing them. Unlike a hash it cannot be guessed at without the key. */
    fingerprint: ({ user, password }: Credentials): string =>
      mac(secretKey, origin, user, password.reveal()),

    closeToken: (record: SharedRecord): string => close('token', writtenRecord(record)),
    openToken: (sealed: string) => parseRecord(open('token', sealed)),

    closeEntry(name: string, entry: StoredEntry) {
      const grace = entry.attempts > 0 ? ENTRY_GRACE : 1
      const total = Math.max(entry.pause + grace, entry.proof)
      return { total, value: close(name, { ...entry, total }) }
    },
    openEntry: (name: string, sealed: string) => parseEntry(open(name, sealed)),
  }
}

export type Seal = ReturnType<typeof createSeal>

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}

// What is sealed, as JSON.

function writtenRecord({ grant, number, total, fingerprint, login }: SharedRecord) {
  const { token, lifetime, refreshToken, refreshLifetime } = grant
  const secrets = { token: token.reveal(), refreshToken: refreshToken?.reveal() }
  return {
    number,
    ...secrets,
    lifetime: lifetime.ms,
    doubt: lifetime.doubt,
    refreshLifetime,
    total,
    fingerprint,
    login,
  }
}

/** Undefined for anything that this version of the program would not have written. */
export function parseRecord(json: JsonObject = {}): SharedRecord | undefined {
  const { number, total, fingerprint, login, lifetime, refreshLifetime } = json
  const token = parseToken(json['token'])
  const refreshToken = parseToken(json['refreshToken'])
  const isWhole =
    Number.isInteger(number) &&
    typeof fingerprint === 'string' &&
    typeof login === 'boolean' &&
    isLife(lifetime) &&
    isLife(total) &&
    (refreshLifetime === undefined || isLife(refreshLifetime)) &&
    (refreshToken === undefined) === (json['refreshToken'] === undefined)
  if (token === undefined || !isWhole) return undefined
  const isTooLong = json['doubt'] === 'too-long'
  const given = { ms: lifetime, doubt: isTooLong ? ('too-long' as const) : undefined }
  const grant = { token, lifetime: given, refreshToken, refreshLifetime }
  return { grant, number: Number(number), total, fingerprint, login }
}

function parseEntry(json: JsonObject = {}): SharedEntry | undefined {
  const entry = parseStored(json)
  const { total } = json
  return entry && typeof total === 'number' ? { ...entry, total } : undefined
}

function isLife(value: unknown): value is number {
  return typeof value === 'number' && value >= MIN_LIFETIME && value <= MAX_LIFETIME
}

/** The life of the key: a refresh token whose lifetime is not known is kept for a day. */
export function totalLife({ lifetime, refreshToken, refreshLifetime }: SharedGrant): number {
  if (refreshToken === undefined) return lifetime.ms
  return Math.max(lifetime.ms, refreshLifetime ?? MAX_LIFETIME)
}
