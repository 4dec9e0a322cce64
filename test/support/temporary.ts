import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory. It lies in the one of the run, which is removed with all that is in it when the run ends. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'test-'))
}
