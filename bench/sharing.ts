// Part of `npm run bench -- --sharing [--seconds 120]`: a hundred replicas that share one token through a real server, with
// tokens of 10 s. docs/dev/benchmarks.md explains the figures.
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from '../test/support/free-port.ts'
import { monotonic, openReplica, tokenOf, type Granted, type Replica } from './sharing-replica.ts'
import type { FromProbe, ToProbe } from './sharing-probe.ts'

const REPLICAS = 100
/** Number of replicas in separate processes; the others share one process. */
const PROBES = 4
const LIFETIME_SECONDS = 10
const KILLS = 10
const ISALES_MS = 50

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '120' } },
})
const seconds = Number(values.seconds)

const FIRST_TOKEN = tokenOf({ count: 1 })
const isales = { logins: 0, refreshes: 0, inFlight: 0, overlaps: 0, count: 0 }
const grantedAt = new Map<string, number>()
/** Called when a token request begins; if it returns true, the requesting replica dies. */
let dies: ((index: number) => boolean) | undefined

async function ask(index: number, operation: 'logins' | 'refreshes'): Promise<Granted> {
  if (dies?.(index) === true) return new Promise(() => undefined)
  if (isales.inFlight > 0) isales.overlaps += 1
  isales.inFlight += 1
  await sleep(ISALES_MS)
  isales.inFlight -= 1
  isales[operation] += 1
  isales.count += 1
  const granted = { count: isales.count }
  grantedAt.set(tokenOf(granted), monotonic())
  return granted
}

/** Milliseconds, of the replicas in one process and of the probes. */
const crowd = { adoptions: [] as number[], swaps: [] as number[] }
const probed = { adoptions: [] as number[], swaps: [] as number[] }

/** Milliseconds since iSales granted the token. Omits the first token, because some replicas are not ready for it. */
function noteAdoption(list: number[], token: string, at: number): void {
  const granted = grantedAt.get(token)
  if (granted !== undefined && token !== FIRST_TOKEN) list.push(at - granted)
}

async function startProbe(index: number, port: number): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('sharing-probe.ts', import.meta.url))
  const probe = fork(file, [String(index), String(port)])
  const ready = new Promise<void>((resolve, reject) => {
    probe.once('exit', (code) => reject(new Error(`a probe ended with ${code}`)))
    probe.on('message', (message: FromProbe) => {
      if ('ready' in message) resolve()
      if ('adopted' in message) noteAdoption(probed.adoptions, message.adopted, message.at)
      if ('swaps' in message) probed.swaps.push(...message.swaps)
      if ('asks' in message) {
        void ask(index, message.asks).then((granted) => probe.send({ granted } satisfies ToProbe))
      }
    })
  })
  await ready
  return probe
}

async function endProbe(probe: ChildProcess): Promise<void> {
  const exit = once(probe, 'exit')
  probe.send({ end: true } satisfies ToProbe)
  await exit
}

function percentile(all: readonly number[], share: number): string {
  const sorted = all.toSorted((one, other) => one - other)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return (value ?? Number.NaN).toFixed(1)
}

/** Kills the next requesting replica, ten times. Returns the maximum seconds until all others have the next token. */
async function killAskers(all: readonly Replica[]): Promise<number> {
  const recoveries: number[] = []
  const alive = [...all]
  for (let kill = 0; kill < KILLS; kill += 1) {
    const killed = await new Promise<Replica | undefined>((resolve) => {
      dies = (index) => {
        dies = undefined
        all[index]?.kill()
        resolve(all[index])
        return true
      }
    })
    const at = monotonic()
    alive.splice(
      alive.findIndex((one) => one === killed),
      1,
    )
    const { count } = isales
    const hasNewest = ({ source }: Replica): boolean =>
      source.current()?.token.reveal() === tokenOf(isales)
    while (isales.count === count || !alive.every(hasNewest)) await sleep(10)
    recoveries.push(monotonic() - at)
  }
  return Math.max(...recoveries) / 1000
}

const port = await freePort()
const server = spawn('valkey-server', ['--port', String(port), '--save', ''], { stdio: 'ignore' })
await sleep(500)
const size = REPLICAS - PROBES
const replicas = await Promise.all(
  Array.from({ length: size }, (_, index) =>
    openReplica({
      index,
      port,
      ask,
      onAdopted: (token) => noteAdoption(crowd.adoptions, token, monotonic()),
      onSwap: (ms) => crowd.swaps.push(ms),
    }),
  ),
)
const probes = await Promise.all(
  Array.from({ length: PROBES }, (_, index) => startProbe(size + index, port)),
)
await sleep(500)
const before = process.cpuUsage()
for (const { source } of replicas) source.start()
await sleep(seconds * 1000)
const cpu = process.cpuUsage(before)
const steady = { ...isales }
const crowded = { adoptions: [...crowd.adoptions], swaps: [...crowd.swaps] }
await Promise.all(probes.map(endProbe))
const recovery = await killAskers(replicas)
server.kill()

const refreshes = Math.ceil((seconds / LIFETIME_SECONDS) * 1.4)
const rows: readonly (readonly [string, string, string])[] = [
  ['logins', String(steady.logins), '1'],
  ['refreshes', String(steady.refreshes), `≤ ${refreshes}`],
  ['token requests that overlap', String(steady.overlaps), '0'],
  [
    'granted to adopted by a replica in its own process, p99, ms',
    percentile(probed.adoptions, 0.99),
    '≤ 1,250',
  ],
  [`the same of ${size} in one process`, percentile(crowded.adoptions, 0.99), ''],
  ['swap of a replica in its own process, p99, ms', percentile(probed.swaps, 0.99), '≤ 5'],
  ['p50', percentile(probed.swaps, 0.5), ''],
  [`swap of ${size} in one process, p99, ms`, percentile(crowded.swaps, 0.99), ''],
  [
    'CPU of a replica that renews every 8 s, %',
    (((cpu.user + cpu.system) / 1e6 / seconds / size) * 100).toFixed(3),
    '',
  ],
  [
    `requesting replica killed ${KILLS} times: maximum until all have the next token, s`,
    recovery.toFixed(2),
    '≤ 4',
  ],
]
process.stdout.write(`| | measured | bar |\n| --- | --- | --- |\n`)
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`)
process.stdout.write(
  `${probed.adoptions.length} and ${crowded.adoptions.length} adoptions, ${probed.swaps.length} and ${crowded.swaps.length} swaps.\n`,
)
process.exit()
