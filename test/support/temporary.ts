import { existsSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory if there is one: a disk under load is slow, and the program says so. */
export const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'test-'))
}

/** Returns a function that writes files into a new directory and returns their paths. It replaces by a rename, as a Secret does. */
export function temporaryFiles() {
  const directory = temporaryDirectory()
  return (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    return path
  }
}
