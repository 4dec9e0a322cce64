import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { judge, type Attempt, type Sample, type Span } from './judge.ts'
import { plan, type Act } from './plan.ts'
import { mountSecret, startIsales, startProxy, type Proxy } from './processes.ts'
import { report } from './report.ts'
import { play, USER } from './stage.ts'
import { runTraffic } from './traffic.ts'

const USAGE = 'usage: npm run soak -- [--minutes N] [--seed N]\n'
const PASSWORD = 'soak'
const SAMPLE_EACH = 1000

/** Runs the soak with what was built into `dir`; answers the exit code. */
export async function soak(args: readonly string[], dir: string): Promise<number> {
  const wish = wishOf(args)
  if (wish === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  const { minutes, seed } = wish
  process.stdout.write(`soak: ${minutes} min, seed ${seed}\n`)
  const acts = plan(seed, minutes * 60_000)
  const { text, passed, attempts } = await perform({ minutes, seed, acts, dir })
  process.stdout.write(text)
  if (!passed) process.stdout.write(`${suspects(attempts)}\n`)
  return passed ? 0 : 1
}

interface Wish {
  readonly minutes: number
  readonly seed: number
}

function wishOf(args: readonly string[]): Wish | undefined {
  try {
    const options = { minutes: { type: 'string' }, seed: { type: 'string' } } as const
    const { values } = parseArgs({ args: [...args], options })
    const minutes = Number(values.minutes ?? 1)
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
    return minutes >= 0.25 && minutes <= 10_000 && Number.isInteger(seed)
      ? { minutes, seed }
      : undefined
  } catch {
    return undefined
  }
}

interface Performance extends Wish {
  readonly acts: readonly Act[]
  readonly dir: string
}

async function perform({ minutes, seed, acts, dir }: Performance) {
  const begin = performance.now()
  const now = (): number => performance.now() - begin
  const mount = join(dir, 'secret')
  await mkdir(mount)
  const secret = mountSecret(mount, PASSWORD)
  const isales = await startIsales(join(dir, 'isales.mjs'))
  await isales.control('set', { user: USER, password: PASSWORD })
  const holdOffs: Span[] = []
  const proxy = await startProxy({
    program: join(dir, 'dist', 'main.js'),
    env: {
      ISALES_URL: isales.origin,
      ISALES_USER: USER,
      ISALES_PASSWORD_FILE: secret.file,
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
    },
    onConflict: (holdOff) => holdOffs.push({ from: now(), to: now() + holdOff }),
  })
  try {
    const attempts: Attempt[] = []
    const over = new AbortController()
    const samples = watchProcess(proxy, over.signal)
    const traffic = runTraffic({
      proxy: proxy.origin,
      now,
      record: (attempt) => attempts.push(attempt),
      signal: over.signal,
    })
    const played = await play(acts, { isales, proxy, secret, now, password: PASSWORD })
    await delay(Math.max(0, minutes * 60_000 - now()))
    over.abort()
    await traffic
    const proxyExit = await proxy.stop()
    await isales.flush()
    const judgement = judge({
      attempts,
      executions: isales.executions,
      ...played,
      holdOffs,
      samples: await samples,
      locks: isales.state().locks,
      proxyExit,
    })
    const { events } = proxy
    const text = report({ minutes, seed, judgement, isales: isales.state(), played, events })
    return { text, passed: judgement.faults.length === 0, attempts }
  } finally {
    await proxy.stop()
    isales.stop()
  }
}

async function watchProcess(proxy: Proxy, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  while (!signal.aborted) {
    samples.push(proxy.sample())
    await delay(SAMPLE_EACH)
  }
  return samples
}

/** The rejections that clients saw, for whoever has to find out why. */
function suspects(attempts: readonly Attempt[]): string {
  const seen = attempts.filter(({ status }) => status === 401 || status === 403)
  return seen
    .slice(0, 20)
    .map((attempt) => JSON.stringify(attempt))
    .join('\n')
}
