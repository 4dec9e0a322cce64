// npm run simulate -- [--seeds N | --seeds N-M] | --seed N [--trace] | --planted [NAME] | --search
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { optionsOf, runMain, seedsOf } from '../support/command-line.ts'
import { inParallel } from '../support/parallel.ts'
import { bundle, bundleFile, root } from './build.ts'
import { actText } from './plan.ts'
import { misfits, plant, PLANTED, type Planted } from './planted.ts'
import type * as Scenarios from '../token/scenarios.ts'
import type * as Search from './search.ts'
import type { Result, Task } from './worker.ts'

const PROCESSES = 2
/** A multiple of this runs again, in another process. */
const TWICE = 10
/** Maximum findings that are shown. */
const SHOWN = 8
/** Replicas, maximum faults on a path, and maximum steps of each exhaustive search. */
const SEARCHES = [
  [2, 2, 24],
  [3, 1, Infinity],
  [3, 2, 10],
] as const

/** Returns what finds a mistake; undefined if nothing does. */
type Finder = (bug: Planted, place: string, seeds: readonly number[]) => Promise<string | undefined>
const FINDERS: { readonly [by: string]: Finder } = {
  search: brokenBy,
  scenarios: crossedBy,
  truth: shownBy,
}

const [text, flag] = [{ type: 'string' }, { type: 'boolean' }] as const
let directory = ''

await runMain(async () => {
  const options = { seeds: text, seed: text, trace: flag, planted: flag, search: flag }
  const { values, positionals } = optionsOf({ allowPositionals: true, options })
  const { seeds = '300', seed = seeds.replace(/^(?=\d+$)/, '1-'), trace = false } = values
  const chosen = seedsOf(seed)
  await mkdir(join(root, '.tmp'), { recursive: true })
  directory = mkdtempSync(join(root, '.tmp', 'simulation-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  if (values.search) return searched()
  return values.planted ? planted(positionals[0], chosen) : simulated(chosen, trace)
})

/** Returns true if every planted mistake is found. */
async function planted(part = '', seeds: readonly number[]): Promise<boolean> {
  const unfit = misfits(root)
  for (const name of unfit) print(`does not fit the program any more: ${name}`)
  if (unfit.length > 0) return false
  // A part of a name is enough, such as `budget`.
  const chosen = PLANTED.filter(({ name }) => name.includes(part))
  let missed = 0
  await inParallel(chosen, PROCESSES, async (bug, nth) => {
    const find = FINDERS[bug.by?.split(' ')[0] ?? ''] ?? failedBy
    const found = await find(bug, join(directory, String(nth)), seeds)
    if (found === undefined) missed += 1
    print(`${bug.name}: ${found ?? 'NOT FOUND'}`)
  })
  print(`${chosen.length} planted mistakes, ${missed} not found`)
  return missed === 0
}

/** Returns the first seed that fails with the mistake, and not without it. */
async function failedBy(bug: Planted, place: string, all: readonly number[]) {
  const [entry, sound] = [await bundle(place, [plant(bug, root)]), await bundle(`${place}-sound`)]
  for (let seeds = all; seeds.length > 0;) {
    const played = await run(entry, { seeds, untilFinding: true })
    const { seed = 0, findings = [] } = played.at(-1) ?? {}
    const [without] = await run(sound, { seeds: [seed] })
    const [finding] = without?.findings.length === 0 ? findings : []
    if (finding) return `seed ${seed}, property ${finding.property}: ${finding.text.slice(0, 80)}`
    seeds = seeds.slice(played.length)
  }
  return undefined
}

/** Imports a file below `test/` with the mistake. */
async function load(file: string, bug: Planted, place: string): Promise<unknown> {
  return import(pathToFileURL(await bundleFile(file, `${place}.mjs`, [plant(bug, root)])).href)
}

/** Returns the first invariant that the exhaustive search finds broken. */
async function brokenBy(bug: Planted, place: string) {
  const { search } = (await load('simulation/search.ts', bug, place)) as typeof Search
  const [what] = search(2, 2, Infinity, true).broken.keys()
  return what && `the search: ${what}`
}

/** Returns the first scenario whose bound the mistake exceeds. */
async function crossedBy(bug: Planted, place: string) {
  const { SCENARIOS, isWithin } = (await load('token/scenarios.ts', bug, place)) as typeof Scenarios
  for (const [name, scenario] of Object.entries(SCENARIOS))
    if (!(await isWithin(scenario))) return `the scenarios: ${name}`
  return undefined
}

/** Returns a finding of the seed of test/truth that plays the program with the mistake. */
async function shownBy({ by = '', ...bug }: Planted, place: string) {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), place])
  await bundleFile('../src/main.ts', join(place, 'main.js'), [plant({ by, ...bug }, root)])
  const seed = by.replace('truth ', '--seed=')
  const played = ['--import=tsx', join(root, 'test/truth/main.ts'), seed, `--program=${place}`]
  const { stdout } = spawnSync(process.execPath, played, { encoding: 'utf8' })
  const [found] = /FOUND .*/.exec(stdout) ?? []
  return found && `${by}: ${found}`
}

async function searched(): Promise<boolean> {
  const { search } = await import('./search.ts')
  let failed = 0
  for (const [replicas, faults, limit] of SEARCHES) {
    const began = performance.now()
    const { states, depth, whole, broken } = search(replicas, faults, limit)
    const took = ((performance.now() - began) / 1000).toFixed(1)
    const all = whole ? ', all there are' : ''
    print(
      `${replicas} replicas, ${faults} faults: ${states} states to depth ${depth}${all}; ${took} s`,
    )
    failed += broken.size
    for (const [what, path] of broken) print(`  BROKEN: ${[what, ...path].join('\n    ')}`)
  }
  return failed === 0
}

/** Runs the task in a process of its own, and prints lines that are not results. */
async function run(entry: string, task: Task): Promise<Result[]> {
  // Most objects die with their world. Streams read the stack of each error, which took a third of the time.
  const stacks = task.trace ? '--enable-source-maps' : '--stack-trace-limit=1'
  const flags = ['--max-semi-space-size=64', stacks]
  const child = spawn(process.execPath, [...flags, entry, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const results: Result[] = []
  createInterface(child.stdout).on('line', (line) => {
    if (!line.startsWith('RESULT ')) return print(line)
    results.push(JSON.parse(line.slice(7)) as Result)
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve(results)
      else reject(new Error(`the world ended with ${code}`))
    })
  })
}

/** Returns true if no seed has a finding. */
async function simulated(seeds: readonly number[], trace: boolean): Promise<boolean> {
  const entry = await bundle(directory)
  const again = trace ? [] : seeds.filter((seed) => seed % TWICE === 0)
  const began = performance.now()
  // Each process runs its share, and then seeds of the other process, after other seeds than there.
  const shares = Array.from({ length: PROCESSES }, (_, nth) => {
    const isOwn = (seed: number): boolean => seed % PROCESSES === nth
    return [...seeds.filter(isOwn), ...again.filter((seed) => !isOwn(seed))]
  })
  const runs = shares.map((share) => run(entry, { seeds: share, trace }))
  const results = (await Promise.all(runs)).flat()
  const first = new Map(results.toReversed().map((result) => [result.seed, result]))
  const failed = [...first.values()].filter(({ findings }) => findings.length > 0)
  failed.slice(0, SHOWN).forEach(tell)
  const unequal = results.filter(({ seed, hash }) => first.get(seed)?.hash !== hash)
  for (const { seed } of unequal) print(`seed ${seed}: two runs, two traces`)
  const took = ((performance.now() - began) / 1000).toFixed(0)
  const sum = (of: (result: Result) => number): number =>
    [...first.values()].reduce((total, result) => total + of(result), 0)
  print(
    `${first.size} seeds, ${failed.length} with a finding; ${again.length} ran twice, ${unequal.length} differ; ` +
      `${sum(({ calls }) => calls)} calls, ${sum(({ plan }) => plan.acts.length)} events; ${took} s`,
  )
  return failed.length + unequal.length === 0
}

/** Prints findings, the plan, and the command to run the seed again. */
function tell({ seed, findings, plan: { acts, ...plan } }: Result): void {
  print(`\nseed ${seed}:`)
  for (const { property, at, text } of findings.slice(0, SHOWN))
    print(`  property ${property} at ${(at / 1000).toFixed(3)} s: ${text}`)
  print(`  ${JSON.stringify(plan)}`)
  for (const act of acts) print(`  ${actText(act)}`)
  print(`  npm run simulate -- --seed ${seed} --trace`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
