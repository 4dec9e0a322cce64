// npm run truth -- --seeds=1-200,350 | --seed=N [--faults=a,b:35] [--settings=k=v,...] | --ci | --planted
import fs from 'node:fs'
import { join } from 'node:path'
import { optionsOf, runMain, seedsOf, UsageError } from '../support/command-line.ts'
import { prepareRun, type PreparedRun } from '../support/global-setup.ts'
import { inParallel } from '../support/parallel.ts'
import { MEMORY } from '../support/temporary.ts'
import { bundleFile, root } from '../simulation/build.ts'
import { plant } from '../simulation/planted.ts'
import { CI_SEEDS, PLANTED } from './seeds.ts'
import { play } from './play.ts'
import { judge, usable } from './properties.ts'
import { planOf, planText, type Plan } from './settings.ts'

/** Properties about counts and texts, which a machine that stands still does not change. */
const CERTAIN: ReadonlySet<string> = new Set(['counted', 'readers', 'account'])

const print = (line: string): void => void process.stdout.write(`${line}\n`)
type Run = Omit<PreparedRun, 'cleanUp'> & Readonly<{ workers: number }>

/** Plays the plans, and prints and returns the findings. */
async function playAll(plans: readonly Plan[], { program, certificates, workers }: Run) {
  let decided = 0
  const found: string[] = []
  await inParallel(plans, workers, async (plan) => {
    const record = await play(plan, program, certificates)
    const [looks, all] = [usable(record).length, record.samples.length]
    // Otherwise the machine stood still during most looks.
    const isDecided = looks > all / 2
    if (isDecided) decided += 1
    const end = `${looks} of ${all} looks${isDecided ? '' : ': UNDECIDED'}`
    print(`${planText(plan)}: ${record.outcomes.length} requests, ${end}`)
    for (const { property, at, text } of judge(record)) {
      if (!isDecided && !CERTAIN.has(property)) continue
      found.push(property)
      print(`  FOUND ${property}, ${(at / 1000).toFixed(1)} s after the faults began: ${text}`)
    }
  })
  return { found, decided }
}

async function main(): Promise<boolean> {
  const [text, flag] = [{ type: 'string' }, { type: 'boolean' }] as const
  const given = { seeds: text, seed: text, faults: text, settings: text, workers: text }
  const { values } = optionsOf({ options: { ...given, ci: flag, planted: flag, program: text } })
  const { seed, seeds = '1-20', workers = '2', ci, planted, program, ...of } = values
  if (!/^[1-8]$/.test(workers)) throw new UsageError(`No ${workers} workers. Workers: 1 to 8`)
  const numbers = ci ? CI_SEEDS : seedsOf(seed ?? seeds)
  const plans = numbers.map((number) => planOf(number, of))
  process.env['TMPDIR'] = MEMORY
  const { program: built, certificates, cleanUp } = await prepareRun()
  process.on('exit', cleanUp)
  const run = { program: built, certificates, workers: Number(workers) }

  if (planted) {
    let missed = 0
    fs.symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'))
    for (const mistake of PLANTED) {
      await bundleFile('../src/main.ts', join(built, 'main.js'), [plant(mistake, root)])
      const { found } = await playAll(
        mistake.seeds.map((number) => planOf(number)),
        run,
      )
      const isFound = found.includes(mistake.property)
      if (!isFound) missed += 1
      print(`${mistake.name}: ${isFound ? 'found' : 'NOT FOUND'}`)
    }
    return missed === 0
  }
  const { found, decided } = await playAll(plans, { ...run, program: program ?? built })
  print(`${plans.length} seeds, ${decided} decided, ${found.length} findings`)
  return found.length === 0 && decided > plans.length / 2
}

await runMain(main)
