import { DEMO_FLAGS } from '../flag-tables.ts'
import { parseFlags } from '../flags.ts'

export interface DemoOptions {
  /** How long it runs; undefined: until it is told to stop. */
  readonly seconds: number | undefined
  /** HTTPS between the proxy and the simulated iSales. */
  readonly tls: boolean
}

/** Shorter shows no renewal: no token is renewed more often than once a second. */
const SHORTEST = 5
const LONGEST = 24 * 3600

/** The options, or a sentence that says what is wrong with them. */
export function parseDemoArgs(args: readonly string[]): DemoOptions | string {
  const flags = parseFlags(DEMO_FLAGS, args)
  if (!flags.ok) return flags.problem
  const { seconds: text, tls } = flags.values
  const seconds = text === undefined ? undefined : parseSeconds(text)
  if (Number.isNaN(seconds)) {
    return `--seconds must be a whole number from ${SHORTEST} to ${LONGEST}.`
  }
  return { seconds, tls: tls === true }
}

function parseSeconds(text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return seconds >= SHORTEST && seconds <= LONGEST ? seconds : Number.NaN
}
