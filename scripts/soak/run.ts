// npm run soak -- [--minutes N] [--seed N]
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
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
import { plan } from './plan.ts'
import { mountSecret, startProxy, type Proxy } from './proxy.ts'
import { report } from './report.ts'
import { runTraffic } from './traffic.ts'

const PASSWORD = 'soak'
const USER = 'obs'
const SAMPLE_INTERVAL = 1000
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What the command line asks for; undefined when it asks for what cannot be. */
function optionsOf(
  args: string[],
): { readonly minutes: number; readonly seed: number } | undefined {
  try {
    const options = { minutes: { type: 'string' }, seed: { type: 'string' } } as const
    const { values } = parseArgs({ args, options })
    const minutes = Number(values.minutes ?? 1)
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
    const isValid = minutes >= 0.25 && minutes <= 10_000 && Number.isInteger(seed)
    return isValid ? { minutes, seed } : undefined
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
async function soak(minutes: number, seed: number): Promise<number> {
  const dir = await build()
  const begin = performance.now()
  const now = (): number => performance.now() - begin
  const executions = new Map<string, number>()
  const tokenRequests: TokenRequest[] = []
  const isales = await createSimulator({
    switches: { user: USER, password: PASSWORD },
    onRequest: ({ path, status, note, durationMs }) => {
      if (path !== LOGIN_PATH && path !== REFRESH_PATH) return
      const granted = status === 200 && /^token granted(?:, fault slow)?$/.test(note)
      if (!granted && !/fault|ignored/.test(note)) return
      tokenRequests.push({ from: now() - durationMs, to: now(), granted })
    },
    onExecution: ({ id = '' }) => executions.set(id, (executions.get(id) ?? 0) + 1),
  })
  await mkdir(join(dir, 'secret'))
  const secret = mountSecret(join(dir, 'secret'), PASSWORD)
  const holdOffs: Span[] = []
  const proxy = await startProxy({
    program: join(dir, 'dist', 'main.js'),
    env: {
      ISALES_URL: isales.origin,
      ISALES_USER: USER,
      ISALES_PASSWORD_FILE: secret.file,
      ADMIN_LISTEN: '127.0.0.1:0',
    },
    onConflict: (holdOff) => holdOffs.push({ from: now(), to: now() + holdOff }),
  })
  try {
    const attempts: Attempt[] = []
    const over = new AbortController()
    const samples = watch(proxy, over.signal)
    const traffic = runTraffic({
      proxy: proxy.origin,
      now,
      record: (attempt) => attempts.push(attempt),
      signal: over.signal,
    })
    const played = await play(plan(seed, minutes * 60_000), { isales, proxy, secret, now })
    await delay(Math.max(0, minutes * 60_000 - now()))
    over.abort()
    await traffic
    await proxy.stop()
    const judgement = judge({
      attempts,
      executions,
      ...played,
      // What became of the rival's login says nothing of the proxy's.
      tokenRequests: tokenRequests.filter((one) => one.granted || !isWithin(one, played.rivals)),
      holdOffs,
      samples: await samples,
      locks: isales.state().locks,
      exits: proxy.exits,
    })
    const { events } = proxy
    const run = { minutes, seed, judgement, isales: isales.state(), played, events }
    process.stdout.write(report(run))
    if (judgement.failures.length === 0) return 0
    for (const attempt of judgement.examples) process.stdout.write(`${JSON.stringify(attempt)}\n`)
    return 1
  } finally {
    await proxy.stop()
    await isales.close()
  }
}

async function watch(proxy: Proxy, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  while (!signal.aborted) {
    samples.push(proxy.sample())
    await delay(SAMPLE_INTERVAL)
  }
  return samples
}

const options = optionsOf(process.argv.slice(2))
if (options === undefined) {
  process.stderr.write('usage: npm run soak -- [--minutes N] [--seed N]\n')
  process.exitCode = 2
} else {
  const { minutes, seed } = options
  process.stdout.write(`soak: ${minutes} min, seed ${seed}\n`)
  process.exitCode = await soak(minutes, seed)
}
