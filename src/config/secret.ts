import { inspect } from 'node:util'

export const REDACTED = '[redacted]'

/** Removes user and password from every URL in a text. A password may contain any character, so the last `@` counts. */
export function withoutLogin(text: string): string {
  return text.replace(/\/\/.*@/s, `//${REDACTED}@`)
}

/**
 * A string that cannot print. Every conversion (template, JSON, inspect, concatenation, error cause) yields
 * `[redacted]`. Only `reveal()` returns the text, so a search for this word finds every place that lets a secret out.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Returns the text. Call it only to put the secret on the wire, to compare it, or to derive a hash or a key. */
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
