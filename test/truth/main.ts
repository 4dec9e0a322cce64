// npm run truth -- --seeds=1-200,350 | --seed=N [--faults=a,b:35] [--settings=k=v,...] [--program=DIRECTORY]
import { optionsOf, runMain, seedsOf, UsageError } from '../support/command-line.ts'
import { prepareRun } from '../support/global-setup.ts'
import { inParallel } from '../support/parallel.ts'
import { MEMORY } from '../support/temporary.ts'
import { play } from './play.ts'
import { judge, usable } from './properties.ts'
import { planOf, planText } from './settings.ts'

/** Properties about counts and texts, which a machine that stands still does not change. */
const CERTAIN: ReadonlySet<string> = new Set(['counted', 'readers', 'account'])

await runMain(async () => {
  const text = { type: 'string' } as const
  const given = { seeds: text, seed: text, faults: text, settings: text }
  const { values } = optionsOf({ options: { ...given, workers: text, program: text } })
  const { seed, seeds = '1-20', workers = '2', program, ...of } = values
  if (!/^[1-8]$/.test(workers)) throw new UsageError(`No ${workers} workers. Workers: 1 to 8`)
  const plans = seedsOf(seed ?? seeds).map((number) => planOf(number, of))
  process.env['TMPDIR'] = MEMORY
  const { program: built, certificates, cleanUp } = await prepareRun()
  process.on('exit', cleanUp)
  let [decided, findings] = [0, 0]
  await inParallel(plans, Number(workers), async (plan) => {
    const record = await play(plan, program ?? built, certificates)
    const [looks, all] = [usable(record).length, record.samples.length]
    // Otherwise the machine stood still during most looks.
    const isDecided = looks > all / 2
    if (isDecided) decided += 1
    const end = `${looks} of ${all} looks${isDecided ? '' : ': UNDECIDED'}`
    process.stdout.write(`${planText(plan)}: ${record.outcomes.length} requests, ${end}\n`)
    for (const { property, at, text } of judge(record)) {
      if (!isDecided && !CERTAIN.has(property)) continue
      findings += 1
      const after = `${(at / 1000).toFixed(1)} s after the faults began`
      process.stdout.write(`  FOUND ${property}, ${after}: ${text}\n`)
    }
  })
  process.stdout.write(`${plans.length} seeds, ${decided} decided, ${findings} findings\n`)
  return findings === 0 && decided > plans.length / 2
})
