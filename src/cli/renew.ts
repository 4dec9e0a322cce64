import { wordsOf } from '../words/index.ts'
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Status } from '../admin/index.ts'
import { formatDuration } from '../config/index.ts'
import { parseObject } from '../json.ts'
import { codeOf } from '../causes.ts'
import { describeResponse, openAdminClient, type AdminResponse } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, readTimeout, type Command, type Io } from './io.ts'

const LIMITS = { min: '1s', max: '1h' }
/** Milliseconds between two looks at `/status.json`. */
const LOOK_EVERY = 200

/** What is read of `/status.json`. */
type Seen = Pick<Status, 'pid' | 'asked' | 'token'>

export const command: Command = {
  summary: 'Log in now, ignoring the back-off',
  text: `Sends SIGHUP to the proxy that runs here (ADMIN_LISTEN): it reads its secrets again and
logs in, once. Waits for the end of the login and says how it ended: for after a password
was corrected or an account unlocked. It has to run as root or as the user of the proxy,
on its machine or in its container.`,
  flags: {
    timeout: { value: '60s', doc: 'Wait so long for the login (default 60s)' },
  },
  async run(flags, io) {
    const timeout = readTimeout(io, flags['timeout'], LIMITS)
    if (timeout === undefined) return EXIT.usage
    const ask = openAdminClient(io)
    if (ask === undefined) return EXIT.usage
    const first = await ask('/status.json')
    const before = seenIn(first)
    const problem =
      before === undefined ? describeResponse(first, wordsOf(io.env)) : hangUp(before.pid, io)
    if (io.signal.aborted) return endedBy(io.signal)
    if (before === undefined || problem !== undefined) {
      io.stderr.write(`Nothing was done: ${problem}.\n`)
      return EXIT.notReady
    }

    const deadline = performance.now() + timeout
    while (performance.now() < deadline) {
      await delay(LOOK_EVERY, undefined, { signal: io.signal }).catch(() => undefined)
      const response = await ask('/status.json')
      if (io.signal.aborted) return endedBy(io.signal)
      const now = seenIn(response)
      if (now?.pid !== before.pid) {
        io.stderr.write('The proxy ended before the login did.\n')
        return EXIT.unreachable
      }
      // The signal has come, and the login that it asked for has ended.
      if (now.asked.number > before.asked.number && now.asked.outcome !== null) {
        io.stdout.write(`${sentence(now)}\n`)
        return CODES[now.asked.outcome]
      }
    }
    const waited = formatDuration(timeout)
    io.stderr.write(`The login was asked for, and did not end within ${waited}.\n`)
    return EXIT.unreachable
  },
}

/** Undefined: no proxy responded that says its process. */
function seenIn({ status, body }: AdminResponse): Seen | undefined {
  const json = status === 200 ? parseObject(body) : undefined
  return typeof json?.['pid'] === 'number' && 'asked' in json
    ? (json as unknown as Seen)
    : undefined
}

/** @returns why the signal was not sent; undefined: it was. */
function hangUp(pid: number | null, io: Io): string | undefined {
  if (pid === null || !runsThis(pid, io.program)) {
    return `process ${pid} here does not run this program, so the proxy is elsewhere: send it SIGHUP there`
  }
  try {
    io.hangUp(pid)
    return undefined
  } catch (error) {
    const remedy = 'run the command as the user of the proxy, or as root'
    return `SIGHUP could not be sent to process ${pid}: ${codeOf(error)}; ${remedy}`
  }
}

/**
 * True when this process runs the same file. Where containers share a network, the number of one is another process in
 * the other.
 */
function runsThis(pid: number, program: string): boolean {
  const own = valueOf(() => realpathSync(program))
  // Another user may not read it; most command lines hold the whole path.
  const from = valueOf(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '/'
  const args = valueOf(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0') ?? []
  const isOwn = (arg: string) =>
    arg !== '' && valueOf(() => realpathSync(resolve(from, arg))) === own
  return own !== undefined && args.some(isOwn)
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

function sentence({ asked, token }: Seen): string {
  const { guarded, outcome, reason, retryInSeconds } = asked
  const isGuarded = guarded && outcome !== 'deferred'
  const anyway = isGuarded ? 'The account was guarded, and iSales was asked anyway. ' : ''
  const again = `The next attempt is in ${formatDuration((retryInSeconds ?? 0) * 1000)}`
  const ends = {
    granted: `Logged in: a token until ${token?.expiresAt}.`,
    refused: `iSales refused the user or password. ${again}.`,
    failed: `Login was not possible (${reason}). ${again}.`,
    deferred: `iSales was not asked (${reason}). ${again}.`,
  }
  return outcome === null ? '' : anyway + ends[outcome]
}
