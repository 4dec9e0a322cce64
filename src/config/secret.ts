import { inspect } from 'node:util'

export const REDACTED = '[redacted]'

/** Without user and password of each URL in it. A password may hold any character, so the last `@` counts. */
export function withoutLogin(text: string): string {
  return text.replace(/\/\/.*@/s, `//${REDACTED}@`)
}

/**
 * A string that cannot print. Every conversion (template, JSON, inspect, concatenation, error cause)
 * yields `[redacted]`; only `reveal()` gives the text, so each place that lets a secret out can be found
 * by searching for that one word.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Call it only where the secret is put on the wire or compared. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.toPrimitive](): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
