import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { createAuthority } from '../../simulator/certificates.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly program: string
    readonly certificates: Certificates
  }
}

const BUILD_SCRIPT = new URL('../../scripts/build.mjs', import.meta.url).pathname

export type PreparedRun = Awaited<ReturnType<typeof prepareRun>>

/** Creates a directory for all temporary files, also of child processes, creates the certificates, and builds the program. */
export async function prepareRun() {
  const scratch = mkdtempSync(join(tmpdir(), 'isales-test-'))
  // Workers start later and inherit the variable.
  process.env['TMPDIR'] = scratch
  const program = join(scratch, 'dist')
  execFileSync(process.execPath, [BUILD_SCRIPT, program])
  const cleanUp = (): void => rmSync(scratch, { recursive: true, force: true })
  return { program, certificates: await certificates(), cleanUp }
}

/** Prepares the run of all tests. Removes the directory at the end. */
export default async function setUp({ provide }: TestProject): Promise<() => void> {
  const { program, certificates, cleanUp } = await prepareRun()
  provide('program', program)
  provide('certificates', certificates)
  return cleanUp
}

const DAY = 24 * 3_600_000
const days = (from: number, to: number) => ({
  notBefore: new Date(Date.now() + from * DAY),
  notAfter: new Date(Date.now() + to * DAY),
})

export type Certificates = Awaited<ReturnType<typeof certificates>>

async function certificates() {
  const names = ['localhost', '127.0.0.1'] as const
  const client = { names: ['cti-obs'], usage: 'client' } as const
  const ca = await createAuthority('Test CA')
  const strangerCa = await createAuthority('Stranger CA')
  return {
    ca: { cert: ca.cert, key: ca.key },
    server: await ca.issue({ names }),
    renewed: await ca.issue({ names: ['renewed.example', 'localhost'] }),
    client: await ca.issue(client),
    /** Expired yesterday. */
    expired: await ca.issue({ names, ...days(-2, -1) }),
    expiredClient: await ca.issue({ ...client, ...days(-2, -1) }),
    /** Valid from tomorrow. */
    notYetValid: await ca.issue({ names, ...days(1, 2) }),
    wrongHost: await ca.issue({ names: ['elsewhere.example'] }),
    strangerCa: { cert: strangerCa.cert, key: strangerCa.key },
    stranger: await strangerCa.issue({ names }),
    strangerClient: await strangerCa.issue(client),
  }
}
