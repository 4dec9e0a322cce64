import { createHash } from 'node:crypto'
import { realpathSync, statSync, watch as watchDirectory } from 'node:fs'
import { dirname } from 'node:path'
import { readSmallFile, type ReadFile } from './files.ts'

/** Something happened in the directory, or the watch on it broke. */
export interface DirectoryListener {
  readonly onEvent: () => void
  readonly onBroken: () => void
}

/** Begins to watch one directory, not what is below it. May throw; answers how to end it. */
export type WatchDirectory = (directory: string, listener: DirectoryListener) => () => void

export interface WatchOptions {
  /**
   * A file holds something else than when it was last read, or cannot be read any more. A file that comes back as it
   * was is no change.
   */
  readonly onChange: () => void
  /** Milliseconds between two looks at the files in case the watch fails. Default 30 s. */
  readonly pollInterval?: number
  readonly readFile?: ReadFile
  readonly watchDirectory?: WatchDirectory
}

export interface FileWatch {
  close(): void
}

const POLL_INTERVAL = 30_000
/** While a directory is missing nothing tells of its return. */
const MISSING_INTERVAL = 1000
/** Quiet after an event: a file is being written, or files are being swapped. */
const SETTLE = 100
/** However busy the directory is, the files are looked at so long after the first event. */
const LONGEST_SETTLE = 1000

/**
 * Watches files by their directories, so that a rename over the file and the `..data` swap of a mounted Secret are
 * seen, and tells when the content is another. Never throws, and never keeps the process alive.
 */
export function watchFiles(paths: readonly string[], options: WatchOptions): FileWatch {
  const { pollInterval = POLL_INTERVAL } = options
  const changed = rememberContents(paths, options.readFile ?? readSmallFile)
  let settling: NodeJS.Timeout | undefined
  let polling: NodeJS.Timeout | undefined
  let firstEventAt: number | undefined
  let closed = false

  const look = (): void => {
    clearTimeout(settling)
    clearTimeout(polling)
    firstEventAt = undefined
    const complete = directories.renew()
    const interval = complete ? pollInterval : Math.min(pollInterval, MISSING_INTERVAL)
    polling = setTimeout(look, interval).unref()
    if (changed()) options.onChange()
  }

  const lookSoon = (): void => {
    if (closed) return
    const now = performance.now()
    firstEventAt ??= now
    const wait = Math.min(SETTLE, Math.max(0, firstEventAt + LONGEST_SETTLE - now))
    clearTimeout(settling)
    settling = setTimeout(look, wait).unref()
  }

  const directories = watchDirectories(paths, options.watchDirectory ?? watchByEvents, lookSoon)
  // The contents are taken after the watch has begun: a change between the two is seen.
  look()
  return {
    close() {
      closed = true
      clearTimeout(settling)
      clearTimeout(polling)
      directories.close()
    },
  }
}

/** Makes a function that says whether a file changed since it was last called; the first call says no. */
function rememberContents(paths: readonly string[], readFile: ReadFile): () => boolean {
  const contents = new Map<string, string>()
  const lost = new Set<string>()
  let first = true
  return () => {
    let changed = false
    for (const path of paths) {
      const file = readFile(path, LARGEST_FILE)
      if (!file.ok) {
        if (!lost.has(path)) changed = true
        lost.add(path)
        continue
      }
      lost.delete(path)
      const hash = createHash('sha256').update(file.bytes).digest('base64')
      if (contents.get(path) !== hash) changed = true
      contents.set(path, hash)
    }
    const report = changed && !first
    first = false
    return report
  }
}

/** Bytes; a bundle of authorities is larger than a password. */
const LARGEST_FILE = 1024 * 1024

interface Directories {
  /** Watches what is not watched yet, and anew what was replaced. False: a directory is missing. */
  renew(): boolean
  close(): void
}

function watchDirectories(
  paths: readonly string[],
  watch: WatchDirectory,
  onEvent: () => void,
): Directories {
  const watched = new Map<string, { readonly identity: string; readonly end: () => void }>()

  const drop = (directory: string): void => {
    watched.get(directory)?.end()
    watched.delete(directory)
  }

  return {
    renew() {
      const wanted = new Set(paths.flatMap(directoriesOf))
      for (const directory of watched.keys()) if (!wanted.has(directory)) drop(directory)
      let complete = true
      for (const directory of wanted) {
        const identity = identify(directory)
        if (identity === undefined) complete = false
        if (watched.get(directory)?.identity === identity) continue
        drop(directory)
        if (identity === undefined) continue
        const end = begin(watch, directory, { onEvent, onBroken: () => drop(directory) })
        if (end !== undefined) watched.set(directory, { identity, end })
      }
      return complete
    },
    close() {
      for (const directory of watched.keys()) drop(directory)
    },
  }
}

/** Where the path itself can be replaced, and where the file that its links lead to can be written. */
function directoriesOf(path: string): readonly string[] {
  try {
    return [dirname(path), dirname(realpathSync(path))]
  } catch {
    return [dirname(path)]
  }
}

/** A directory that was moved away and made anew has the same path and another inode. */
function identify(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** No watch (ENOSPC, EMFILE, a file system without events) is no fault: the files are polled anyway. */
function begin(
  watch: WatchDirectory,
  directory: string,
  listener: DirectoryListener,
): (() => void) | undefined {
  try {
    return watch(directory, listener)
  } catch {
    return undefined
  }
}

const watchByEvents: WatchDirectory = (directory, { onEvent, onBroken }) => {
  const watcher = watchDirectory(directory, { persistent: false }, onEvent)
  watcher.on('error', onBroken)
  return () => watcher.close()
}
