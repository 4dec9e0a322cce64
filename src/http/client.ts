/** Whose request it is, as far as those who serve it need to know. */
export interface Client {
  /** When it closed its side of the connection, in monotonic milliseconds; undefined: it has not. */
  readonly endedAt: number | undefined
}
