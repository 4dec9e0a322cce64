import { parseArgs } from 'node:util'

export interface DemoOptions {
  /** How long the demo runs. Undefined: until it is interrupted. */
  readonly seconds: number | undefined
  /** HTTPS between the proxy and the simulated iSales. */
  readonly tls: boolean
}

/** A shorter run would show no renewal: a token is renewed at most once a second. */
const MIN_SECONDS = 5
const MAX_SECONDS = 24 * 3600

/** Reads the command line. Returns a sentence that says what is wrong with it. */
export function parseDemoArgs(args: readonly string[]): DemoOptions | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { seconds: { type: 'string' }, tls: { type: 'boolean', default: false } },
    })
    const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
    const valid =
      seconds === undefined ||
      (Number.isInteger(seconds) && seconds >= MIN_SECONDS && seconds <= MAX_SECONDS)
    if (!valid) return `--seconds must be a whole number from ${MIN_SECONDS} to ${MAX_SECONDS}.`
    return { seconds, tls: values.tls }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
