import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { readErrorCode } from '../causes.ts'
import type { Fact } from '../messages/index.ts'

type FileProblem = 'missing' | 'denied' | 'unreadable' | 'no-file' | 'too-large'

/** Reads a regular file of at most `limit` bytes, or returns why not. Never throws. */
export type ReadFile = (path: string, limit: number) => Buffer | FileProblem

/** Names the file for an error message, unless its directory is `/` or does not exist: the value may be a password. */
export function fileFacts(path: string | undefined): readonly Fact[] {
  if (path === undefined) return []
  // `//name` also resolves to `/`.
  const directory = dirname(resolve(path))
  const isShown = isAbsolute(path) && directory !== '/' && existsSync(directory)
  return isShown ? [['file', findOriginal(path)]] : []
}

/** Returns the original of a file, because under systemd the service reads copies. */
export function findOriginal(path: string): string {
  return path.replace(/^\/run\/(isales-auth-proxy(?:@[^/]+)?)\/isales_/, '/etc/$1/')
}

const PROBLEMS: Readonly<Record<string, FileProblem>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EACCES: 'denied',
  EPERM: 'denied',
}

export const readSmallFile: ReadFile = (path, limit) => {
  let file: number | undefined
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (!fstatSync(file).isFile()) return 'no-file'
    // Reads to the end or past the limit, because the size from `stat` is 0 in procfs and may be outdated elsewhere.
    const bytes = Buffer.alloc(limit + 1)
    let length = 0
    for (let read = 1; read > 0 && length <= limit; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null)
    return length > limit ? 'too-large' : bytes.subarray(0, length)
  } catch (error) {
    return PROBLEMS[readErrorCode(error)] ?? 'unreadable'
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
