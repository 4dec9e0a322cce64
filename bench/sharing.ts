// `npm run bench -- --sharing [--seconds 120]`: a hundred token sources that share one token through a real server,
// with tokens of 10 s. docs/benchmarks.md says what is measured.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { systemClock, type Clock } from '../src/clock.ts'
import { Secret } from '../src/config/secret.ts'
import { createSeal } from '../src/sharing/seal.ts'
import { createShare } from '../src/sharing/share.ts'
import { createValkeyStore } from '../src/sharing/valkey.ts'
import type { Grant } from '../src/token/protocol.ts'
import { createTokenSource, type TokenSource } from '../src/token/source.ts'
import { freePort } from '../test/support/free-port.ts'
import { RULES } from '../test/token/support.ts'

const REPLICAS = 100
const LIFETIME = 10_000
const KILLS = 10
const ISALES_MS = 50

const { values } = parseArgs({
  options: { sharing: { type: 'boolean' }, seconds: { type: 'string', default: '120' } },
})

const isales = { logins: 0, refreshes: 0, inFlight: 0, overlaps: 0, count: 0 }
const grantedAt = new Map<string, number>()
/** Called when a token request begins; true: whoever asks dies now. */
let dies: ((index: number) => boolean) | undefined

async function ask(index: number, operation: 'logins' | 'refreshes'): Promise<Grant> {
  if (dies?.(index) === true) return new Promise(() => undefined)
  if (isales.inFlight > 0) isales.overlaps += 1
  isales.inFlight += 1
  await sleep(ISALES_MS)
  isales.inFlight -= 1
  isales[operation] += 1
  isales.count += 1
  const token = `token-${isales.count}`
  grantedAt.set(token, performance.now())
  return {
    token: new Secret(token),
    lifetime: { ms: LIFETIME, assumed: false },
    refreshToken: new Secret(`refresh-${isales.count}`),
    refreshLifetime: { ms: 3_600_000, assumed: false },
  }
}

const adoptions: number[] = []
const claims: number[] = []

interface Replica {
  readonly source: TokenSource
  /** As when its process is killed: nothing of it happens any more. */
  readonly kill: () => void
  readonly stop: () => Promise<void>
}

async function openReplica(index: number, port: number): Promise<Replica> {
  let dead = false
  const clock: Clock = {
    now: () => systemClock.now(),
    setTimer: (run, ms) => systemClock.setTimer(() => (dead ? undefined : run()), ms),
  }
  const seal = createSeal(new Secret('k'.repeat(32)), { origin: 'https://isales', user: 'obs' })
  const store = await createValkeyStore({
    servers: [{ host: '127.0.0.1', port }],
    database: 0,
    user: undefined,
    password: undefined,
    sentinel: undefined,
    tls: undefined,
    timeout: 500,
    prefix: `bench:{${seal.place}}:`,
    clock,
    random: Math.random,
    observe({ operation, durationMs }) {
      if (operation === 'claim') claims.push(durationMs)
    },
  })
  const share = createShare({
    store,
    seal,
    rules: RULES,
    processId: String(index).padStart(16, 'p'),
    clock,
    random: Math.random,
    observe: () => undefined,
  })
  const source = createTokenSource({
    rules: RULES,
    waiters: 10,
    clock,
    random: Math.random,
    client: { login: () => ask(index, 'logins'), refresh: () => ask(index, 'refreshes') },
    credentials: { user: 'obs', password: new Secret('p') },
    refusals: { find: () => undefined, add: () => undefined, remove: () => undefined },
    obtain: share.obtain,
    observe(event) {
      share.onTokenEvent(event)
      const at = event.type === 'adopted' && grantedAt.get(event.session.token.reveal())
      if (typeof at === 'number') adoptions.push(performance.now() - at)
    },
  })
  share.start(source)
  return {
    source,
    kill() {
      dead = true
      store.stop()
    },
    async stop() {
      source.stop()
      await share.stop()
    },
  }
}

function percentile(all: readonly number[], share: number): number {
  const sorted = all.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const port = await freePort()
const server = spawn('valkey-server', ['--port', String(port), '--save', ''], { stdio: 'ignore' })
await sleep(500)
const replicas = await Promise.all(
  Array.from({ length: REPLICAS }, (_, index) => openReplica(index, port)),
)
await sleep(500)
const before = process.cpuUsage()
const seconds = Number(values.seconds)
for (const { source } of replicas) source.start()
await sleep(seconds * 1000)
const cpu = process.cpuUsage(before)
const steady = { ...isales }
const rows: [string, string, string][] = [
  ['logins', String(steady.logins), '1'],
  ['refreshes', String(steady.refreshes), `≤ ${Math.ceil((seconds / (LIFETIME / 1000)) * 1.4)}`],
  ['token requests that overlap', String(steady.overlaps), '0'],
  ['granted to adopted, p99, ms', percentile(adoptions, 0.99).toFixed(1), '≤ 50'],
  ['claim, p99, ms', percentile(claims, 0.99).toFixed(1), '≤ 5'],
  [
    'CPU of a replica that renews each 8 s, %',
    (((cpu.user + cpu.system) / 1e6 / seconds / REPLICAS) * 100).toFixed(3),
    '',
  ],
]

/** Whoever asks next is killed; milliseconds until the others have the next token. */
const recoveries: number[] = []
const alive = [...replicas]
for (let kill = 0; kill < KILLS; kill += 1) {
  const killed = new Promise<number>((resolve) => {
    dies = (index) => {
      dies = undefined
      replicas[index]?.kill()
      resolve(index)
      return true
    }
  })
  const index = await killed
  const at = performance.now()
  alive.splice(
    alive.findIndex((one) => one === replicas[index]),
    1,
  )
  const count = isales.count
  while (isales.count === count || !alive.every(({ source }) => hasNewest(source))) await sleep(10)
  recoveries.push(performance.now() - at)
}
rows.push([
  `the one that asks killed ${KILLS} times: all have the next token, most, s`,
  (Math.max(...recoveries) / 1000).toFixed(2),
  '≤ 4',
])

function hasNewest(source: TokenSource): boolean {
  return source.atHand()?.token.token.reveal() === `token-${isales.count}`
}

await Promise.all(alive.map((one) => one.stop()))
server.kill()
process.stdout.write(`| | measured | bar |\n| --- | --- | --- |\n`)
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`)
process.exit()
