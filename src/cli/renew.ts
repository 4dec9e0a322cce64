import { setTimeout as delay } from 'node:timers/promises'
import type { Status } from '../admin/index.ts'
import { readErrorCode } from '../causes.ts'
import type { Explained, Fact } from '../messages/index.ts'
import { explainedResponse, openAdminClient, statusIn } from './admin-client.ts'
import { endedBy, EXIT, fail, type Command, type Io } from './io.ts'

/** Milliseconds: a login that the signal allows has mostly ended. */
export const SETTLES = 3000

export const run: Command = async (_, io) => {
  const ask = openAdminClient(io)
  if (ask === undefined) return EXIT.usage
  const first = await ask('/status.json')
  const before = statusIn(first)
  const reason = before === undefined ? explainedResponse(first) : hangUp(before, io, first.at)
  if (io.signal.aborted) return endedBy(io.signal)
  if (reason !== undefined) return fail(io, EXIT.notRunning, reason)
  await delay(SETTLES, undefined, { signal: io.signal }).catch(() => undefined)
  const [page, response] = [await ask('/status.txt'), await ask('/status.json')]
  if (io.signal.aborted) return endedBy(io.signal)
  const now = statusIn(response)
  if (now === undefined || page.status !== 200)
    return fail(io, EXIT.unusable, explainedResponse(response))
  io.stdout.write(page.body.replace(/\n?$/, '\n'))
  if (now.authenticated) return EXIT.ok
  const isRejected = now.findings.some(({ code }) => code === 'IsalesProxyLoginRejected')
  return isRejected ? EXIT.rejected : EXIT.unusable
}

/** Returns why the signal was not sent; undefined if it was. */
function hangUp({ pid, processScope }: Status, io: Io, address: string): Explained | undefined {
  const facts: Fact[] = pid === null ? [] : [['process', String(pid)]]
  // In another container or on another machine, the number belongs to another process.
  if (pid === null || !processScope || processScope !== io.processScope)
    return { code: 'not-here', facts }
  try {
    // A local user who listens on the port while the proxy is down can name any process, and root would signal it.
    if (io.hangUp(pid)) return undefined
    return { code: 'other-program', facts: [['address', address], ...facts] }
  } catch (error) {
    return { code: 'not-signalled', facts: [...facts, ['detail', readErrorCode(error)]] }
  }
}
