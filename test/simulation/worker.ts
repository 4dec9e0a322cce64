// Runs in a process of its own, loaded after patches.ts. Prints a line of JSON for each seed.
import { writeSync } from 'node:fs'
import { planOf, type Plan } from './plan.ts'
import { real } from './patches.ts'
import { runPlan, type Outcome } from './world.ts'

export interface Task {
  readonly seeds: readonly number[]
  readonly trace?: boolean
  /** Ends with the first seed that has a finding. */
  readonly untilFinding?: boolean
}

export interface Result extends Outcome {
  readonly seed: number
  readonly plan: Plan
}

/** Until the last event. */
const MINUTES = 3

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const print = (line: string): void => void writeSync(1, `${line}\n`)
// Libraries compile code in the background, which must be finished before time stops: a wait for it would never end.
await new Promise((resolve) => real.setTimeout(resolve, 300))
// Modules that the program imports on demand would be read from the disk on real time.
for (const name of ['ioredis', 'ioredis/built/DataHandler.js']) await import(name)
await import('../../src/token/attempt-file.ts')
real.setImmediate(() => {
  for (const seed of task.seeds) {
    const plan = planOf(seed, MINUTES)
    const outcome = runPlan(plan, task.trace === true ? print : undefined)
    const result: Result = { seed, plan, ...outcome }
    print(`RESULT ${JSON.stringify(result)}`)
    if (task.untilFinding === true && result.findings.length > 0) break
  }
  // After an error in a microtask, Node would not continue with its stack.
  process.exit(0)
})
