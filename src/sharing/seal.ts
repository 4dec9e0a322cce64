import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { Secret } from '../config/index.ts'
import {
  parseStoredBook,
  storedBook,
  type Credentials,
  type Entry,
  type Grant,
} from '../token/index.ts'

/** What the replicas know of one account. Instants are on the monotonic clock of this process. */
export interface Account {
  readonly token: SharedToken | undefined
  /** By the fingerprint of the credentials. */
  readonly book: ReadonlyMap<string, Entry>
  /** Who asks iSales for a token. */
  readonly asking: { readonly who: string; readonly since: number } | undefined
}

export interface SharedToken {
  readonly grant: Grant
  /** Of the credentials that the token, or the one that was refreshed, was obtained with. */
  readonly fingerprint: string
}

export const NO_ACCOUNT: Account = { token: undefined, book: new Map(), asking: undefined }

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Bytes; two tokens of 8192 each and the book fit. */
const MAX_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of what is sealed is another place. */
export const VERSION = 'v4'

/**
 * Seals what is stored, and names its place. Whoever can read and write the store learns no token and no password, and
 * cannot make a replica send a token that none of them obtained: a value is bound to its place.
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
  const additionalData = Buffer.from(`${VERSION}\n${place}`)

  return {
    /** Names the account in the store: another user, another iSales or another key is another place. */
    place,

    /** Names the credentials without revealing them. Unlike a hash it cannot be guessed at without the key. */
    fingerprint: ({ user, password }: Credentials): string =>
      mac(secretKey, origin, user, password.reveal()),

    /**
     * Another text each time, of bytes as latin1.
     *
     * @param offset what the clock of the store is ahead of ours, milliseconds.
     */
    close(account: Account, offset: number): string {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData)
      const text = cipher.update(Buffer.from(JSON.stringify(written(account, offset))))
      return Buffer.concat([nonce, text, cipher.final(), cipher.getAuthTag()]).toString('latin1')
    },

    /** Undefined for what was not sealed with this key for this place. */
    open(sealed: string, offset: number, now: number): Account | undefined {
      if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.length > MAX_SEALED) return undefined
      const bytes = Buffer.from(sealed, 'latin1')
      const nonce = bytes.subarray(0, NONCE_BYTES)
      const decipher = createDecipheriv(CIPHER, sealKey, nonce)
      decipher.setAAD(additionalData).setAuthTag(bytes.subarray(-TAG_BYTES))
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        decipher.final()
      } catch {
        // GCM: the tag does not fit.
        return undefined
      }
      return read(JSON.parse(text.toString('utf8')) as Written, offset, now)
    },
  }
}

export type Seal = ReturnType<typeof createSeal>

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}

// What is sealed, as JSON. Its instants are by the clock of the store. Whoever has sealed it has the key and is of this
// version, so that its shape is not checked.

type Written = ReturnType<typeof written>

function written({ token, book, asking }: Account, offset: number) {
  return {
    token: token && writtenToken(token, offset),
    book: storedBook(book, offset),
    asking: asking && { ...asking, since: asking.since + offset },
  }
}

function writtenToken({ grant, fingerprint }: SharedToken, offset: number) {
  const { token, sentAt, lifetime, refreshToken, refreshLifetime } = grant
  return {
    token: token.reveal(),
    refreshToken: refreshToken?.reveal(),
    sentAt: sentAt + offset,
    lifetime: lifetime.ms,
    refreshLifetime,
    fingerprint,
  }
}

function read({ token, book, asking }: Written, offset: number, now: number): Account {
  return {
    token: token && readToken(token, offset, now),
    book: parseStoredBook(book, offset, now) ?? new Map(),
    asking: asking && { ...asking, since: asking.since - offset },
  }
}

function readToken(json: NonNullable<Written['token']>, offset: number, now: number): SharedToken {
  const { token, refreshToken, sentAt, lifetime, refreshLifetime, fingerprint } = json
  const grant = {
    token: new Secret(token),
    // The clock of the store may have been set back.
    sentAt: Math.min(now, sentAt - offset),
    lifetime: { ms: lifetime },
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    refreshLifetime,
  }
  return { grant, fingerprint }
}
