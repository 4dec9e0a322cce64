import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../config/index.ts'
import { explainedResponse, openAdminClient } from './admin-client.ts'
import { endedBy, EXIT, fail, type Command } from './io.ts'

/** Milliseconds between two probes. */
const INTERVAL = 250

export const run: Command = async ({ json, wait }, io) => {
  const patience = wait === undefined ? undefined : duration('0s', '24h').parse(wait)
  if (patience === null)
    return fail(io, EXIT.usage, { code: 'flag-value', facts: [['example', '--wait 60s']] })
  const ask = openAdminClient(io)
  if (ask === undefined) return EXIT.usage
  const deadline = performance.now() + (patience ?? 0)
  let isReady = patience === undefined
  while (!isReady) {
    isReady = (await ask('/readyz')).status === 200
    if (io.signal.aborted) return endedBy(io.signal)
    const left = deadline - performance.now()
    if (isReady || left <= 0) break
    await delay(Math.min(INTERVAL, left), undefined, { signal: io.signal }).catch(() => undefined)
  }
  const response = await ask(json ? '/status.json' : '/status.txt')
  if (response.status !== 200) return fail(io, EXIT.notRunning, explainedResponse(response))
  io.stdout.write(response.body.replace(/\n?$/, '\n'))
  if (isReady) return EXIT.ok
  return fail(io, EXIT.notRunning, { code: 'not-ready', facts: [['within', wait ?? '']] })
}
