import { openProbe, probeText } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'

/** Asks the running proxy whether it lives; one line says what it answered. */
export async function checkHealth(io: Io): Promise<number> {
  const probe = openProbe(io)
  if (probe === undefined) return EXIT.usage
  const answer = await probe('/livez')
  io.stdout.write(`The proxy ${probeText(answer)}.\n`)
  return answer.status === 200 ? EXIT.ok : EXIT.notReady
}
