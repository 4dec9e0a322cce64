import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../config/index.ts'
import { FORMAT, type Credentials } from '../token/index.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Bytes; enough for two tokens of 8192 and the records. A longer value could fill the memory of every replica. */
export const MAX_VALUE = 32 * 1024
/** Part of all derived keys, so that a breaking change of the sealed value gets another entry. */
export const VERSION = `v${FORMAT}`

/**
 * Seals the stored value and names its entry. Readers of the store learn no secret. Writers cannot make a replica send a foreign
 * token, because a value opens only under the entry name it was sealed for. `origin` of iSales: `https://host:port`.
 */
export function createSealer(key: Secret, origin: string, user: string) {
  const derive = (purpose: string): Buffer => {
    const info = `isales-auth-proxy ${VERSION} ${purpose}`
    return Buffer.from(hkdfSync('sha256', key.reveal(), '', info, 32))
  }
  const sealKey = derive('seal')
  const secretKey = derive('secret')
  const entryName = mac(derive('place'), origin, user)
  const additionalData = Buffer.from(`${VERSION}\n${entryName}`)

  return {
    /** Name of the account in the store. Differs for another user, iSales or sealing key. */
    entryName,

    /** Names the credentials without revealing them. Unlike a hash, a name cannot be guessed without the key. */
    nameOf: ({ user, password }: Credentials): string =>
      mac(secretKey, origin, user, password.reveal()),

    /** Returns bytes as latin1, different every time. */
    seal: (text: string): string => {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealKey, nonce).setAAD(additionalData)
      const sealed = cipher.update(Buffer.from(text))
      return Buffer.concat([nonce, sealed, cipher.final(), cipher.getAuthTag()]).toString('latin1')
    },

    /** Returns undefined for a value that was not sealed with this key for this entry name. */
    open: (sealed: string): string | undefined => {
      if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.length > MAX_VALUE) return undefined
      const bytes = Buffer.from(sealed, 'latin1')
      const decipher = createDecipheriv(CIPHER, sealKey, bytes.subarray(0, NONCE_BYTES))
      decipher.setAAD(additionalData).setAuthTag(bytes.subarray(-TAG_BYTES))
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        decipher.final()
        return text.toString('utf8')
      } catch {
        // The GCM tag is wrong.
        return undefined
      }
    },
  }
}

export type Sealer = ReturnType<typeof createSealer>

/** Returns 22 characters. JSON separates the parts unambiguously. */
function mac(key: Buffer, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key).update(JSON.stringify(parts)).digest()
  return digest.subarray(0, 16).toString('base64url')
}
