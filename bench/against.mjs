// npm run bench -- --against DIR [--starts N] [--node PATH]: CPU for each call of this build, divided by that of the build in
// another checkout. Two processes of one program differ by 5 %, however long they run: so each figure is the median of
// several starts, and in each of them the two are measured in turns, in short bursts.
import { join } from 'node:path'
import { burstMs, sideBySide, smallRequests } from './measure.mjs'
import { median, shuffled } from './report.mjs'

const WARM_MS = 5000
const BURSTS = 20
const FEW_BURSTS = 8

/** Name, upstream, connections. */
const FIGURES = [
  ['plain', 'plain', 64],
  ['TLS', 'tls', 64],
  ['1 connection', 'plain', 1],
  ['256 connections', 'plain', 256],
  ['1,000 connections', 'plain', 1000],
]

/** One start of both: the quotient of each figure with this upstream. */
const startBoth = ({ kind, other, urls, ...bench }) => {
  const order = { ...bench, name: 'this proxy', upstream: urls[kind] }
  return sideBySide([order, { ...order, built: other }], async (both) => {
    for (const proxy of both) await smallRequests(proxy, WARM_MS)
    const quotients = []
    for (const [name, needs, connections] of FIGURES) {
      if (needs !== kind) continue
      const costs = new Map(both.map(({ built }) => [built, []]))
      for (let burst = 0; burst < (connections === 64 ? BURSTS : FEW_BURSTS); burst += 1) {
        const ms = burstMs()
        for (const proxy of shuffled(both))
          costs.get(proxy.built).push((await smallRequests(proxy, ms, connections)).cpuUs)
      }
      quotients.push([name, median(costs.get(undefined)) / median(costs.get(other))])
    }
    return quotients
  })
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
