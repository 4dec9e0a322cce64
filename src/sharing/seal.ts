import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { HOUR } from '../clock.ts'
import type { Secret } from '../config/index.ts'
import { parseObject, type JsonObject } from '../json.ts'
import {
  MAX_LIFETIME,
  MIN_LIFETIME,
  NO_ENTRY,
  parseStored,
  parseToken,
  restored,
  stored,
  type Credentials,
  type Entry,
  type Grant,
  type StoredEntry,
} from '../token/index.ts'
import type { Value } from './cell.ts'
import type { SharedToken } from './shared-token.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
/** Their base64 is the id of the value. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Characters; two tokens of 8192 each and their base64 fit. */
const MAX_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of what is sealed is another place. */
export const VERSION = 'v3'
/** An entry with attempts is kept that long after its pause. */
const ENTRY_GRACE = 24 * HOUR

/**
 * Seals what is stored, and names its place. Whoever can read and write the store learns no token and no password, and
 * cannot make a replica send a token that none of them obtained: a value is bound to its place and its key.
 *
 * No process reads a wall clock. How long a key lives follows from what it holds, the store counts it down, and the age of
 * a value is what is gone of that life.
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

    closeToken(token: SharedToken, now: number): Value {
      const left = lifeOfToken(token.grant) - (now - token.grant.sentAt)
      return { value: close('token', written(token)), ms: Math.max(1, Math.ceil(left)) }
    },

    /** Undefined: no token, or none that can be read. */
    openToken({ value, ms }: Value, now: number): SharedToken | undefined {
      const token = parseShared(open('token', value))
      if (token === undefined) return undefined
      // A store whose clock was set back would make the token younger than it is.
      const age = Math.max(0, lifeOfToken(token.grant) - Math.max(0, ms))
      return { ...token, grant: { ...token.grant, sentAt: now - age } }
    },

    /** @param key of the book. */
    closeEntry(key: string, entry: Entry, now: number): Value {
      const content = stored(entry, now)
      return { value: close(key, content), ms: lifeOfEntry(content) }
    },

    /** A store whose clock was set back would make a pause longer than any of ours: then it is none. */
    openEntry(key: string, { value, ms }: Value, now: number): Entry {
      const entry = parseStored(open(key, value))
      if (entry === undefined || ms > lifeOfEntry(entry)) return NO_ENTRY
      return restored(entry, lifeOfEntry(entry) - ms, now)
    },
  }
}

export type Seal = ReturnType<typeof createSeal>

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}

// What is sealed, as JSON, and how long it is kept.

function written({ grant, ...rest }: SharedToken) {
  const { token, lifetime, refreshToken, refreshLifetime, isText } = grant
  const secrets = { token: token.reveal(), refreshToken: refreshToken?.reveal() }
  return {
    ...rest,
    ...secrets,
    lifetime: lifetime.ms,
    doubt: lifetime.doubt,
    refreshLifetime,
    isText,
  }
}

/** As if it was requested at 0. Undefined for anything that this version of the program would not have written. */
export function parseShared(json: JsonObject = {}): SharedToken | undefined {
  const { number, fingerprint, login, lifetime, refreshLifetime } = json
  const token = parseToken(json['token'])
  const refreshToken = parseToken(json['refreshToken'])
  const isWhole =
    Number.isInteger(number) &&
    typeof fingerprint === 'string' &&
    typeof login === 'boolean' &&
    isLife(lifetime) &&
    (refreshLifetime === undefined || isLife(refreshLifetime)) &&
    (refreshToken === undefined) === (json['refreshToken'] === undefined)
  if (token === undefined || !isWhole) return undefined
  const isTooLong = json['doubt'] === 'too-long'
  const given = { ms: lifetime, doubt: isTooLong ? ('too-long' as const) : undefined }
  const isText = json['isText'] === true
  const grant = { token, sentAt: 0, lifetime: given, refreshToken, refreshLifetime, isText }
  return { grant, number: Number(number), fingerprint, login }
}

function isLife(value: unknown): value is number {
  return typeof value === 'number' && value >= MIN_LIFETIME && value <= MAX_LIFETIME
}

/** As long as the token or its refresh token: one whose lifetime is not known is kept for a day. */
export function lifeOfToken({ lifetime, refreshToken, refreshLifetime }: Grant): number {
  if (refreshToken === undefined) return lifetime.ms
  return Math.max(lifetime.ms, refreshLifetime ?? MAX_LIFETIME)
}

function lifeOfEntry({ attempts, pause, proof }: StoredEntry): number {
  return Math.max(pause + (attempts > 0 ? ENTRY_GRACE : 1), proof)
}
