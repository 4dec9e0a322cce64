import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { codeOf } from '../causes.ts'
import type { Fact } from '../words/index.ts'

/** Bytes; the bundle of all public authorities is a fifth of it, and a file with a password is smaller. */
export const MAX_PEM = 1024 * 1024

/** Why a file gave nothing. */
export type FileProblem = 'missing' | 'denied' | 'unreadable' | 'no-file' | 'too-large'

export type FileRead =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problem: FileProblem }

/**
 * Reads a regular file of at most `limit` bytes. Never throws.
 *
 * @param flags more of `open(2)`. Default: none.
 */
export type ReadFile = (path: string, limit: number, flags?: number) => FileRead

/**
 * The path as an error may show it, in the name of the file that a person corrects: the units of config/systemd give the
 * service copies. Nothing unless it is in an existing directory other than `/`: a password that was given where its file
 * was asked for is not repeated.
 */
export function fileFacts(path: string | undefined): readonly Fact[] {
  if (path === undefined) return []
  // Also of `//name`.
  const directory = dirname(resolve(path))
  const isShown = isAbsolute(path) && directory !== '/' && existsSync(directory)
  return isShown ? [['file', originalOf(path)]] : []
}

/** Which file a person corrects. */
export function originalOf(path: string): string {
  return path.replace(/^\/run\/(isales-auth-proxy(?:@[^/]+)?)\/isales_/, '/etc/$1/')
}

const PROBLEMS: Readonly<Record<string, FileProblem>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EACCES: 'denied',
  EPERM: 'denied',
}

export const readSmallFile: ReadFile = (path, limit, flags = 0) => {
  let file: number | undefined
  try {
    // Without O_NONBLOCK the opening of a FIFO would wait for a writer for ever.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
    const stat = fstatSync(file)
    if (!stat.isFile()) return { ok: false, problem: 'no-file' }
    // To the end, or until it is over the limit: the size that `stat` gives is 0 in procfs, and may be out of date.
    const bytes = Buffer.alloc(limit + 1)
    let length = 0
    for (let read = 1; read > 0 && length <= limit; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null)
    return length > limit
      ? { ok: false, problem: 'too-large' }
      : { ok: true, bytes: bytes.subarray(0, length) }
  } catch (error) {
    return { ok: false, problem: PROBLEMS[codeOf(error)] ?? 'unreadable' }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
