// npm run simulate -- [--seeds N] [--from N] [--minutes N] [--rate N] | --seed N [--trace] | --planted [NAME] | --search
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle, bundleFile, root } from './build.ts'
import { actText } from './acts.ts'
import { misfits, plant, PLANTED, type Planted } from './planted.ts'
import type * as Scenarios from '../token/scenarios.ts'
import type * as Search from './search.ts'
import { shrink } from './shrink.ts'
import type { Result, Task } from './worker.ts'

const PROCESSES = 2
/** Each seed that this divides runs once more, in another process. */
const TWICE = 10
/** Findings that are shown. */
const SHOWN = 8

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '3' },
    rate: { type: 'string' },
    trace: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    search: { type: 'boolean', default: false },
  },
})

const rate = values.rate === undefined ? undefined : Number(values.rate)
const given = { minutes: Number(values.minutes), rate }

/** Of the exhaustive search: replicas, the most faults on one path, and its most steps. */
const SEARCHES = [
  [2, 2, 24],
  [3, 1, Infinity],
  [3, 2, 10],
] as const

const directory = await makeDirectory()
const entry = values.planted || values.search ? '' : await bundle(directory)
process.exitCode = await choose()

function choose(): Promise<number> {
  if (values.search) return searched()
  if (values.planted) return planted()
  return values.seed === undefined ? many() : one(Number(values.seed))
}

/** Each planted bug must be found; two are tried at a time. */
async function planted(): Promise<number> {
  const unfit = misfits(root)
  for (const name of unfit) print(`does not fit the program any more: ${name}`)
  if (unfit.length > 0) return 1
  // Of a name, such as `budget`, a part will do.
  const chosen = PLANTED.filter(({ name }) => name.includes(positionals[0] ?? ''))
  const waiting = [...chosen]
  const seeds = Array.from({ length: Number(values.seeds) }, (_, nth) => nth + 1)
  let missed = 0
  const worker = async (): Promise<void> => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      if (bug.by !== undefined) {
        const find = bug.by === 'search' ? brokenBy : crossedBy
        const broken = await find(bug, join(directory, String(waiting.length)))
        if (broken === undefined) missed += 1
        print(`${bug.name}: ${broken ?? 'NOT FOUND'}`)
        continue
      }
      const built = await bundle(join(directory, String(waiting.length)), [plant(bug, root)])
      const task = { seeds, ...given, untilFinding: true }
      const [last] = (await runAll(task, built)).slice(-1)
      const [finding] = last?.findings ?? []
      if (finding === undefined) missed += 1
      const how =
        finding === undefined
          ? 'NOT FOUND'
          : `seed ${last?.seed}, judgement ${finding.judgement}: ${finding.text.slice(0, 80)}`
      print(`${bug.name}: ${how}`)
    }
  }
  await Promise.all(Array.from({ length: PROCESSES }, worker))
  print(`${chosen.length} planted bugs, ${missed} not found`)
  return missed === 0 ? 0 : 1
}

/** What the exhaustive search finds of it. */
async function brokenBy(bug: Planted, place: string): Promise<string | undefined> {
  const file = await bundleFile('simulation/search.ts', place, [plant(bug, root)])
  const built = (await import(pathToFileURL(file).href)) as typeof Search
  const [what] = built.search(2, 2, Infinity, true).broken.keys()
  return what && `the search: ${what}`
}

/** The first scenario whose bound it crosses. */
async function crossedBy(bug: Planted, place: string): Promise<string | undefined> {
  const file = await bundleFile('token/scenarios.ts', place, [plant(bug, root)])
  const { SCENARIOS, isWithin } = (await import(pathToFileURL(file).href)) as typeof Scenarios
  for (const [name, scenario] of Object.entries(SCENARIOS))
    if (!(await isWithin(scenario))) return `the scenarios: ${name}`
  return undefined
}

async function searched(): Promise<number> {
  const { search } = await import('./search.ts')
  let failed = 0
  for (const [replicas, faults, limit] of SEARCHES) {
    const began = performance.now()
    const { states, depth, whole, broken, deadRecord = [] } = search(replicas, faults, limit)
    const took = ((performance.now() - began) / 1000).toFixed(1)
    print(
      `${replicas} replicas, ${faults} faults: ${states} states to depth ${depth}${whole ? ', all there are' : ''}; ${took} s`,
    )
    failed += broken.size
    for (const [what, path] of broken) print(`  BROKEN: ${what}\n    ${path.join('\n    ')}`)
    if (deadRecord.length > 0)
      print(
        `  known: a record that is dead until a call is rejected\n    ${deadRecord.join('\n    ')}`,
      )
  }
  return failed === 0 ? 0 : 1
}

async function makeDirectory(): Promise<string> {
  await mkdir(join(root, '.tmp'), { recursive: true })
  const made = mkdtempSync(join(root, '.tmp', 'simulation-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  return made
}

/** Runs the task in a process of its own; what it prints beside its results goes to `onLine`. */
function run(
  task: Task,
  onResult: (result: Result) => void,
  { program = entry, onLine = ignore }: { program?: string; onLine?: (line: string) => void } = {},
): Promise<void> {
  // Most of what a world makes ends with it. Streams read the stack of each error that ends them, which took a third of the time.
  const stacks = task.trace ? '--enable-source-maps' : '--stack-trace-limit=1'
  const flags = ['--max-semi-space-size=64', stacks]
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface(child.stdout).on('line', (line) => {
    if (line.startsWith('RESULT ')) onResult(JSON.parse(line.slice(7)) as Result)
    else onLine(line)
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the world ended with ${code}`))
    })
  })
}

async function runAll(task: Task, program = entry): Promise<Result[]> {
  const results: Result[] = []
  await run(task, (result) => results.push(result), { program })
  return results
}

async function one(seed: number): Promise<number> {
  const found: Result[] = []
  const task = { seeds: [seed], ...given, trace: values.trace }
  await run(task, (result) => found.push(result), { onLine: print })
  for (const result of found) await tell(result)
  return found.every(({ findings }) => findings.length === 0) ? 0 : 1
}

async function many(): Promise<number> {
  const [count, from] = [Number(values.seeds), Number(values.from)]
  const seeds = Array.from({ length: count }, (_, nth) => from + nth)
  const again = seeds.filter((seed) => seed % TWICE === 0)
  const began = performance.now()
  const results: Result[] = []
  // Each runs its share, and then some of the others': other seeds came before them in that process.
  const shares = Array.from({ length: PROCESSES }, (_, nth) => {
    const isOwn = (seed: number): boolean => seed % PROCESSES === nth
    const mine = seeds.filter(isOwn)
    return [...mine, ...again.filter((seed) => !isOwn(seed))]
  })
  const onResult = (result: Result): void => {
    const [finding] = result.findings
    results.push(result)
    if (finding !== undefined)
      print(`seed ${result.seed}: judgement ${finding.judgement}: ${finding.text}`)
  }
  await Promise.all(shares.map((share) => run({ seeds: share, ...given }, onResult)))
  const first = new Map(results.toReversed().map((result) => [result.seed, result]))
  const failed = [...first.values()].filter(({ findings }) => findings.length > 0)
  const unequal = results.filter(({ seed, hash }) => first.get(seed)?.hash !== hash)
  for (const { seed } of unequal) print(`seed ${seed}: two runs, two traces`)
  const took = (performance.now() - began) / 1000
  for (const result of failed.slice(0, SHOWN)) await tell(result)
  const sum = (of: (result: Result) => number): number =>
    [...first.values()].reduce((total, result) => total + of(result), 0)
  print(
    `${first.size} seeds, ${failed.length} with a finding; ${again.length} ran twice, ${unequal.length} differ; ${took.toFixed(0)} s, ` +
      `${sum(({ counts }) => counts.calls)} calls, ${sum(({ plan }) => plan.acts.length)} acts, ` +
      `${sum(({ counts }) => counts.succeeded)} succeeded, ${sum(({ counts }) => counts.problems)} problems, ` +
      `${sum(({ counts }) => counts.secondRejections)} second rejections`,
  )
  return failed.length === 0 && unequal.length === 0 ? 0 : 1
}

/** What was found, the plan cut down to what matters, and how to see it again. */
async function tell(result: Result): Promise<void> {
  const { seed, findings } = result
  if (findings.length === 0) {
    print(`seed ${seed}: nothing found, ${JSON.stringify(result.counts)}, trace ${result.hash}`)
    return
  }
  print(`\nseed ${seed}:`)
  for (const { judgement, at, text } of findings.slice(0, SHOWN))
    print(`  judgement ${judgement} at ${(at / 1000).toFixed(3)} s: ${text}`)
  const shrunk = await shrink(
    result,
    async (plan) => (await runAll({ seeds: [seed], minutes: 0, plan }))[0],
  )
  const { replicas, shared, singleSession, switches, env } = shrunk.plan
  print(
    `  ${replicas} replicas${shared ? ', shared' : ''}${singleSession ? ', one session' : ''}; ${JSON.stringify(switches)} ${JSON.stringify(env)}`,
  )
  for (const act of shrunk.plan.acts) print(`  ${actText(act)}`)
  print(
    `  npm run simulate -- --seed ${seed} --minutes ${values.minutes} ${rate === undefined ? '' : `--rate ${rate} `}--trace`,
  )
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function ignore(): void {}
