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

/** Builds the program as it is delivered, once for all test files of a run. */
export default function buildProgram({ provide }: TestProject): () => void {
  const scratch = mkdtempSync(join(tmpdir(), 'program-'))
  const program = join(scratch, 'dist')
  execFileSync(process.execPath, [BUILD_SCRIPT, program])
  provide('program', program)
  return () => rmSync(scratch, { recursive: true, force: true })
}
