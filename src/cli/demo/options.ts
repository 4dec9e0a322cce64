import { parseArgs } from 'node:util'

export interface DemoOptions {
  /** How long it runs; undefined: until it is told to stop. */
  readonly seconds: number | undefined
  /** HTTPS between the proxy and the simulated iSales. */
  readonly tls: boolean
}

/** Shorter shows no renewal: no token is renewed more often than once a second. */
const SHORTEST = 5
const LONGEST = 24 * 3600

/** @throws {TypeError} that says what is wrong, in a sentence. */
export function parseDemoArgs(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { seconds: { type: 'string' }, tls: { type: 'boolean', default: false } },
    strict: true,
  })
  return { seconds: parseSeconds(values.seconds), tls: values.tls }
}

function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= SHORTEST && seconds <= LONGEST) return seconds
  throw new TypeError(`--seconds must be a whole number from ${SHORTEST} to ${LONGEST}`)
}
