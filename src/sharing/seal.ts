import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../config/secret.ts'
import { formatRecord, parseRecord, type SharedRecord } from './record.ts'
import { ID_LENGTH } from './store.ts'

/** Whose token it is. */
export interface Account {
  /** Origin of iSales, as `https://host:port`. */
  readonly origin: string
  readonly user: string
}

/**
 * Seals records and names their place. Whoever can read and write the store learns no token and no password, and
 * cannot make a replica send a token that none of them obtained: a record is bound to its place and its id.
 */
export interface Seal {
  /** Names the account in the store: another user, another iSales or another key is another place. */
  readonly place: string
  /** Names the credentials without revealing them. Unlike a hash it cannot be guessed at without the key. */
  fingerprint(password: Secret): string
  /** `<id of 22 characters>.<sealed>`, another id each time. */
  close(record: SharedRecord): { readonly id: string; readonly sealed: string }
  /** Undefined for what was not sealed with this key for this place, and for what cannot be read. */
  open(sealed: string): { readonly id: string; readonly record: SharedRecord } | undefined
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Characters; two tokens of 8192 each and their base64 fit. */
const LONGEST_SEALED = 32 * 1024
/** In the purposes and in the authenticated data: a breaking change of the record is another place. */
const VERSION = 'isales-auth-proxy v1'

export function createSeal(key: Secret, account: Account): Seal {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', key.reveal(), '', `${VERSION} ${purpose}`, KEY_BYTES))
  const sealKey = derive('seal')
  const secretKey = derive('secret')
  const place = mac(derive('place'), account.origin, account.user)

  const additionalData = (id: string): Buffer => Buffer.from(`${VERSION}\n${place}\n${id}`)

  return {
    place,

    fingerprint: (password) => mac(secretKey, account.origin, account.user, password.reveal()),

    close(record) {
      const id = randomBytes(16).toString('base64url')
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData(id))
      const text = Buffer.concat([cipher.update(formatRecord(record), 'utf8'), cipher.final()])
      const sealed = Buffer.concat([nonce, text, cipher.getAuthTag()])
      return { id, sealed: `${id}.${sealed.toString('base64url')}` }
    },

    open(sealed) {
      if (sealed.length > LONGEST_SEALED || sealed[ID_LENGTH] !== '.') return undefined
      const id = sealed.slice(0, ID_LENGTH)
      const bytes = Buffer.from(sealed.slice(ID_LENGTH + 1), 'base64url')
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
      const decipher = createDecipheriv(CIPHER, sealKey, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(additionalData(id))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      try {
        const text = Buffer.concat([
          decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ])
        const record = parseRecord(text.toString('utf8'))
        return record === undefined ? undefined : { id, record }
      } catch {
        // GCM: the tag does not fit.
        return undefined
      }
    },
  }
}

/** 22 characters. JSON keeps the parts apart, whatever they hold. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}
