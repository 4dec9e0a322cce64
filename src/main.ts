#!/usr/bin/env node
import { readlinkSync } from 'node:fs'
import { constants, hostname } from 'node:os'
import { setDefaultHighWaterMark } from 'node:stream'
import { EXIT, runCommand } from './cli/index.ts'
import { SECRET_VARIABLES } from './config/index.ts'
import { lineOf, wordsOf } from './words/index.ts'

/** What supervisors and images send to stop a program. By itself, Node would end on each with calls cut. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR2'] as const

const env = { ...process.env }
// They are gone before anything runs: no child process, dump of `process.env` or library finds them. /proc/PID/environ
// keeps what the process was started with, for its own user and root; files keep secrets out of that, too.
for (const name of SECRET_VARIABLES) delete process.env[name]

const stopping = new AbortController()
for (const signal of STOP_SIGNALS) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(128 + constants.signals[signal])
    stopping.abort(signal)
  })
}
// Without a listener Node opens the inspector, on a loopback that all containers of a pod share. It shows every secret.
process.on('SIGUSR1', () => undefined)
// From Node 22 on, each end of a connection buffers 64 KiB: 1,024 clients that do not read took 170 MiB, now some 110.
// It costs a tenth more CPU for each MiB of a large body.
setDefaultHighWaterMark(false, 16 * 1024)
let hangUp = (): void => undefined
process.on('SIGHUP', () => hangUp())

/** Where a process number means the same process. The first namespace has one name on all machines. Empty: not known. */
function processScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** Neither message nor stack: they may quote what must not be shown. */
let report = (error: unknown): void | Promise<void> => {
  const name = error instanceof Error ? error.name : typeof error
  process.stderr.write(
    `isales-auth-proxy: ${name}: ${lineOf(wordsOf(env), { code: 'internal', facts: [] })}\n`,
  )
}
const die = async (error: unknown): Promise<void> => {
  try {
    await report(error)
  } finally {
    process.exit(1)
  }
}
process.on('uncaughtException', (error) => void die(error))
process.on('unhandledRejection', (error) => void die(error))
// Whoever reads our output may go before us (`check | head`): that is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// Ends by `process.exit` alone: when nothing keeps the process before that, something has been forgotten.
process.exitCode = EXIT.failed

const code = await runCommand(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env,
  pid: process.pid,
  processScope: processScope(),
  hangUp(pid) {
    process.kill(pid, 'SIGHUP')
  },
  isTTY: process.stdout.isTTY,
  signal: stopping.signal,
  onHangUp(run) {
    hangUp = run
  },
  onFatal(how) {
    report = how
  },
})
// All that was written must have left, and what may still be open must not keep the process.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  ),
)
process.exit(code)
