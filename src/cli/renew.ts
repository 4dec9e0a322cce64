import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../causes.ts'
import type { Explained, Fact } from '../words/index.ts'
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
function hangUp(pid: number | null, { hangUp: signal, program }: Io): Explained | undefined {
  const facts: Fact[] = pid === null ? [] : [['process', String(pid)]]
  if (pid === null || !runsThis(pid, program)) return { code: 'not-here', facts }
  try {
    signal(pid)
    return undefined
  } catch (error) {
    return { code: 'not-signalled', facts: [...facts, ['detail', codeOf(error)]] }
  }
}

/**
 * True when this process is a Node that runs the same file. Where containers share a network, the number of one is another
 * process in the other.
 */
function runsThis(pid: number, program: string): boolean {
  try {
    const own = realpathSync(program)
    const [node = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const paths = args.map((arg) => (isAbsolute(arg) ? arg : `/proc/${pid}/cwd/${arg}`))
    const isNode = /(?:^|\/)node[^/]*$/.test(node)
    return isNode && paths.some((path) => existsSync(path) && realpathSync(path) === own)
  } catch {
    return false
  }
}
