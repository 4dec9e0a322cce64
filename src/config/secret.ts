import { inspect } from 'node:util'

const REDACTED = '[redacted]'

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

/** The variables that hold, or may hold, a secret. `main.ts` deletes them from the environment of the process. */
export const SECRET_VARIABLES = [
  'ISALES_PASSWORD',
  'SESSION_STORE_URL',
  'SESSION_STORE_KEY',
  'SESSION_STORE_PASSWORD',
  'SESSION_STORE_SENTINEL_PASSWORD',
  'OBS_PASSWORD',
  'OBS_TICKET_KEY',
  'HTTPS_PROXY',
  'https_proxy',
] as const
