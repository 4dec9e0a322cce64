// What sharing costs one proxy, beside the same proxy without a store: CPU of a request, CPU and memory while idle.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, smallRequests } from './measure.mjs'
import { cpuMs, freePort, rssMb, start } from './process.mjs'
import { startUpstream } from './upstream.mjs'

const CORES = { load: 0, proxy: 1 }
const WARM_SECONDS = 6
/** Seconds of load for each of the two, in turns. */
const TURNS = 30
const SETTLE_SECONDS = 10
const IDLE_SECONDS = 60

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

/** The rows of a table: what is measured, without a store, with one, the difference and its bar. */
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
    for (const more of [{}, sharing]) {
      const options = { name: 'this proxy', node, dir, cores: CORES, upstream: upstream.url, more }
      proxies.push(await launch(options))
    }
    const idle = await measureIdle(proxies)
    for (const proxy of proxies) await smallRequests(proxy, WARM_SECONDS)
    const cpu = [[], []]
    for (let turn = 0; turn < TURNS; turn += 1)
      for (const [index, proxy] of proxies.entries())
        cpu[index].push((await smallRequests(proxy, 1)).cpuUs)
    const [without, withStore] = cpu.map(median)
    const percent = ((withStore / without - 1) * 100).toFixed(1)
    const figures = ([one, other], digits) =>
      [one, other, other - one].map((value) => value.toFixed(digits))
    const [one, other] = figures([without, withStore], 1)
    return [
      ['CPU of a request, µs', one, other, `${percent} %`, '≤ 2 %'],
      ['CPU while idle, %', ...figures(idle.cpu, 3), '≤ 0.1'],
      ['RSS while idle, MB', ...figures(idle.rss, 1), '≤ 13'],
    ]
  } finally {
    for (const { running } of proxies) await running.stop()
    await store.stop()
    await upstream.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

const measureIdle = async (proxies) => {
  await sleep(SETTLE_SECONDS * 1000)
  const before = proxies.map(({ running }) => cpuMs(running))
  await sleep(IDLE_SECONDS * 1000)
  const used = proxies.map(({ running }, index) => cpuMs(running) - before[index])
  return {
    cpu: used.map((ms) => ms / (IDLE_SECONDS * 10)),
    rss: proxies.map(({ running }) => rssMb(running)),
  }
}
