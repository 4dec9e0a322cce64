// npm run soak -- [--minutes N] [--seed N] [--replicas N]
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSimulator } from '../../simulator/index.ts'
import { createJudge } from '../../test/simulation/judge.ts'
import { planOf } from '../../test/simulation/plan.ts'
import { judgeExecution, judgeRequest, play } from '../../test/simulation/play.ts'
import { FIRST_PASSWORD } from '../../test/simulation/stage.ts'
import { judgeGrowth, report } from './report.ts'
import { openWorld, type Sample } from './world.ts'

/** Total calls per second. */
const RATE = 40
/** CLIENT_DEADLINE plus a margin for a busy machine, in milliseconds. */
const DEADLINE = 2800 + 2200
const SAMPLE_INTERVAL = 1000
const root = fileURLToPath(new URL('../..', import.meta.url))

interface Options {
  readonly minutes: number
  readonly seed: number
  /** If more than one, the replicas share a token through a real valkey-server. */
  readonly replicas: number
}

/** Parses the command line; undefined if an option is invalid. */
function optionsOf(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        replicas: { type: 'string' },
      },
    })
    const minutes = Number(values.minutes ?? 1)
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
    const replicas = Number(values.replicas ?? 1)
    const isValid = minutes >= 0.25 && minutes <= 10_000 && Number.isInteger(seed)
    const isCount = Number.isInteger(replicas) && replicas >= 1 && replicas <= 9
    return isValid && isCount ? { minutes, seed, replicas } : undefined
  } catch {
    return undefined
  }
}

/** Builds the proxy in a directory that is removed when the process ends. */
async function build(): Promise<string> {
  await mkdir(join(root, '.tmp'), { recursive: true })
  const dir = await mkdtemp(join(root, '.tmp', 'soak-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  const program = [join(root, 'scripts', 'build.mjs'), join(dir, 'dist')]
  const built = spawnSync(process.execPath, program, { stdio: 'inherit' })
  if (built.status !== 0) throw new Error('the proxy could not be built')
  return dir
}

/** Plays the seed's plan, prints the results, and returns the exit code. */
async function soak({ minutes, seed, replicas }: Options): Promise<number> {
  const directory = await build()
  const plan = planOf(seed, minutes, { rate: RATE, replicas })
  const began = performance.now()
  const time = (): number => performance.now() - began
  const findings: string[] = []
  const judge = createJudge(plan, DEADLINE, ({ property, at, text }) => {
    findings.push(`property ${property} at ${(at / 1000).toFixed(3)} s: ${text}`)
  })
  const isales = await createSimulator({
    switches: { user: 'obs', password: FIRST_PASSWORD, lockAfter: 0 },
    onRequest(seen) {
      judgeRequest(judge, { seen, to: time(), password: opened.passwordInFile() }, plan)
    },
    onExecution: (record) => judgeExecution(judge, record, time()),
  })
  const opened = await openWorld({
    directory,
    program: join(directory, 'dist', 'main.js'),
    replicas,
    env: plan.env,
    isales,
    machine: {
      time,
      later: (ms, run) => void setTimeout(run, ms),
      enter: (act) => act(),
    },
    onFinding: (property, text) => judge.find(property, time(), text),
  })
  const samples: Sample[] = []
  const sampling = setInterval(() => {
    if (time() < plan.duration) samples.push(opened.sample())
  }, SAMPLE_INTERVAL)
  try {
    for (const { until, end } of play(plan, opened.world, judge))
      while (!until() && time() < end) await delay(Math.min(20, Math.max(1, end - time())))
  } finally {
    clearInterval(sampling)
    opened.close()
    await isales.close()
  }
  for (const text of judgeGrowth(samples)) judge.find(12, time(), text)
  const calls = judge.calls()
  const state = isales.state()
  process.stdout.write(report({ plan, calls, state, events: opened.events, samples, findings }))
  return findings.length === 0 ? 0 : 1
}

const options = optionsOf(process.argv.slice(2))
if (options === undefined) {
  process.stderr.write('usage: npm run soak -- [--minutes N] [--seed N] [--replicas N]\n')
  process.exitCode = 2
} else {
  const { minutes, seed, replicas } = options
  process.stdout.write(`soak: ${minutes} min, seed ${seed}, replicas ${replicas}\n`)
  process.exit(await soak(options))
}
