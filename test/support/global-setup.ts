import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory of the built program. */
    readonly program: string
  }
}

const BUILD_SCRIPT = new URL('../../scripts/build.mjs', import.meta.url).pathname

/**
 * Before the test files of a run: makes one directory for all temporary files, those of child processes included, and
 * builds the program as it is delivered. Afterwards the directory is removed.
 */
export default function setUp({ provide }: TestProject): () => void {
  const scratch = mkdtempSync(join(tmpdir(), 'isales-test-'))
  // The workers start later and take it over.
  process.env['TMPDIR'] = scratch
  const program = join(scratch, 'dist')
  execFileSync(process.execPath, [BUILD_SCRIPT, program])
  provide('program', program)
  return () => rmSync(scratch, { recursive: true, force: true })
}
