import { wordsOf, type Words } from '../words/index.ts'
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Status } from '../admin/index.ts'
import { formatDuration } from '../config/index.ts'
import { codeOf } from '../causes.ts'
import { describeResponse, openAdminClient, statusIn } from './admin-client.ts'
import { endedBy, EXIT, type Command, type Io } from './io.ts'

/** Milliseconds for the login. */
const TIMEOUT = 60_000
/** Milliseconds between two looks at `/status.json`. */
const LOOK_EVERY = 200

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
  if (before === undefined || problem !== undefined) {
    io.stderr.write(`${words.sentences(renew.nothing(problem ?? ''))}\n`)
    return EXIT.notRunning
  }

  const deadline = performance.now() + TIMEOUT
  while (performance.now() < deadline) {
    await delay(LOOK_EVERY, undefined, { signal: io.signal }).catch(() => undefined)
    const response = await ask('/status.json')
    if (io.signal.aborted) return endedBy(io.signal)
    const now = statusIn(response)
    if (now?.pid !== before.pid) {
      io.stderr.write(`${renew.ended}\n`)
      return EXIT.unreachable
    }
    // The signal has come, and the login that it asked for has ended.
    if (now.asked.number > before.asked.number && now.asked.outcome !== null) {
      io.stdout.write(`${outcomeOf(now, words)}\n`)
      return CODES[now.asked.outcome]
    }
  }
  io.stderr.write(`${renew.late(formatDuration(TIMEOUT))}\n`)
  return EXIT.unreachable
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

const CODES = {
  granted: EXIT.ok,
  refused: EXIT.refused,
  failed: EXIT.unreachable,
  deferred: EXIT.unreachable,
} as const

/** How the login ended, with the cause and the cure that the status page has. */
function outcomeOf({ asked, token, renewal }: Status, words: Words): string {
  const { renew, sentences } = words
  const { guarded, outcome, reason, retryInSeconds } = asked
  if (outcome === null) return ''
  const anyway = guarded && outcome !== 'deferred' ? renew.anyway : ''
  if (outcome === 'granted') return sentences(anyway, renew.granted(token?.expiresAt ?? ''))
  const retryIn = retryInSeconds ?? 0
  const next = renew.next(formatDuration(retryIn * 1000))
  if (outcome === 'deferred') {
    const whys: Readonly<Record<string, (minutes: number) => string>> = words.check.deferred
    const why = whys[reason ?? '']?.(Math.ceil(retryIn / 60)) ?? renew.askedBefore
    return sentences(renew.deferred(why), reason === 'guarded' ? '' : next)
  }
  const { what, todo } = renewal.lastFailure?.explained ?? { what: '', todo: '' }
  return sentences(anyway, renew.failed(what), todo, next)
}
