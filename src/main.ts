#!/usr/bin/env node
import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { constants, hostname } from 'node:os'
import { resolve } from 'node:path'
import { setDefaultHighWaterMark } from 'node:stream'
import { EXIT, runCommand } from './cli/index.ts'
import { SECRET_VARIABLES } from './config/index.ts'
import { formatLine, messagesFor } from './messages/index.ts'

/** Signals with which supervisors and images stop a program. Node's default would cut calls. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR2'] as const

const env = { ...process.env }
// Deletes secrets before anything runs, so that no child process, dump of `process.env` or library finds them.
// /proc/PID/environ still shows the initial environment to the same user and root; files avoid that as well.
for (const name of SECRET_VARIABLES) delete process.env[name]
// Keeps memory out of core dumps, also with a `kernel.core_pattern` that ignores the limit of their size.
try {
  writeFileSync('/proc/self/coredump_filter', '0')
} catch {} // not Linux

const stopping = new AbortController()
for (const signal of STOP_SIGNALS) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(128 + constants.signals[signal])
    stopping.abort(signal)
  })
}
// Without a listener, Node opens the inspector on a loopback that all containers of a pod share: secrets would leak.
process.on('SIGUSR1', () => undefined)
// From Node 22 on, each end of a connection buffers 64 KiB: 1,024 clients that did not read took 170 MiB, now about
// 110. The smaller buffer costs a tenth more CPU per MiB of a large body.
setDefaultHighWaterMark(false, 16 * 1024)
let hangUp = (): void => undefined
process.on('SIGHUP', () => hangUp())

/** Returns where a process number is unique; empty if unknown. The first namespace has one name on all machines. */
function processScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** Whether a process runs this program, by its executable and its script. @throws an error with a `code`. */
function runsThisProgram(pid: number): boolean {
  const [, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const script = args.find((arg) => !arg.startsWith('-')) ?? ''
  // An upgrade replaces the file of a running process.
  const executable = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
  if (executable !== process.execPath) return false
  const path = resolve(readlinkSync(`/proc/${pid}/cwd`), script)
  const file = statSync(path, { throwIfNoEntry: false })
  const own = statSync(process.argv[1] ?? '')
  return file?.ino === own.ino && file.dev === own.dev
}

/** Prints neither message nor stack, because they may quote a secret. */
let report = (error: unknown): void | Promise<void> => {
  const name = error instanceof Error ? error.name : typeof error
  process.stderr.write(
    `isales-auth-proxy: ${name}: ${formatLine(messagesFor(env), { code: 'internal', facts: [] })}\n`,
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
// A reader may close the pipe early (`check | head`), which is not a failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// Only `process.exit` ends the program; an empty event loop before that means a forgotten promise.
process.exitCode = EXIT.failed

const code = await runCommand(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env,
  pid: process.pid,
  processScope: processScope(),
  hangUp: (pid) => runsThisProgram(pid) && process.kill(pid, 'SIGHUP'),
  isTTY: process.stdout.isTTY,
  signal: stopping.signal,
  onHangUp(run) {
    hangUp = run
  },
  onFatal(how) {
    report = how
  },
})
// Waits until all output is written; open handles must not keep the process alive.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  ),
)
process.exit(code)
