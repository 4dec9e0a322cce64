import { createHash } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import { MAX_PEM, readSmallFile, type ReadFile } from './files.ts'

export interface WatchOptions {
  /** These files have other content than when they were last read, cannot be read any more, or can be read again. */
  readonly onChange: (paths: readonly string[]) => void
  /**
   * Milliseconds without another change before the files are read: files that belong together are written one after
   * the other, and one file may be written in several steps. Default 500 ms.
   */
  readonly settle?: number | undefined
  readonly readFile?: ReadFile
}

export interface FileWatch {
  /** Looks at the files now. Those that cannot be read are reported again. */
  reread(): void
  close(): void
}

/** Milliseconds between two looks at the metadata of a file. */
const INTERVAL = 500

/**
 * Watches files by polling, which sees a rename over the file and the `..data` swap of a mounted Secret on every file
 * system. A file that is written again as it was is no change. Never throws, and never keeps the process alive.
 */
export function watchFiles(paths: readonly string[], options: WatchOptions): FileWatch {
  const { onChange, settle = 500, readFile = readSmallFile } = options
  /** A hash of what each file held at the last look, or why it held nothing. */
  const contents = new Map<string, string>()

  /** True when the file is not as it was at the last look. */
  const hasChanged = (path: string): boolean => {
    const file = readFile(path, MAX_PEM)
    const content = file.ok
      ? createHash('sha256').update(file.bytes).digest('base64')
      : file.problem
    const changed = contents.get(path) !== content
    contents.set(path, content)
    return changed
  }
  const look = (): void => {
    const changed = paths.filter(hasChanged)
    if (changed.length > 0) onChange(changed)
  }
  const lookSoon = (wait: number): NodeJS.Timeout => setTimeout(look, wait).unref()

  for (const path of paths) hasChanged(path)
  // A change before the first poll is part of what later polls are compared with.
  let timer = lookSoon(INTERVAL + settle)
  const onStat = (): void => {
    clearTimeout(timer)
    timer = lookSoon(settle)
  }
  for (const path of paths) watchFile(path, { persistent: false, interval: INTERVAL }, onStat)
  return {
    reread() {
      for (const path of paths) if (!readFile(path, MAX_PEM).ok) contents.delete(path)
      look()
    },
    close() {
      clearTimeout(timer)
      for (const path of paths) unwatchFile(path, onStat)
    },
  }
}
