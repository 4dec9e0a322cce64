import { wordsOf, type Words } from '../words/index.ts'
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../causes.ts'
import { describeResponse, openAdminClient, statusIn } from './admin-client.ts'
import { endedBy, EXIT, type Command, type Io } from './io.ts'

/** Milliseconds: a login that the signal allows has mostly ended. */
const SETTLES = 3000

export const renew: Command = async (_, io) => {
  const ask = openAdminClient(io)
  if (ask === undefined) return EXIT.usage
  const words = wordsOf(io.env)
  const { renew } = words
  const first = await ask('/status.json')
  const before = statusIn(first)
  const problem =
    before === undefined ? describeResponse(first, words) : hangUp(before.pid, io, renew)
  if (io.signal.aborted) return endedBy(io.signal)
  if (problem !== undefined) {
    io.stderr.write(`${words.sentences(renew.nothing(problem))}\n`)
    return EXIT.notRunning
  }
  io.stdout.write(`${renew.sent}\n`)
  await delay(SETTLES, undefined, { signal: io.signal }).catch(() => undefined)
  const [page, response] = [await ask('/status.txt'), await ask('/status.json')]
  if (io.signal.aborted) return endedBy(io.signal)
  const now = statusIn(response)
  if (now === undefined || page.status !== 200) {
    io.stderr.write(`${describeResponse(response, words)}\n`)
    return EXIT.unreachable
  }
  io.stdout.write(page.body.replace(/\n?$/, '\n'))
  if (now.authenticated) return EXIT.ok
  return now.renewal.refused ? EXIT.refused : EXIT.unreachable
}

/** @returns why the signal was not sent; undefined: it was. */
function hangUp(pid: number | null, io: Io, renew: Words['renew']): string | undefined {
  if (pid === null || !runsThis(pid, io.program)) return renew.elsewhere(String(pid))
  try {
    io.hangUp(pid)
    return undefined
  } catch (error) {
    return renew.notSent(pid, codeOf(error))
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
