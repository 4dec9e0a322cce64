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

const TRACKS = 'Two tracks'
const HOME = 'One token, one home'

export const KNOWN: readonly Known[] = [
  { property: 2, fault: 'token-rejected', repairedBy: TRACKS, seeds: [45] },
  { property: 3, fault: 'login pause', repairedBy: TRACKS, seeds: [3] },
  { property: 3, fault: 'paused until', repairedBy: TRACKS, seeds: [3] },
  { property: 4, fault: 'token-rejected', repairedBy: TRACKS, seeds: [10] },
  {
    property: 4,
    fault: 'is failing: IsalesProxyCallsRefused token-rejected',
    repairedBy: TRACKS,
    seeds: [8],
  },
  { property: 8, fault: 'late login', repairedBy: TRACKS, seeds: [26] },
  { property: 8, fault: 'no token', repairedBy: TRACKS, seeds: [23] },
  { property: 9, fault: 'refresh delayed', repairedBy: TRACKS, seeds: [33] },
  // After a granted login, a login pause of another replica's memory remains.
  {
    property: 4,
    fault: 'is unauthenticated: logging-in',
    repairedBy: HOME,
    seeds: [24],
  },
  { property: 8, fault: 'does not serve: 503', repairedBy: HOME, seeds: [24] },
]

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
