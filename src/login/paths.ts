/**
 * Recognizes the login and refresh paths, also in a spelling that iSales might take for them: forwarded
 * with the real token, such a request would get the next token as its response.
 *
 * @param paths as CTI-OBS is configured with.
 * @returns whether a request target's path, as it came, is one of them.
 */
export function localPaths(paths: readonly string[]): (path: string) => boolean {
  const exact = new Set(paths)
  const plain = new Set(paths.map(plainest))
  return (path) => exact.has(path) || (UNUSUAL.test(path) && mayMean(path, plain))
}

/** `plainest` changes no path without one of these. */
const UNUSUAL = /[%;\\.A-Z]|\/\/|\/$/
/** Decoding is repeated for servers behind servers, each of which decodes once. */
const ROUNDS = 3
/** Where a path ends for a server that decodes it before it splits the query off, or keeps it as a C string. */
const END = /[?#\0]|$/g
/** No path of iSales has so many, and each costs one normalization. */
const MOST_ENDS = 8

/** A server may read this path as one of those. */
function mayMean(path: string, plain: ReadonlySet<string>): boolean {
  let text = path
  for (let round = 0; round < ROUNDS; round += 1) text = decode(text)
  const ends = Array.from(text.matchAll(END), ({ index }) => index)
  return ends.length > MOST_ENDS || ends.some((end) => plain.has(plainest(text.slice(0, end))))
}

/**
 * In lower case, without parameters, empty and dot segments, and without the suffix that older Spring ignores: as
 * the most lenient server reads it.
 */
function plainest(path: string): string {
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').toLowerCase().split('/')) {
    const name = segment.replace(/[;\0].*$/s, '').trim()
    if (name === '..') segments.pop()
    else if (name !== '' && name !== '.') segments.push(name)
  }
  const last = segments.pop() ?? ''
  return [...segments, last.replace(/\..*$/s, '')].join('/')
}

function decode(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
