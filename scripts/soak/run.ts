// npm run soak -- [--minutes N] [--seed N] [--replicas N --store]
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSimulator, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { play } from './acts.ts'
import {
  isWithin,
  judge,
  type Attempt,
  type Sample,
  type Span,
  type TokenRequest,
} from './judge.ts'
import { plan, planForReplicas } from './plan.ts'
import { mountSecret, startProxy, type Proxy } from './proxy.ts'
import { startStore, type Store } from './store.ts'
import { report } from './report.ts'
import { runTraffic } from './traffic.ts'

const PASSWORD = 'soak'
const USER = 'obs'
const SAMPLE_INTERVAL = 1000
const root = fileURLToPath(new URL('../..', import.meta.url))

interface Options {
  readonly minutes: number
  readonly seed: number
  readonly replicas: number
  /** The replicas share a token through a real valkey-server, and iSales allows one session. */
  readonly store: boolean
}

/** What the command line asks for; undefined when it asks for what cannot be. */
function optionsOf(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        replicas: { type: 'string' },
        store: { type: 'boolean', default: false },
      },
    })
    const minutes = Number(values.minutes ?? 1)
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
    const replicas = Number(values.replicas ?? (values.store ? 3 : 1))
    const isValid = minutes >= 0.25 && minutes <= 10_000 && Number.isInteger(seed)
    const isCount = Number.isInteger(replicas) && replicas >= 1 && replicas <= 9
    // Replicas that do not share are not what the plan is about.
    if (!isValid || !isCount || (replicas > 1 && !values.store)) return undefined
    return { minutes, seed, replicas, store: values.store }
  } catch {
    return undefined
  }
}

/** A directory that is removed when the process ends, with the built proxy in it. */
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

/** Runs the soak and prints its report; returns the exit code. */
async function soak({ minutes, seed, ...options }: Options): Promise<number> {
  const dir = await build()
  const begin = performance.now()
  const now = (): number => performance.now() - begin
  const executions = new Map<string, number>()
  const tokenRequests: TokenRequest[] = []
  const isales = await createSimulator({
    switches: { user: USER, password: PASSWORD, singleSession: options.store },
    onRequest: ({ path, status, note, durationMs }) => {
      if (path !== LOGIN_PATH && path !== REFRESH_PATH) return
      const granted = status === 200 && /^token granted(?:, fault slow)?$/.test(note)
      if (!granted && !/fault|ignored|wrong password/.test(note)) return
      tokenRequests.push({ from: now() - durationMs, to: now(), granted })
    },
    onExecution: ({ id = '' }) => executions.set(id, (executions.get(id) ?? 0) + 1),
  })
  await mkdir(join(dir, 'secret'))
  const secret = mountSecret(join(dir, 'secret'), PASSWORD)
  const holdOffs: Span[] = []
  const store = options.store ? await startStore() : undefined
  const proxies: Proxy[] = []
  for (let index = 0; index < options.replicas; index += 1) {
    proxies.push(
      await startProxy({
        program: join(dir, 'dist', 'main.js'),
        env: {
          ISALES_URL: isales.origin,
          ISALES_USER: USER,
          ISALES_PASSWORD_FILE: secret.file,
          ADMIN_LISTEN: '127.0.0.1:0',
          ...(store === undefined ? {} : await shared(dir, store)),
        },
        onConflict: (holdOff) => holdOffs.push({ from: now(), to: now() + holdOff }),
      }),
    )
  }
  try {
    const attempts: Attempt[] = []
    const over = new AbortController()
    const samples = watch(proxies, over.signal)
    const traffic = runTraffic({
      proxies: proxies.map(({ origin }) => origin),
      now,
      record: (attempt) => attempts.push(attempt),
      signal: over.signal,
    })
    const duration = minutes * 60_000
    const acts = options.store ? planForReplicas(seed, duration) : plan(seed, duration)
    const played = await play(acts, { isales, proxies, store, secret, now })
    await delay(Math.max(0, duration - now()))
    over.abort()
    await traffic
    await stopAll(proxies)
    const judgement = judge({
      attempts,
      executions,
      ...played,
      // What became of the rival's login says nothing of the proxy's.
      tokenRequests: tokenRequests.filter((one) => one.granted || !isWithin(one, played.rivals)),
      holdOffs,
      samples: await samples,
      locks: isales.state().locks,
      exits: proxies.flatMap(({ exits }) => exits),
    })
    const events = sumOf(proxies.map((one) => one.events))
    const run = { minutes, seed, judgement, isales: isales.state(), played, events }
    process.stdout.write(report(run))
    if (judgement.failures.length === 0) return 0
    for (const attempt of judgement.examples) process.stdout.write(`${JSON.stringify(attempt)}\n`)
    return 1
  } finally {
    await stopAll(proxies)
    store?.stop()
    await isales.close()
  }
}

/** The settings of a replica that shares. */
async function shared(dir: string, { port }: Store): Promise<Readonly<Record<string, string>>> {
  const file = join(dir, 'store-key')
  await writeFile(file, 'soak'.repeat(8))
  return { SESSION_STORE_URL: `valkey://127.0.0.1:${port}`, SESSION_STORE_KEY_FILE: file }
}

async function stopAll(proxies: readonly Proxy[]): Promise<void> {
  await Promise.all(proxies.map((proxy) => proxy.stop()))
}

function sumOf(counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>()
  for (const [event, times] of counts.flatMap((count) => [...count])) {
    sum.set(event, (sum.get(event) ?? 0) + times)
  }
  return sum
}

/** The mean of the proxies; NaN while one of them restarts. */
async function watch(proxies: readonly Proxy[], signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  const mean = (all: readonly Sample[], of: keyof Sample): number =>
    all.reduce((sum, one) => sum + one[of], 0) / all.length
  while (!signal.aborted) {
    const all = proxies.map((proxy) => proxy.sample())
    samples.push({ rssMb: mean(all, 'rssMb'), handles: mean(all, 'handles') })
    await delay(SAMPLE_INTERVAL)
  }
  return samples
}

const options = optionsOf(process.argv.slice(2))
if (options === undefined) {
  process.stderr.write('usage: npm run soak -- [--minutes N] [--seed N] [--replicas N --store]\n')
  process.exitCode = 2
} else {
  const { minutes, seed, replicas } = options
  process.stdout.write(`soak: ${minutes} min, seed ${seed}, replicas ${replicas}\n`)
  process.exitCode = await soak(options)
}
