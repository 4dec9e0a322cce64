// Repeatedly adds one to the attempts of a record, and prints a line after every write.
import { writeSync } from 'node:fs'
import { systemClock, type Clock } from '../../src/clock.ts'
import { Secret } from '../../src/config/secret.ts'
import { openAttemptFile } from '../../src/token/attempt-file.ts'
import { createRegister } from '../../src/token/register.ts'

const [directory = '', rounds = '0'] = process.argv.slice(2)
// Waits longer for a disk that other tests use as well.
const setTimer: Clock['setTimer'] = (run, ms) => systemClock.setTimer(run, 60 * ms)
const clock = { ...systemClock, setTimer }
const home = openAttemptFile({
  directory,
  clock,
  onStorageError: (error) => void (error && writeSync(1, `${error.cause.code} ${error.detail}\n`)),
  onExposed() {},
})
const { update } = createRegister(clock, home)
const credentials = { user: 'obs', password: new Secret('p') }

async function run(): Promise<void> {
  const alive = setInterval(() => undefined, 1000)
  for (let round = 0; round < Number(rounds); round += 1) {
    let isAlone = false
    await update(credentials, (account, { alone }) => {
      isAlone = alone
      const { record } = account
      const attempts = record.attempts + 1
      return { ...account, record: { ...record, attempts, pauseFrom: clock.now() } }
    })
    writeSync(1, isAlone ? 'in memory\n' : 'written\n')
  }
  clearInterval(alive)
}

void run()
