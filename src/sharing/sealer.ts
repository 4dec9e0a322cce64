import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { Secret } from '../config/index.ts'
import { parseRecords, storedRecords, type Credentials, type SharedState } from '../token/index.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Bytes; two tokens of 8192 each and the records fit. */
const MAX_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of the sealed value gets another store key. */
export const VERSION = 'v5'

/**
 * Seals the stored value, and names its key. A reader of the store learns no token and no password, and a writer cannot make
 * a replica send a token that none of them obtained: a value is bound to its key.
 *
 * @param origin of iSales, as `https://host:port`.
 */
export function createSealer(key: Secret, origin: string, user: string) {
  const derive = (purpose: string): Buffer => {
    const info = `isales-auth-proxy ${VERSION} ${purpose}`
    return Buffer.from(hkdfSync('sha256', key.reveal(), '', info, KEY_BYTES))
  }
  const sealKey = derive('seal')
  const secretKey = derive('secret')
  const storeKey = mac(derive('place'), origin, user)
  const additionalData = Buffer.from(`${VERSION}\n${storeKey}`)

  return {
    /** Names the account in the store: another user, another iSales or another sealing key is another store key. */
    storeKey,

    /** Names the credentials without revealing them. Unlike a hash it cannot be guessed at without the key. */
    nameOf: ({ user, password }: Credentials): string =>
      mac(secretKey, origin, user, password.reveal()),

    /**
     * Another text each time, of bytes as latin1.
     *
     * @param offset what the clock of the store is ahead of ours, milliseconds.
     */
    seal: (state: SharedState, offset: number): string => {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData)
      const text = cipher.update(Buffer.from(JSON.stringify(written(state, offset))))
      return Buffer.concat([nonce, text, cipher.final(), cipher.getAuthTag()]).toString('latin1')
    },

    /** Undefined for a value that was not sealed with this key for this store key. */
    open: (sealed: string, offset: number, now: number): SharedState | undefined => {
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

export type Sealer = ReturnType<typeof createSealer>

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}

// The sealed value as JSON. Its instants are by the clock of the store. Only a holder of the key who runs this version has
// sealed it, so that its shape is not checked.

type Written = ReturnType<typeof written>

function written({ token, records, lease }: SharedState, offset: number) {
  return {
    token: token && writtenToken(token, offset),
    records: storedRecords(records, offset),
    lease: lease && { ...lease, renewedAt: lease.renewedAt + offset },
  }
}

function writtenToken({ grant, name }: NonNullable<SharedState['token']>, offset: number) {
  const { token, sentAt, lifetime, refreshToken, refreshLifetime } = grant
  return {
    token: token.reveal(),
    refreshToken: refreshToken?.reveal(),
    sentAt: sentAt + offset,
    lifetime: lifetime.ms,
    refreshLifetime,
    name,
  }
}

function read({ token, records, lease }: Written, offset: number, now: number): SharedState {
  return {
    token: token && readToken(token, offset, now),
    records: parseRecords(records, offset, now) ?? new Map(),
    lease: lease && { ...lease, renewedAt: lease.renewedAt - offset },
  }
}

function readToken(json: NonNullable<Written['token']>, offset: number, now: number) {
  const { token, refreshToken, sentAt, lifetime, refreshLifetime, name } = json
  const grant = {
    token: new Secret(token),
    // The clock of the store may have been set back.
    sentAt: Math.min(now, sentAt - offset),
    lifetime: { ms: lifetime },
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    refreshLifetime,
  }
  return { grant, name }
}
