import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  type Stats,
} from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { codeOf } from '../causes.ts'
import type { SettingWords } from './config-error.ts'
import type { Problem } from './formats.ts'

/** Bytes; the bundle of all public authorities is a fifth of it, and a file with a password is smaller. */
export const MAX_PEM = 1024 * 1024

/** Why a file gave nothing. */
export type FileProblem = keyof SettingWords['wrong']['file']

export type FileRead =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problem: FileProblem }

/**
 * Reads a regular file of at most `limit` bytes. Never throws.
 *
 * @param flags more of `open(2)`. Default: none.
 */
export type ReadFile = (path: string, limit: number, flags?: number) => FileRead

/** Undefined where nothing is, or where this user may not look: a link may lead there. Never throws. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** Who may read it; empty where that cannot be seen. */
function ownerOf(path: string): Problem {
  const found = statOf(path)
  if (found === undefined) return () => ''
  const mode = (found.mode & 0o7777).toString(8)
  return (is) => is.owner(found.uid, found.gid, mode)
}

/** Completes `NAME ...`. */
export function fileProblem(path: string, problem: FileProblem): Problem {
  const closed = isAbsolute(path) ? closedDirectory(dirname(path)) : undefined
  if (closed !== undefined) return (is) => is.notReached(path, closed)
  const where = whereIs(path)
  const owner = problem === 'denied' ? ownerOf(path) : () => ''
  return (is) => `${is.file[problem]}${where(is)}${owner(is)}`
}

/**
 * `: /path`, and of which file it is a copy. Empty unless it is in an existing directory other than `/`: a password that
 * was given where its file was asked for is not repeated.
 */
export function whereIs(path: string): Problem {
  const directory = dirname(path)
  if (!isAbsolute(path) || directory === '/' || !existsSync(directory)) return () => ''
  const original = originalOf(path)
  return (is) => (original === path ? is.at(path) : is.copy(path, original))
}

/** Which file a person corrects: the units of config/systemd give the service copies, and renew them. */
export function originalOf(path: string): string {
  return path.replace(/^\/run\/(isales-auth-proxy(?:@[^/]+)?)\/isales_/, '/etc/$1/')
}

/** The first directory of its path that this user may not enter. */
function closedDirectory(directory: string): string | undefined {
  const above = directory === '/' ? undefined : closedDirectory(dirname(directory))
  if (above !== undefined) return above
  try {
    accessSync(directory, constants.X_OK)
    return undefined
  } catch (error) {
    return codeOf(error) === 'EACCES' ? directory : undefined
  }
}

/**
 * Makes a directory, and those above it, for this user alone. Node's own `recursive` never ends where a directory takes no
 * other, as below /proc.
 */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!existsSync(path)) throw error
  }
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
    if (stat.isDirectory()) return { ok: false, problem: 'directory' }
    if (!stat.isFile()) return { ok: false, problem: 'not-regular' }
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
