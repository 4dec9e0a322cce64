// The tables, as Markdown: read as they are in a terminal, and put into docs/benchmarks.md.
import { cpus, release, totalmem } from 'node:os'

const OWN = 'this proxy'

const fixed = (value, digits) => (value === undefined ? '' : value.toFixed(digits))

const table = (head, rows) => {
  const cells = [head, ...rows]
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => [...row[column]].length)),
  )
  const pad = (text, column) => {
    const space = ' '.repeat(widths[column] - [...text].length)
    return column === 0 ? text + space : space + text
  }
  const line = (row) => `| ${row.map(pad).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

const figuresTable = (median, subjects, columns) => {
  const present = columns.filter(([, figure]) =>
    subjects.some((name) => median(name, figure) !== undefined),
  )
  const rows = subjects.filter((name) =>
    present.some(([, figure]) => median(name, figure) !== undefined),
  )
  if (rows.length === 0) return ''
  const cells = (name) => present.map(([, figure, digits]) => fixed(median(name, figure), digits))
  return table(
    ['', ...present.map(([title]) => title)],
    rows.map((name) => [name].concat(cells(name))),
  )
}

const ratioTable = (median, subjects) => {
  const columns = [
    ['CPU/request, 64', 'cpu64'],
    ['HTTPS', 'cpuTls'],
    ['50 kB', 'cpuMedium'],
    ['50 MiB down', 'downCpu'],
    ['50 MiB up', 'upCpu'],
  ].filter(([, figure]) => median(OWN, figure) !== undefined)
  const ratio = (name, figure) => {
    const [own, peer] = [median(OWN, figure), median(name, figure)]
    return own === undefined || peer === undefined ? '' : `${(own / peer).toFixed(2)} ×`
  }
  const peers = subjects.filter(
    (name) => name !== OWN && columns.some(([, figure]) => median(name, figure)),
  )
  if (columns.length === 0 || peers.length === 0) return ''
  return table(
    ['this proxy, to', ...columns.map(([title]) => title)],
    peers.map((name) => [name].concat(columns.map(([, figure]) => ratio(name, figure)))),
  )
}

const barTable = (bars) =>
  table(
    ['bar', 'reached', 'measured', ''],
    bars.map(({ name, value, bar, unit, reached }) => [
      name,
      `≤ ${bar} ${unit}`,
      value === undefined ? 'not measured' : `${value.toFixed(2)} ${unit}`,
      value === undefined ? '' : reached ? 'pass' : 'FAIL',
    ]),
  )

/** The machine, in one line. */
export const machine = () => {
  const [first] = cpus()
  return `${cpus().length} cores of ${first?.model ?? 'an unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`
}

/** All tables of a run; a column that was not measured is left out. */
export const tables = ({ median, subjects, bars }) => {
  const added = (name, figure) => {
    const [with_, without] = [median(name, figure), median('direct', figure)]
    return with_ === undefined || without === undefined ? undefined : with_ - without
  }
  const addedMedian = (name, figure) =>
    figure.startsWith('added') ? added(name, figure.slice('added-'.length)) : median(name, figure)
  return [
    ['Bars', barTable(bars)],
    ['Ratios of CPU time', ratioTable(median, subjects)],
    [
      'Small requests (700 B POST, 1 kB answer): CPU time per request, µs, and requests a second',
      figuresTable(median, subjects, [
        ['CPU, 64 connections', 'cpu64', 1],
        ['8', 'cpu8', 1],
        ['1', 'cpu1', 1],
        ['req/s, 64', 'perSecond64', 0],
        ['8', 'perSecond8', 0],
        ['1', 'perSecond1', 0],
        ['HTTPS upstream: CPU', 'cpuTls', 1],
        ['req/s', 'perSecondTls', 0],
        ['50 kB answers: CPU', 'cpuMedium', 1],
      ]),
    ],
    [
      'Latency at a fixed 1,000 req/s, µs',
      figuresTable(
        addedMedian,
        ['direct', ...subjects],
        [
          ['p50', 'p50', 0],
          ['p99', 'p99', 0],
          ['added p50', 'added-p50', 0],
          ['added p99', 'added-p99', 0],
          ['sent late, p99', 'late', 0],
        ],
      ),
    ],
    [
      'Memory (RSS), MB',
      figuresTable(median, subjects, [
        ['idle', 'rssIdle', 0],
        ['64 connections', 'rss64', 0],
        ['peak, small requests', 'peakSmall', 0],
        ['peak, 50 MiB down', 'downPeak', 0],
        ['and up', 'upPeak', 0],
      ]),
    ],
    [
      '50 MiB bodies: CPU time, ms per MB, and MB/s',
      figuresTable(median, subjects, [
        ['down: CPU', 'downCpu', 2],
        ['MB/s', 'downSpeed', 0],
        ['up: CPU', 'upCpu', 2],
        ['MB/s', 'upSpeed', 0],
      ]),
    ],
    [
      'Cold start to the first forwarded answer, ms',
      figuresTable(median, ['bare node:http', ...subjects], [['ms', 'cold', 0]]),
    ],
  ]
    .filter(([, text]) => text !== '')
    .map(([title, text]) => `**${title}**\n\n${text}`)
    .join('\n\n')
}
