// Output of the benchmarks.
import { cpus, release } from 'node:os'

/** A table of Markdown; the first row is its head. */
export const table = (rows) => {
  const cells = rows.map((row) => row.map(String))
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const line = (row, fill = ' ') =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column], fill)).join(' | ')} |`
  const rule = widths.map((_, column) => (column === 0 ? '---' : '--:'))
  return [line(cells[0]), line(rule), ...cells.slice(1).map((row) => line(row))].join('\n')
}

export const machine = () => `${cpus().length} cores of ${cpus()[0].model}, Linux ${release()}`

export const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** Returns the list in random order, so that a periodic disturbance does not always affect the same proxy. */
export const shuffled = (items) =>
  items
    .map((item) => [Math.random(), item])
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item)
