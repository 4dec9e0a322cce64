// Measures several proxies side by side, in paired bursts. Two processes of one program differ by up to 5 %, however
// long they run, and other work of the machine varies. Therefore every ratio compares bursts that follow each
// other within a second, a start's ratio is the median of its rounds, and a figure is the median of several starts, shown
// with the minimum and the maximum.
import { setTimeout as sleep } from 'node:timers/promises'
import { bigResponses, burstMs, sideBySide, slowestCall, smallRequests } from './measure.mjs'
import { rssMb } from './process.mjs'
import { median, shuffled } from './report.mjs'

/** V8 compiles the code of a proxy, on other threads, for its first five seconds under load. */
const WARM_MS = 5000
/** The first burst with more connections also opens them, and is not counted. */
const SETTLE_MS = 400
const IDLE_MS = 500
const DOWNLOADS = 3
/** Ms on a machine without other work. */
const SLOWEST_BAR = 15

/** Figure, upstream, connections; each is CPU in µs for a call. */
export const LOADS = [
  ['64 connections', 'plain', 64],
  ['1 connection', 'plain', 1],
  ['256 connections', 'plain', 256],
  ['1,000 connections', 'plain', 1000],
  ['HTTPS', 'tls', 64],
]

/**
 * Samples `{ figure, label, start, round, value }`. `subjects(kind, figure)` says what is measured with an upstream, or
 * with one of its figures: `label`, `name`, and `built` for another build of this proxy. `isEnough` is asked after every
 * start; `loads`, `warmMs` and `downloads` are for runs that need less than everything.
 */
export const measurePairs = async ({
  subjects,
  isEnough,
  bursts,
  loads = LOADS,
  warmMs = WARM_MS,
  downloads = DOWNLOADS,
  say,
  ...bench
}) => {
  const samples = []
  for (let start = 1; start === 1 || !isEnough(samples, start - 1); start += 1) {
    for (const kind of new Set(loads.map(([, needs]) => needs))) {
      const record = ({ label }, figure, round, value) =>
        samples.push({ figure, label, start, round, value })
      const order = { ...bench, upstream: bench.urls[kind] }
      const orders = subjects(kind).map((subject) => Object.assign({}, order, subject))
      const measured = (proxies, figure) => {
        const labels = new Set(subjects(kind, figure).map(({ label }) => label))
        return proxies.filter(({ label }) => labels.has(label))
      }
      await sideBySide(orders, async (proxies) => {
        await sleep(IDLE_MS)
        for (const proxy of proxies) record(proxy, `RSS idle, ${kind}`, 0, rssMb(proxy.running))
        for (const proxy of proxies) await smallRequests(proxy, warmMs)
        for (const [figure, , connections] of loads.filter(([, needs]) => needs === kind)) {
          const some = measured(proxies, figure)
          for (const proxy of some) await smallRequests(proxy, SETTLE_MS, connections)
          await inRounds(some, bursts, async (proxy, round, ms) => {
            const { cpuUs } = await smallRequests(proxy, ms, connections)
            record(proxy, figure, round, cpuUs)
          })
        }
        for (const proxy of proxies) record(proxy, `RSS, ${kind}`, 0, rssMb(proxy.running))
        const some = measured(proxies, `50 MiB, ${kind}`)
        await inRounds(some, downloads, async (proxy, round) =>
          record(proxy, `50 MiB, ${kind}`, round, await bigResponses(proxy, 1)),
        )
      })
    }
    say(`start ${start}`)
  }
  return samples
}

/** Samples of the slowest call of some proxies, which have nothing else to do. */
export const measureSlowest = async ({ subjects, rounds, ...bench }) => {
  const samples = []
  const orders = subjects.map((subject) => ({ ...bench, upstream: bench.urls.plain, ...subject }))
  await sideBySide(orders, async (proxies) => {
    for (const proxy of proxies) await smallRequests(proxy, WARM_MS)
    await inRounds(proxies, rounds, async (proxy, round) => {
      const value = await slowestCall(proxy)
      samples.push({ figure: 'slowest call', label: proxy.label, start: round + 1, round, value })
    })
  })
  return samples
}

const inRounds = async (proxies, count, visit) => {
  for (let round = 0; round < count; round += 1) {
    const ms = burstMs()
    for (const proxy of shuffled(proxies)) await visit(proxy, round, ms)
  }
}

/**
 * Returns the ratio of a figure between `own` and `peer`: the median of the starts, their bounds, their mean, and the
 * standard error of the mean.
 */
export const ratio = (samples, figure, own, peer) => {
  const chosen = samples.filter((sample) => sample.figure === figure)
  const valuesOf = (label, start) =>
    chosen
      .filter((sample) => sample.label === label && sample.start === start)
      .toSorted((a, b) => a.round - b.round)
      .map(({ value }) => value)
  const ratios = Array.from(new Set(chosen.map(({ start }) => start)), (start) => {
    const peers = valuesOf(peer, start)
    return median(valuesOf(own, start).map((value, round) => value / peers[round]))
  })
  const mean = ratios.reduce((sum, each) => sum + each, 0) / ratios.length
  const squares = ratios.reduce((sum, each) => sum + (each - mean) ** 2, 0)
  const error = Math.sqrt(squares / (ratios.length - 1) / ratios.length)
  return {
    value: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    mean,
    error,
  }
}

/** Returns the median of a figure's samples; NaN if it has none. */
export const medianOf = (samples, figure, label) =>
  median(
    samples
      .filter((sample) => sample.figure === figure && sample.label === label)
      .map(({ value }) => value),
  )

export const slowestLine = (samples, labels) => {
  const values = labels.map(
    (label) => `${medianOf(samples, 'slowest call', label).toFixed(1)} ms for ${label}`,
  )
  return `The slowest of 8,000 calls at 1,000 per second after a burst: ${values.join(', ')}; at most ${SLOWEST_BAR} ms.`
}
