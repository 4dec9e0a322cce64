import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory. It lies in the one of the run, which is removed with all that is in it when the run ends. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'test-'))
}

/** Writes files into a new directory and gives their paths; one that is there is replaced by a rename, as a Secret is. */
export function temporaryFiles() {
  const directory = temporaryDirectory()
  return (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    return path
  }
}
