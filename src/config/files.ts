import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { formatError, type ConfigError } from './errors.ts'

/** What files hold now, or everything that is wrong with them. */
export type FilesRead<T> =
  | { readonly ok: true; readonly value: T; readonly warnings?: readonly ConfigError[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[] }

/** @throws {Error} that names the settings and their problems. */
export function valueOf<T>(read: FilesRead<T>): T {
  if (read.ok) return read.value
  throw new Error(read.errors.map(formatError).join('; '))
}

/** Why a file gave nothing. */
export type FileProblem = 'missing' | 'unreadable' | 'directory' | 'not-regular' | 'too-large'

export type FileRead =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problem: FileProblem }

/** Reads at most `limit` bytes of a regular file. Never throws. */
export type ReadFile = (path: string, limit: number) => FileRead

const CHUNK = 16 * 1024

const FILE_PROBLEMS: Readonly<Record<FileProblem, string>> = {
  missing: 'names a file that does not exist',
  unreadable: 'names a file that cannot be read',
  directory: 'names a directory',
  'not-regular': 'names something that is not a regular file',
  'too-large': 'names a file that is too large',
}

/**
 * Completes `NAME ...`. The path is shown when it is in an existing directory other than `/`: a password that was given
 * where its file was asked for is not repeated.
 */
export function fileProblem(path: string, problem: FileProblem): string {
  const directory = dirname(path)
  const shown = isAbsolute(path) && directory !== '/' && existsSync(directory)
  return `${FILE_PROBLEMS[problem]}${shown ? `: ${path}` : ''}`
}

export const readSmallFile: ReadFile = (path, limit) => {
  let file: number | undefined
  try {
    // Without O_NONBLOCK the opening of a FIFO would wait for a writer for ever.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(file)
    if (stat.isDirectory()) return { ok: false, problem: 'directory' }
    if (!stat.isFile()) return { ok: false, problem: 'not-regular' }
    return readAtMost(file, limit)
  } catch (error) {
    return { ok: false, problem: problemOf(error) }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Reads until the end or the limit: the size that `stat` tells is 0 in procfs, and may be out of date. */
function readAtMost(file: number, limit: number): FileRead {
  const chunks: Buffer[] = []
  for (let length = 0; length <= limit;) {
    const chunk = Buffer.alloc(CHUNK)
    const read = readSync(file, chunk, 0, CHUNK, null)
    if (read === 0) return { ok: true, bytes: Buffer.concat(chunks, length) }
    chunks.push(chunk.subarray(0, read))
    length += read
  }
  return { ok: false, problem: 'too-large' }
}

function problemOf(error: unknown): FileProblem {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing'
  return code === 'EISDIR' ? 'directory' : 'unreadable'
}
