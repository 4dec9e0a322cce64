import type { Fault } from './faults.ts'
import { SETTING_LIST } from './settings.ts'

/** Every variable that means something to us. */
const KNOWN: readonly string[] = SETTING_LIST.flatMap(([name, { file, lowerCaseToo }]) => {
  const names = file === 'only' ? [`${name}_FILE`] : [name]
  if (file === 'too') names.push(`${name}_FILE`)
  if (lowerCaseToo === true) names.push(name.toLowerCase())
  return names
})

/** Those that nobody else reads: `HTTP_PROXY` is no misspelt `HTTPS_PROXY`. */
const OWN = KNOWN.filter((name) => !/_proxy$/i.test(name))

/** Kubernetes sets these for each Service in the namespace; one called `isales` looks like a setting of ours. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/

/** Warnings for variables that are nearly one of ours, and for those that only we could mean. */
export function strangers(names: readonly string[]): readonly Fault[] {
  return names.flatMap((name) => {
    if (KNOWN.includes(name) || SERVICE_LINK.test(name)) return []
    const near = nearest(name.toUpperCase(), OWN)
    if (near !== undefined) {
      return [{ setting: name, problem: 'is not a setting', remedy: `Did you mean ${near}?` }]
    }
    if (!name.startsWith('ISALES_')) return []
    return [
      {
        setting: name,
        problem: 'is not a setting',
        remedy: 'docs/configuration.md lists them all',
      },
    ]
  })
}

/** The candidate within two edits (one, for words under 9 letters), or undefined. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bound = word.length < 9 ? 1 : 2
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > bound || !alike(word, candidate)) continue
    const distance = editDistance(word, candidate, bound)
    if (distance > bound || (best !== undefined && distance === bound)) continue
    best = candidate
    bound = distance
  }
  return best
}

/** Rules most words out before they cost anything: who mistypes a name gets its beginning or its end right. */
function alike(a: string, b: string): boolean {
  return a[0] === b[0] || (a.at(-1) === b.at(-1) && a.at(-2) === b.at(-2))
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment); Infinity as soon as it is
 * known to be over `limit`.
 */
export function editDistance(a: string, b: string, limit = Infinity): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  let previousLeast = 0
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let rowLeast = i
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + cost)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, at(before, j - 2) + 1)
      row.push(least)
      if (least < rowLeast) rowLeast = least
    }
    // What follows is built on these two rows, a swap on the elder.
    if (rowLeast > limit && previousLeast + 1 > limit) return Infinity
    before = previous
    previous = row
    previousLeast = rowLeast
  }
  return at(previous, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0
}
