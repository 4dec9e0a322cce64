import { setTimeout as delay } from 'node:timers/promises'
import { formatDuration } from '../config/index.ts'
import type { Status } from '../admin/index.ts'
import { parseObject } from '../json.ts'
import { describeResponse, openAdminClient, type AdminResponse } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, readTimeout, type Command } from './io.ts'
import { wordsOf, type Words } from '../words/index.ts'

/** Milliseconds between two probes. */
const INTERVAL = 250
const LIMITS = { min: '0s', max: '24h' }

export const command: Command<'timeout'> = {
  example: '--timeout 60s',
  flags: { timeout: { value: '60s' } },
  async run(flags, io) {
    const timeout = readTimeout(io, flags['timeout'], LIMITS)
    if (timeout === undefined) return EXIT.usage
    const ask = openAdminClient(io)
    if (ask === undefined) return EXIT.usage
    const deadline = performance.now() + timeout
    for (;;) {
      const response = await ask('/readyz')
      if (io.signal.aborted) return endedBy(io.signal)
      if (response.status === 200) return EXIT.ok
      const left = deadline - performance.now()
      if (left <= 0) {
        const waited = formatDuration(timeout)
        const words = wordsOf(io.env)
        const what =
          headlineIn(await ask('/status.json'), words) ?? describeResponse(response, words)
        io.stderr.write(`${words.running.notReady(waited, what)}\n`)
        return EXIT.notReady
      }
      await delay(Math.min(INTERVAL, left), undefined, { signal: io.signal }).catch(() => undefined)
    }
  },
}

/** What the status page says first; undefined: no proxy responded that says it. */
function headlineIn({ status, body }: AdminResponse, words: Words): string | undefined {
  const json = status === 200 ? parseObject(body) : undefined
  if (typeof json?.['title'] !== 'string' || !('findings' in json)) return undefined
  const { title, reason, remedy } = json as unknown as Status
  return words.check.labelled(title, words.sentences(reason, remedy))
}
