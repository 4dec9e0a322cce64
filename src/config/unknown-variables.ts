import { distance } from 'fastest-levenshtein'
import type { ConfigError } from './errors.ts'
import { REMOVED } from './removed.ts'
import { SETTING_LIST } from './settings.ts'

/** Every variable that means something to us. */
export const KNOWN: readonly string[] = SETTING_LIST.flatMap(({ variables }) => variables)

/** Those that no other program reads: `HTTP_PROXY` is no misspelt `HTTPS_PROXY`. */
const OWN = KNOWN.filter((name) => !/_proxy$/i.test(name))

/** Kubernetes sets these for each Service in the namespace; one called `isales` looks like a setting of ours. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/

/** Warnings for variables that are nearly one of ours, and for those that only we could mean. */
export function unknownVariables(names: readonly string[]): readonly ConfigError[] {
  return names.flatMap((name) => {
    if (KNOWN.includes(name) || SERVICE_LINK.test(name)) return []
    if (name.replace(/_FILE$/, '') in REMOVED) return []
    // Short names of other programs are often two edits away from ours: DB_USER and OBS_USER.
    const near = nearest(name.toUpperCase(), OWN, name.length < 9 ? 1 : 2)
    if (near === undefined && !name.startsWith('ISALES_')) return []
    const remedy =
      near === undefined ? 'docs/configuration.md lists them all' : `Did you mean ${near}?`
    return [{ setting: name, problem: 'is not a setting', remedy }]
  })
}

/** The candidate within so many edits that is the nearest, or undefined. */
export function nearest(
  word: string,
  candidates: readonly string[],
  limit: number,
): string | undefined {
  const [best] = candidates
    // Most are too long or too short, and cost no comparison.
    .filter(({ length }) => Math.abs(length - word.length) <= limit)
    .map((candidate) => ({ candidate, edits: distance(word, candidate) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits)
  return best?.candidate
}
