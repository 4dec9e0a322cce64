import { setTimeout as delay } from 'node:timers/promises'
import { duration, formatDuration } from '../config/formats.ts'
import { openProbe, probeText } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import { WAIT_FLAGS } from './flag-tables.ts'
import { parseFlags } from './flags.ts'
import { endedBy, type Run } from './io.ts'

const INTERVAL = 250
const TIMEOUT = duration({ min: 0, max: 24 * 3_600_000 })

/** Waits until the running proxy is ready. */
export const run: Run = async (args, io) => {
  const flags = parseFlags(WAIT_FLAGS, args)
  if (!flags.ok) return EXIT.usage
  const timeout = TIMEOUT.safeParse(flags.values.timeout ?? '60s')
  if (!timeout.success) {
    io.stderr.write(`--timeout ${timeout.error.issues[0]?.message}.\n`)
    return EXIT.usage
  }
  const probe = openProbe(io)
  if (probe === undefined) return EXIT.usage
  const deadline = performance.now() + timeout.data
  for (;;) {
    const answer = await probe('/readyz')
    if (io.signal.aborted) return endedBy(io.signal)
    if (answer.status === 200) return EXIT.ok
    const left = deadline - performance.now()
    if (left <= 0) {
      const waited = formatDuration(timeout.data)
      io.stderr.write(`Not ready within ${waited}: the proxy ${probeText(answer)}.\n`)
      return EXIT.notReady
    }
    await delay(Math.min(INTERVAL, left), undefined, { signal: io.signal }).catch(() => undefined)
  }
}
