// Cost of sharing for one proxy, compared with the same proxy without a store: CPU per request, CPU and memory while
// idle.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CORES, launch, smallRequests, stopLoad } from './measure.mjs'
import { cpuMs, freePort, rssMb, start } from './process.mjs'
import { median } from './report.mjs'
import { startUpstream } from './upstream.mjs'

const WARM_SECONDS = 6
/** Seconds of load for each of the two, in turns. */
const TURNS = 30
const SETTLE_SECONDS = 10
const IDLE_SECONDS = 60
/** The memory of one process depends on when V8 has collected its garbage. */
const PAIRS = 5

const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length

/** The rows of a table: the figure, without a store, with a store, the difference and its bar. */
export const measureCost = async (node) => {
  const dir = mkdtempSync(join(tmpdir(), 'isales-bench-'))
  const upstream = await startUpstream({ dir, core: CORES.load })
  const port = await freePort()
  const command = ['valkey-server', '--port', String(port), '--save', '']
  const store = start({ name: 'store', command, dir, core: CORES.load })
  writeFileSync(join(dir, 'key'), 'k'.repeat(32))
  const sharing = {
    SESSION_STORE_URL: `valkey://127.0.0.1:${port}`,
    SESSION_STORE_KEY_FILE: join(dir, 'key'),
  }
  await sleep(500)
  const proxies = []
  try {
    for (let pair = 0; pair < PAIRS; pair += 1) {
      for (const more of [{}, sharing]) {
        const options = { name: 'this proxy', node, dir, upstream: upstream.url, more }
        proxies.push(await launch(options))
      }
    }
    const idle = await measureIdle(proxies)
    const [one, other] = proxies
    for (const proxy of [one, other]) await smallRequests(proxy, WARM_SECONDS * 1000)
    const cpu = [[], []]
    for (let turn = 0; turn < TURNS; turn += 1)
      for (const [index, proxy] of [one, other].entries())
        cpu[index].push((await smallRequests(proxy, 1000)).cpuUs)
    const [without, withStore] = cpu.map(median)
    const percent = `${((withStore / without - 1) * 100).toFixed(1)} %`
    const figures = ([first, second], digits) =>
      [first, second, second - first].map((value) => value.toFixed(digits))
    return [
      ['CPU of a request, µs', ...figures([without, withStore], 1).slice(0, 2), percent, '≤ 2 %'],
      ['CPU while idle, %', ...figures(idle.cpu, 3), '≤ 0.1'],
      ['RSS while idle, MB', ...figures(idle.rss, 1), '≤ 13'],
    ]
  } finally {
    stopLoad()
    for (const { running } of proxies) await running.stop()
    await store.stop()
    await upstream.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Returns means of the proxies without a store and with one, pairwise. */
const measureIdle = async (proxies) => {
  await sleep(SETTLE_SECONDS * 1000)
  const before = proxies.map(({ running }) => cpuMs(running))
  await sleep(IDLE_SECONDS * 1000)
  const cpu = proxies.map(({ running }, index) => cpuMs(running) - before[index])
  const rss = proxies.map(({ running }) => rssMb(running))
  const means = (values) =>
    [0, 1].map((kind) => mean(values.filter((_, index) => index % 2 === kind)))
  return { cpu: means(cpu).map((ms) => ms / (IDLE_SECONDS * 10)), rss: means(rss) }
}
