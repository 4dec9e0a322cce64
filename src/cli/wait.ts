import { setTimeout as delay } from 'node:timers/promises'
import { formatDuration } from '../config/index.ts'
import { describeResponse, openAdminClient, statusIn } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, readTimeout, type Command } from './io.ts'
import { wordsOf } from '../words/index.ts'

/** Milliseconds between two probes. */
const INTERVAL = 250
const LIMITS = { min: '0s', max: '24h' }

export const wait: Command = async (flags, io) => {
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
      const said = statusIn(await ask('/status.json'))
      const what =
        said === undefined
          ? describeResponse(response, words)
          : words.check.labelled(said.title, words.sentences(said.reason, said.remedy))
      io.stderr.write(`${words.running.notReady(waited, what)}\n`)
      return EXIT.notReady
    }
    await delay(Math.min(INTERVAL, left), undefined, { signal: io.signal }).catch(() => undefined)
  }
}
