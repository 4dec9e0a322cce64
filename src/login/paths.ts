import { unescape } from 'node:querystring'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'

/**
 * - `local`: login or refresh, served here.
 * - `lookalike`: iSales might take it for one of them. Forwarded with the real token, it would get the next token as its
 *   response. A server may match by prefix, so nothing below the directory `auth`, and nothing that begins as one of
 *   the local paths, is forwarded.
 * - `other`: any other path.
 */
export type PathKind = 'local' | 'lookalike' | 'other'

/**
 * @param paths as CTI-OBS is configured with.
 * @returns what the path of a valid request is: one without dot segments or encoded separators.
 */
export function localPaths(paths: readonly string[]): (path: string) => PathKind {
  const exact = new Set(paths)
  const guarded = paths.map(guardedStart)
  return (path) => {
    if (exact.has(path)) return 'local'
    const plain = plainest(path)
    return guarded.some((start) => plain.startsWith(start)) ? 'lookalike' : 'other'
  }
}

/** `/rest/v1/auth/` of `/rest/v1/auth/login`; of a path elsewhere all of it, without the suffix. */
function guardedStart(path: string): string {
  const plain = plainest(path.replace(/\.[^/]*$/, ''))
  return /^.*\/auth\/(?=[^/]*\/$)/.exec(plain)?.[0] ?? plain.slice(0, -1)
}

/**
 * As the most lenient server reads it: decoded before it is split, in lower case, letters of full width as plain ones,
 * without parameters and punctuation, and without the segments that are then empty. Ends with a slash.
 */
function plainest(path: string): string {
  const plain = unescape(path)
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[;?#][^/]*|[^a-z0-9/]/g, '')
  return `${plain}/`.replaceAll(/\/+/g, '/')
}

/** CTI-OBS refreshes even when the proxy does not refresh with iSales. */
export function refreshPathOf(config: Pick<Config, 'isalesRefreshPath'>): string {
  return config.isalesRefreshPath ?? PUBLISHED_REFRESH_PATH
}
