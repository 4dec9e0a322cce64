/** Something wrong with the configuration, for the operator. Holds no secret. */
export interface ConfigError {
  /** The environment variable. */
  readonly setting: string
  /** Completes `NAME ...`. */
  readonly problem: string
  /** A sentence without a full stop: what to do about it. */
  readonly remedy: string
}

/** One line: `NAME has this problem. Do this` */
export function formatError({ setting, problem, remedy }: ConfigError): string {
  return `${setting} ${problem}. ${remedy}`
}
