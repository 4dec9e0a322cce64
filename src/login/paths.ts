import { percentDecode } from '../http/percent.ts'

/**
 * - `local`: login or refresh, served here.
 * - `alike`: iSales might take it for one of them. Forwarded with the real token, it would get the next token as its
 *   response. A server may match by prefix, so nothing below the directory `auth`, and nothing that begins as one of
 *   the local paths, is forwarded.
 * - `other`: any other path.
 */
export type PathKind = 'local' | 'alike' | 'other'

/**
 * @param paths as CTI-OBS is configured with.
 * @returns what a request target's path is, judged as it came.
 */
export function localPaths(paths: readonly string[]): (path: string) => PathKind {
  const exact = new Set(paths)
  const guarded = paths.map(guardedStart)
  const isGuarded = (plain: string): boolean => guarded.some((start) => plain.startsWith(start))
  return (path) => {
    if (exact.has(path)) return 'local'
    if (isGuarded(`${path.slice(1)}/`)) return 'alike'
    return UNUSUAL.test(path) && mayMean(path, isGuarded) ? 'alike' : 'other'
  }
}

/** `plainest` changes no path without one of these. */
const UNUSUAL = /[%;\\.A-Z]|\/\/|\/$/
/** Decoding is repeated for servers behind servers, each of which decodes once. No path of iSales needs more. */
const ROUNDS = 3
/** Where a path ends for a server that decodes it before it splits the query off, or keeps it as a C string. */
const END = /[?#\0]|$/g
/** No path of iSales has so many, and each costs one normalization. */
const MOST_ENDS = 8

/** `rest/v1/auth/` of `/rest/v1/auth/login`; of a path elsewhere all of it, without the suffix. */
function guardedStart(path: string): string {
  const plain = plainest(path)
  return /^(?:.*\/)?auth\/(?=[^/]*$)/.exec(plain)?.[0] ?? plain.replace(/\.[^/]*$/, '')
}

/** A server may read this path as a guarded one. */
function mayMean(path: string, isGuarded: (plain: string) => boolean): boolean {
  let text = path
  for (let round = 0; round <= ROUNDS; round += 1) {
    const read = text
    const ends = Array.from(read.matchAll(END), ({ index }) => index)
    if (ends.length > MOST_ENDS) return true
    if (ends.some((end) => isGuarded(`${plainest(read.slice(0, end))}/`))) return true
    text = percentDecode(read)
    if (text === read) return false
  }
  return true
}

/**
 * In lower case, without parameters, invisible characters, empty and dot segments: as the most lenient server reads it.
 */
function plainest(path: string): string {
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').toLowerCase().split('/')) {
    const name = segment.replace(/[;\0].*$/s, '').replaceAll(/[^!-~]/g, '')
    if (name === '..') segments.pop()
    else if (name !== '' && name !== '.') segments.push(name)
  }
  return segments.join('/')
}
