// npm run truth -- --seeds=1-200,350 | --seed=N [--faults=a,b:35] [--settings=k=v,...] | --ci | --planted
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { certificates } from '../support/global-setup.ts'
import { CI_SEEDS, PLANTED } from './seeds.ts'
import { play } from './play.ts'
import { judge, usable, type Finding } from './properties.ts'
import { planOf, planText, UsageError, type Plan } from './settings.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Plays the plans, and prints and returns the findings. */
async function playAll(plans: readonly Plan[], program: string, workers: number) {
  const made = await certificates()
  const waiting = [...plans]
  let decided = 0
  const found: string[] = []
  const work = async (): Promise<void> => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift()) {
      const record = await play(plan, program, made)
      const [looks, all] = [usable(record).length, record.samples.length]
      // If the machine stood still during most looks, only counts and texts are certain.
      const isDecided = looks > all / 2
      if (isDecided) decided += 1
      const isProof = ({ property }: Finding): boolean =>
        isDecided || ['counted', 'readers', 'account'].includes(property)
      const end = `${looks} of ${all} looks${isDecided ? '' : ': UNDECIDED'}`
      print(`${planText(plan)}: ${record.outcomes.length} requests, ${end}`)
      for (const { property, at, text } of judge(record).filter(isProof)) {
        found.push(property)
        print(`  FOUND ${property}, ${(at / 1000).toFixed(1)} s after the faults began: ${text}`)
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return { found, decided }
}

/** Copies the built program with a mistake. @throws {Error} if its text does not occur exactly once. */
function plant({ name, from, to }: (typeof PLANTED)[number], program: string): string {
  const copy = join(program, `../${name}`)
  fs.cpSync(program, copy, { recursive: true })
  // A line of the bundle may end after any token.
  const text = new RegExp(Array.from(from, (each) => each.replace(/\W/, '\\$&')).join('\n?'), 'g')
  const files = fs.readdirSync(copy).filter((file) => file.endsWith('.js'))
  const hits = files.flatMap((file) => {
    const path = join(copy, file)
    return Array.from(fs.readFileSync(path, 'utf8').matchAll(text), () => path)
  })
  const [path = ''] = hits
  if (hits.length !== 1) throw new Error(`${name} does not fit the program any more`)
  const changed = fs.readFileSync(path, 'utf8').replace(text, () => to)
  fs.writeFileSync(path, changed)
  return copy
}

function seedsOf(range: string): readonly number[] {
  const [, from, to = from] = /^([1-9]\d{0,5})(?:-(\d{1,6}))?$/.exec(range) ?? []
  if (from === undefined || Number(to) < Number(from))
    throw new UsageError(`No seeds ${range}. Seeds: numbers from 1, as in 7, 1-200 or 2,9,17`)
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, nth) => Number(from) + nth)
}

function parsed() {
  const [text, flag] = [{ type: 'string' }, { type: 'boolean' }] as const
  const given = { seeds: text, seed: text, faults: text, settings: text, workers: text }
  const options = { ...given, ci: flag, planted: flag, program: text }
  try {
    return parseArgs({ options }).values
  } catch {
    throw new UsageError(`Options: --${Object.keys(options).join(', --')}`)
  }
}

async function main(): Promise<boolean> {
  const { seed, seeds = '1-20', workers: count = '2', ci, planted, program, ...given } = parsed()
  if (!/^[1-8]$/.test(count)) throw new UsageError(`No ${count} workers. Workers: 1 to 8`)
  const numbers = ci ? CI_SEEDS : (seed ?? seeds).split(',').flatMap(seedsOf)
  const plans = numbers.map((number) => planOf(number, given))
  fs.mkdirSync(join(root, '.tmp'), { recursive: true })
  const directory = fs.mkdtempSync(join(root, '.tmp', 'truth-'))
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  const built = program ?? join(directory, 'dist')
  const args = [join(root, 'scripts/build.mjs'), built]
  if (program === undefined && spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0)
    throw new Error('the program could not be built')

  if (planted) {
    let missed = 0
    for (const mistake of PLANTED) {
      const mine = mistake.seeds.map((number) => planOf(number))
      const { found } = await playAll(mine, plant(mistake, built), Number(count))
      const isFound = found.includes(mistake.property)
      if (!isFound) missed += 1
      print(`${mistake.name}: ${isFound ? 'found' : 'NOT FOUND'}`)
    }
    return missed === 0
  }
  const { found, decided } = await playAll(plans, built, Number(count))
  print(`${plans.length} seeds, ${decided} decided, ${found.length} findings`)
  return found.length === 0 && decided > plans.length / 2
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
