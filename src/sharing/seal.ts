import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import * as z from 'zod'
import { Secret } from '../config/secret.ts'
import { parseObject } from '../http/json.ts'
import { MAX_LIFETIME, MIN_LIFETIME, parseToken, type Grant } from '../token/protocol.ts'
import { ID_LENGTH } from './store.ts'

export type SharedGrant = Pick<Grant, 'token' | 'lifetime' | 'refreshToken' | 'refreshLifetime'>

/** What one replica tells the others of a token. */
export interface SharedRecord {
  readonly grant: SharedGrant
  /**
   * Higher than any that the replica which obtained it had seen, by the milliseconds since the token before: an older
   * record is never taken for a newer one, and of two that were obtained without the store the later one is the newer.
   */
  readonly number: number
  /**
   * Milliseconds. The longer life of the token and its refresh token. The store counts down from it, so that the age
   * of a token is this less what is left of the key, and no process reads a wall clock.
   */
  readonly totalMs: number
  /** Fingerprint of the credentials that the token, or the one that was refreshed, was obtained with. */
  readonly fingerprint: string
  /** A login gave it: iSales took these credentials. */
  readonly login: boolean
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Characters; two tokens of 8192 each and their base64 fit. */
const MAX_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of the record is another place. */
const VERSION = 'isales-auth-proxy v2'

/**
 * Seals records and names their place. Whoever can read and write the store learns no token and no password, and
 * cannot make a replica send a token that none of them obtained: a record is bound to its place and its id.
 *
 * @param origin of iSales, as `https://host:port`.
 */
export function createSeal(key: Secret, origin: string, user: string) {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', key.reveal(), '', `${VERSION} ${purpose}`, KEY_BYTES))
  const sealKey = derive('seal')
  const secretKey = derive('secret')
  const place = mac(derive('place'), origin, user)

  const additionalData = (id: string): Buffer => Buffer.from(`${VERSION}\n${place}\n${id}`)

  return {
    /** Names the account in the store: another user, another iSales or another key is another place. */
    place,

    /** Names the credentials without revealing them. Unlike a hash it cannot be guessed at without the key. */
    fingerprint: (password: Secret): string => mac(secretKey, origin, user, password.reveal()),

    /** `<id of 22 characters>.<sealed>`, another id each time. */
    close(record: SharedRecord): string {
      const id = randomBytes(16).toString('base64url')
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData(id))
      const text = Buffer.concat([cipher.update(formatRecord(record), 'utf8'), cipher.final()])
      return `${id}.${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')}`
    },

    /** Undefined for what was not sealed with this key for this place, and for what cannot be read. */
    open(sealed: string): SharedRecord | undefined {
      if (sealed.length > MAX_SEALED || sealed[ID_LENGTH] !== '.') return undefined
      const bytes = Buffer.from(sealed.slice(ID_LENGTH + 1), 'base64url')
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
      const decipher = createDecipheriv(CIPHER, sealKey, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(additionalData(sealed.slice(0, ID_LENGTH)))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        decipher.final()
      } catch {
        // GCM: the tag does not fit.
        return undefined
      }
      return parseRecord(text.toString('utf8'))
    },
  }
}

export type Seal = ReturnType<typeof createSeal>

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}

// The text that is sealed. Fields may be added to it, never changed: other versions of the program read it.

const RECORD_VERSION = 2

function formatRecord({ grant, number, totalMs, fingerprint, login }: SharedRecord): string {
  return JSON.stringify({
    v: RECORD_VERSION,
    n: number,
    token: grant.token.reveal(),
    lifetimeMs: grant.lifetime.ms,
    refreshToken: grant.refreshToken?.reveal(),
    refreshLifetimeMs: grant.refreshLifetime,
    totalMs,
    fp: fingerprint,
    login,
  })
}

const LIFE = z.number().min(MIN_LIFETIME).max(MAX_LIFETIME)
const TOKEN = z.unknown().transform(parseToken).pipe(z.instanceof(Secret))
const RECORD = z
  .object({
    v: z.literal(RECORD_VERSION),
    n: z.int(),
    token: TOKEN,
    lifetimeMs: LIFE,
    refreshToken: TOKEN.optional(),
    refreshLifetimeMs: LIFE.optional(),
    totalMs: LIFE,
    fp: z.string(),
    login: z.boolean(),
  })
  .transform(({ token, lifetimeMs, refreshToken, refreshLifetimeMs: refreshLifetime, ...rest }) => {
    const { n: number, fp: fingerprint, totalMs, login } = rest
    const grant = { token, lifetime: { ms: lifetimeMs }, refreshToken, refreshLifetime }
    return { grant, number, totalMs, fingerprint, login }
  })

/** Undefined for anything that this version of the program would not have written. */
export function parseRecord(text: string): SharedRecord | undefined {
  return RECORD.safeParse(parseObject(text)).data
}

/** The life of the key: a refresh token whose lifetime is not known is kept for a day. */
export function totalLife({ lifetime, refreshToken, refreshLifetime }: SharedGrant): number {
  if (refreshToken === undefined) return lifetime.ms
  return Math.max(lifetime.ms, refreshLifetime ?? MAX_LIFETIME)
}
