import { inspect } from 'node:util'

export const REDACTED = '[redacted]'

/** Removes user and password from every URL in a text. A password may contain any character, so the last `@` counts. */
export function withoutLogin(text: string): string {
  return text.replace(/\/\/.*@/s, `//${REDACTED}@`)
}

/** A string that every conversion (template, JSON, inspect, concatenation, error cause) shows as `[redacted]`. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Returns the text, only to put it on the wire, to compare it, or to derive a hash or a key. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}

/** Characters. A shorter secret is part of too many texts; only a text that equals it is hidden. */
const MIN_SECRET = 4

/** Returns true if a secret is in a text, also as base64, hex or percent-encoding writes it. */
export function holds(text: string, secret: string): boolean {
  if (secret.length < MIN_SECRET) return text === secret
  const bytes = Buffer.from(secret)
  // The last characters of base64 depend on what follows.
  const base64 = bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4)
  const spellings = [secret, base64, bytes.toString('hex'), encodeURIComponent(secret)]
  return spellings.some((spelling) => text.toLowerCase().includes(spelling.toLowerCase()))
}
