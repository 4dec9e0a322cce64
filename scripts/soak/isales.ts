// The simulator as a process of its own. It tells its parent what it carried out, and lives no longer than the parent.
import { createSimulator } from '../../simulator/index.ts'

const TELL_EACH = 500

const simulator = await createSimulator()
let told = 0

/** Only what is new: the ledger keeps its newest 10,000 records, and a soak makes more. */
function tell(): void {
  const fresh = simulator.requests().filter(({ number }) => number > told)
  told = fresh.at(-1)?.number ?? told
  process.send?.({ carriedOut: fresh.map(({ id }) => id ?? ''), state: simulator.state() })
}

const timer = setInterval(tell, TELL_EACH)
process.on('message', () => {
  tell()
  process.send?.({ flushed: true })
})
process.on('disconnect', () => {
  clearInterval(timer)
  process.exit(0)
})
process.send?.({ origin: simulator.origin, controlUrl: simulator.controlUrl })
