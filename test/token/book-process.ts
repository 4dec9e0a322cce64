// A process that adds one to the attempts of an entry again and again, and prints a line after each time that it is written.
import { writeSync } from 'node:fs'
import { systemClock } from '../../src/clock.ts'
import { Secret } from '../../src/config/secret.ts'
import { openBook } from '../../src/token/book-file.ts'

const [directory = '', rounds = '0'] = process.argv.slice(2)
const { update } = openBook({
  directory,
  // A disk that others use as well is waited for.
  clock: { ...systemClock, setTimer: (run, ms) => systemClock.setTimer(run, 60 * ms) },
  wallClock: Date.now,
  onTrouble: (why) => void (why && writeSync(1, `trouble ${why.cause.code} ${why.detail}\n`)),
  onExposed() {},
})
const credentials = { user: 'obs', password: new Secret('p') }

async function run(): Promise<void> {
  const alive = setInterval(() => undefined, 1000)
  for (let round = 0; round < Number(rounds); round += 1) {
    const { isWritten } = await update(credentials, (entry) => ({
      ...entry,
      attempts: entry.attempts + 1,
    }))
    writeSync(1, isWritten === false ? 'in memory\n' : 'written\n')
  }
  clearInterval(alive)
}

void run()
