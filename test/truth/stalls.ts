import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds that make half a second worthless: this process is late, or the other one waits for a processor. */
const STALL = 250

/** Adds each tenth of a second in which the machine stood still, by `performance.now`, until the stage is over. */
export async function watchStalls(stalls: number[], stage: { over: boolean }, pid?: number) {
  for (let waited = waitOf(pid); !stage.over;) {
    const [began, before] = [performance.now(), waited]
    await delay(50)
    waited = waitOf(pid)
    const late = Math.max(performance.now() - began - 50, waited - before)
    const tenths = Array.from({ length: late / 100 }, (_, nth) => began + 100 * nth)
    if (late > STALL) stalls.push(...tenths)
  }
}

/** Returns for how long the process has waited for a processor, in milliseconds (proc(5)); 0 if that is unknown. */
function waitOf(pid = 0): number {
  const path = `/proc/${pid}/schedstat`
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split(' ')[1]) / 1e6 : 0
}
