// npm run bench -- --against DIR [--starts N] [--node PATH]: CPU for each call of this build, divided by that of the build in
// another checkout. Two processes of one program differ by 5 %, however long they run: so each figure is the median of
// several starts, and in each of them the two are measured in turns, in short bursts.
import { join } from 'node:path'
import { launch, smallRequests } from './measure.mjs'
import { median, shuffled } from './report.mjs'

const WARM_MS = 5000
const BURSTS = 20
const FEW_BURSTS = 8
const BURST = { min: 120, max: 200 }

/** Name, upstream, connections. */
const FIGURES = [
  ['plain', 'plain', 64],
  ['TLS', 'tls', 64],
  ['1 connection', 'plain', 1],
  ['256 connections', 'plain', 256],
  ['1,000 connections', 'plain', 1000],
]

/** One start of both: the quotient of each figure with this upstream. */
const startBoth = async ({ kind, other, urls, ...bench }) => {
  const upstream = urls[kind]
  const figures = FIGURES.filter(([, needs]) => needs === kind)
  const both = []
  try {
    for (const built of shuffled([undefined, other]))
      both.push({ built, ...(await launch({ ...bench, name: 'this proxy', upstream, built })) })
    for (const proxy of both) await smallRequests(proxy, WARM_MS)
    const quotients = []
    for (const [name, , connections] of figures) {
      const costs = new Map([undefined, other].map((built) => [built, []]))
      for (let burst = 0; burst < (connections === 64 ? BURSTS : FEW_BURSTS); burst += 1) {
        const ms = BURST.min + Math.random() * (BURST.max - BURST.min)
        for (const proxy of shuffled(both))
          costs.get(proxy.built).push((await smallRequests(proxy, ms, connections)).cpuUs)
      }
      quotients.push([name, median(costs.get(undefined)) / median(costs.get(other))])
    }
    return quotients
  } finally {
    for (const { running } of both) await running.stop()
  }
}

/** Rows of a table: figure, median of all starts, the least and the most. */
export const compare = async ({ directory, starts, say, ...bench }) => {
  const other = join(directory, 'dist/main.js')
  const found = new Map(FIGURES.map(([name]) => [name, []]))
  for (let start = 1; start <= starts; start += 1) {
    for (const kind of ['plain', 'tls']) {
      const quotients = await startBoth({ ...bench, kind, other })
      for (const [name, quotient] of quotients) found.get(name).push(quotient)
      say(
        `start ${start}/${starts}: ${quotients.map(([name, q]) => `${name} ${q.toFixed(2)}`).join(', ')}`,
      )
    }
  }
  return Array.from(found, ([name, all]) =>
    [name, median(all), Math.min(...all), Math.max(...all)].map((cell) =>
      typeof cell === 'number' ? cell.toFixed(3) : cell,
    ),
  )
}
