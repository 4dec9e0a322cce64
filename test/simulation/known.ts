// Defects of the program that the simulation finds, until their repair. A finding that a row names is expected, and a run that plays
// the row's seeds fails if none of them finds it.
import type { Finding } from './wire.ts'

export interface Known {
  readonly property: number
  /** How the finding's text begins, after the replica. */
  readonly fault: string
  /** Title of the change that repairs it. */
  readonly repairedBy: string
  readonly seeds: readonly number[]
}

export const KNOWN: readonly Known[] = []

/** Returns the row that names the finding. */
export function knownAs({ property, text }: Finding): Known | undefined {
  const what = text.replace(/^replica \d:? /, '')
  return KNOWN.find((row) => row.property === property && what.startsWith(row.fault))
}

/** Returns the rows without a finding, of those whose seeds were all played. */
export function staleRows(
  played: ReadonlyMap<number, { readonly findings: readonly Finding[] }>,
): Known[] {
  return KNOWN.filter((row) => {
    const results = row.seeds.map((seed) => played.get(seed))
    const isWhole = results.every((result) => result !== undefined)
    return (
      isWhole && !results.some((result) => result?.findings.some((one) => knownAs(one) === row))
    )
  })
}
