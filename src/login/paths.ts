import { unescape } from 'node:querystring'
import { PUBLISHED_REFRESH_PATH, type Config } from '../config/settings.ts'

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
 * @returns what the path of a valid request is: one without dot segments or encoded separators.
 */
export function localPaths(paths: readonly string[]): (path: string) => PathKind {
  const exact = new Set(paths)
  const guarded = paths.map(guardedStart)
  return (path) => {
    if (exact.has(path)) return 'local'
    const plain = plainest(path)
    return guarded.some((start) => plain.startsWith(start)) ? 'alike' : 'other'
  }
}

/** `/rest/v1/auth/` of `/rest/v1/auth/login`; of a path elsewhere all of it, without the suffix. */
function guardedStart(path: string): string {
  const plain = plainest(path)
  return /^.*\/auth\/(?=[^/]*\/$)/.exec(plain)?.[0] ?? plain.replace(/(?:\.[^/]*)?\/$/, '')
}

/**
 * As the most lenient server reads it: decoded before it is split, in lower case, without parameters, invisible
 * characters, and the segments that are then empty or a dot. Ends with a slash.
 */
function plainest(path: string): string {
  const visible = unescape(path)
    .toLowerCase()
    .replaceAll(/[;?#][^/]*|[^!-~]/g, '')
  return `${visible}/`.replaceAll(/\/(?:\.?\/)+/g, '/')
}

/** CTI-OBS refreshes even when the proxy does not refresh with iSales. */
export function refreshPathOf(config: Pick<Config, 'isalesRefreshPath'>): string {
  return config.isalesRefreshPath ?? PUBLISHED_REFRESH_PATH
}
