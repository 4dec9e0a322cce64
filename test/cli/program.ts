import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { until } from '../support/until.ts'

export interface Program {
  readonly process: ChildProcess
  stdout(): string
  stderr(): string
  /** The lines of the log so far. */
  lines(): readonly LogLine[]
  /** Waits for a line of the log with this event. */
  line(event: string): Promise<LogLine>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

export interface LogLine {
  readonly event: string
  readonly [field: string]: unknown
}

export interface Start {
  (args: readonly string[], env: Environment): Program
  /** Where it has been built; known once the tests run. */
  directory(): string
}

const BUILD_SCRIPT = new URL('../../scripts/build.mjs', import.meta.url).pathname

/** Builds the program as it is delivered, once for the file; what is started is ended with the test. */
export function builtProgram(): Start {
  const running: ChildProcess[] = []
  let scratch = ''
  const directory = (): string => join(scratch, 'dist')

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'program-'))
    execFileSync(process.execPath, [BUILD_SCRIPT, directory()])
  }, 60_000)

  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const start = (args: readonly string[], env: Environment): Program => {
    const child = spawn(process.execPath, [join(directory(), 'main.js'), ...args], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.push(child)
    return follow(child)
  }
  return Object.assign(start, { directory })
}

function follow(child: ChildProcess): Program {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => (written[name] += text))
  }
  const lines = (): readonly LogLine[] =>
    written.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
  return {
    process: child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    lines,
    line: (event) => until(() => lines().find((line) => line.event === event), 20_000),
    // `close` comes when the output has been read to its end, unlike `exit`.
    ended: once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    })),
  }
}
