/** Something wrong with the configuration, for the operator. Holds no value of a secret. */
export interface Fault {
  /** The environment name. */
  readonly setting: string
  /** Completes `NAME …`. */
  readonly problem: string
  /** A sentence: what to do about it. */
  readonly remedy: string
}

/** One line: `NAME is wrong so. Do this.` */
export function formatFault({ setting, problem, remedy }: Fault): string {
  return `${setting} ${problem}. ${remedy}`
}
