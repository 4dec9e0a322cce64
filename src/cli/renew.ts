import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../causes.ts'
import type { Explained } from '../words/index.ts'
import { explainedResponse, openAdminClient, statusIn } from './admin-client.ts'
import { endedBy, EXIT, explainLine, type Command, type Io } from './io.ts'

/** Milliseconds: a login that the signal allows has mostly ended. */
const SETTLES = 3000

export const renew: Command = async (_, io) => {
  const ask = openAdminClient(io)
  if (ask === undefined) return EXIT.usage
  const first = await ask('/status.json')
  const before = statusIn(first)
  const why = before === undefined ? explainedResponse(first) : hangUp(before.pid, io)
  if (io.signal.aborted) return endedBy(io.signal)
  if (why !== undefined) {
    io.stderr.write(explainLine(io, 'error', why))
    return EXIT.notRunning
  }
  await delay(SETTLES, undefined, { signal: io.signal }).catch(() => undefined)
  const [page, response] = [await ask('/status.txt'), await ask('/status.json')]
  if (io.signal.aborted) return endedBy(io.signal)
  const now = statusIn(response)
  if (now === undefined || page.status !== 200) {
    io.stderr.write(explainLine(io, 'error', explainedResponse(response)))
    return EXIT.unreachable
  }
  io.stdout.write(page.body.replace(/\n?$/, '\n'))
  if (now.authenticated) return EXIT.ok
  return now.renewal.refused ? EXIT.refused : EXIT.unreachable
}

/** @returns why the signal was not sent; undefined: it was. */
function hangUp(pid: number | null, io: Io): Explained | undefined {
  if (pid === null || !runsThis(pid, io.program))
    return { code: 'not-here', facts: pid === null ? [] : [['process', String(pid)]] }
  try {
    io.hangUp(pid)
    return undefined
  } catch (error) {
    const facts = [
      ['process', String(pid)],
      ['detail', codeOf(error)],
    ] as const
    return { code: 'not-signalled', facts }
  }
}

/**
 * True when this process runs the same file. Where containers share a network, the number of one is another process in
 * the other.
 */
function runsThis(pid: number, program: string): boolean {
  // A log viewer or an editor that shows the file has it among its arguments, too.
  const [ours, theirs] = ['self', pid].map((id) => valueOf(() => executableOf(id)))
  if (theirs !== undefined && theirs !== ours) return false
  const own = valueOf(() => realpathSync(program))
  // Another user may not read it; most command lines hold the whole path.
  const from = valueOf(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '/'
  const args = valueOf(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0') ?? []
  const isOwn = (arg: string) =>
    arg !== '' && valueOf(() => realpathSync(resolve(from, arg))) === own
  return own !== undefined && args.some(isOwn)
}

/** Its name: another version of Node may stand elsewhere, or in the place of the one that runs. */
function executableOf(id: string | number): string {
  return basename(readlinkSync(`/proc/${id}/exe`).replace(/ \(deleted\)$/, ''))
}

/** Undefined: it threw. */
function valueOf(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
