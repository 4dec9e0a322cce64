// npm run bench [-- --quick] [--starts N] [--node PATH]: this proxy next to the floor and its peers, in one run.
// npm run bench -- --sharing [--seconds 120]: replicas that share a token, and the cost for one of them.
// npm run bench -- --against=REV [--quick]: this build next to another revision's; see compare.mjs.
// npm run bench -- --sizing [--node PATH]: CPU and memory by load; see sizing.mjs.
// docs/dev/benchmarks.md explains the measurements. The command exits 1 if a figure is missing, a response was wrong, or a
// quick comparison with a revision finds that calls cost more; never because another bar is missed.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildRevision, compareBuilds } from './compare.mjs'
import { allocation, CORES, launch, stopLoad } from './measure.mjs'
import { NATIVE_PEERS } from './native-peers.mjs'
import { LOADS, measurePairs, measureSlowest, medianOf, ratio, slowestLine } from './pairs.mjs'
import { machine, shuffled, table } from './report.mjs'
import { measureCost } from './sharing-cost.mjs'
import { startUpstream } from './upstream.mjs'

const root = new URL('../', import.meta.url).pathname

const OWN = 'this proxy'
const FLOOR = 'floor'
const FASTIFY = '@fastify/http-proxy'
const BARE = 'bare node:http'
const BUSY = 0.5
const print = (text) => process.stdout.write(`${text}\n`)
const say = (text) => process.stderr.write(`${text}\n`)

const FULL = { starts: 10, bursts: 12, coldStarts: 10, slowest: 3, nativePeers: true }
const QUICK = { starts: 2, bursts: 10, coldStarts: 5, slowest: 1, nativePeers: false }

/**
 * A figure of this proxy, the peer that it is divided by, and the bar. The ratios to the floor depend on the machine's
 * caches, and differ by 7 % between two runs on a shared one: `--against` compares two builds more sharply.
 */
const BARS = [
  ['1 connection', FLOOR, 1.35],
  ['64 connections', FLOOR, 1.5],
  ['256 connections', FLOOR, 1.5],
  ['1,000 connections', FLOOR, 1.75],
  ['HTTPS', FLOOR, 1.4],
  ['50 MiB, plain', FLOOR, 1.35],
  ['RSS idle, plain', FLOOR, 1.15],
  ['RSS, plain', FLOOR, 1.65],
  ['allocated', FLOOR, 1.61],
  ['cold start', FLOOR, 1.6],
  ['64 connections', FASTIFY, 0.62],
  ['HTTPS', FASTIFY, 0.62],
]
/** Figure, title and digits of the table of medians. */
const COLUMNS = [
  ...LOADS.map(([figure]) => [figure, `${figure}, µs`, 1]),
  ['50 MiB, plain', '50 MiB, ms/MiB', 2],
  ['allocated', 'allocated, kB', 1],
  ['RSS idle, plain', 'RSS idle, MB', 0],
  ['RSS, plain', 'under load, MB', 0],
  ['cold start', 'cold start, ms', 0],
  ['slowest call', 'slowest call, ms', 1],
]

const stop = (message) => {
  say(
    `${message}\nusage: npm run bench -- [--quick] [--starts N] [--node PATH] | --against=REV [--quick] [--starts N] [--node PATH] | --sharing [--seconds N] | --sizing [--node PATH]`,
  )
  process.exit(2)
}

const optionsOf = (args) => {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        node: { type: 'string', default: process.execPath },
        sharing: { type: 'boolean', default: false },
        sizing: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '120' },
        against: { type: 'string' },
        starts: { type: 'string' },
      },
    }).values
  } catch (error) {
    return stop(error.message)
  }
}

const prepare = () => {
  const missing = ['nginx', 'openssl', 'taskset'].filter((tool) => !isInstalled(tool))
  if (missing.length > 0) stop(`missing: ${missing.join(', ')}`)
  if (availableParallelism() < 2) stop('two cores are needed: one is for the proxy alone')
  const npm = (args, cwd) =>
    execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!existsSync(join(root, 'bench/node_modules'))) npm(['ci'], join(root, 'bench'))
  npm(['run', '--silent', 'build'], root)
  execFileSync('taskset', ['-cp', String(CORES.load), String(process.pid)], { stdio: 'ignore' })
}

const isInstalled = (tool) =>
  `${process.env.PATH}:/usr/sbin`.split(':').some((dir) => existsSync(join(dir, tool)))

/** All figures of this proxy and its peers. */
const measureAll = async ({ plan, ...bench }) => {
  const native = plan.nativePeers ? Object.keys(NATIVE_PEERS).filter(isInstalled) : []
  const [onlyNode, all] = [
    [OWN, FLOOR, FASTIFY],
    [OWN, FLOOR, FASTIFY, ...native],
  ].map((names) => names.map((name) => ({ name, label: name })))
  // Peers are compared with 64 connections alone; the other loads show the distance to the floor.
  const subjects = (kind, figure) => {
    if (kind === 'tls') return onlyNode
    if (figure === undefined || figure === '64 connections') return all
    return onlyNode.slice(0, 2)
  }
  const isEnough = (_, starts) => starts >= plan.starts
  const samples = await measurePairs({ ...bench, bursts: plan.bursts, isEnough, subjects })
  samples.push(
    ...(await measureSlowest({ ...bench, subjects: onlyNode.slice(0, 2), rounds: plan.slowest })),
  )
  const upstream = bench.urls.plain
  for (const name of [OWN, FLOOR]) {
    const value = await allocation({ ...bench, name, upstream })
    samples.push({ figure: 'allocated', label: name, start: 1, round: 0, value })
  }
  for (let start = 1; start <= plan.coldStarts; start += 1) {
    for (const name of shuffled([BARE, OWN, FLOOR, FASTIFY])) {
      const { running, coldMs } = await launch({ ...bench, name, upstream })
      await running.stop()
      samples.push({ figure: 'cold start', label: name, start, round: 0, value: coldMs })
    }
  }
  return samples
}

const barTable = (samples) =>
  table([
    ['figure', 'divided by', 'at most', 'median', 'starts', ''],
    ...BARS.map(([figure, peer, bar]) => {
      const { value, least, most } = ratio(samples, figure, OWN, peer)
      const range = `${least.toFixed(2)} to ${most.toFixed(2)}`
      return [
        figure,
        peer,
        bar.toFixed(2),
        value.toFixed(2),
        range,
        value <= bar ? 'met' : 'MISSED',
      ]
    }),
  ])

const figureTable = (samples) => {
  const labels = [...new Set(samples.map(({ label }) => label))]
  return table([
    ['', ...COLUMNS.map(([, title]) => title)],
    ...labels.map((label) =>
      [label].concat(
        COLUMNS.map(([figure, , digits]) => {
          const value = medianOf(samples, figure, label)
          return Number.isNaN(value) ? '' : value.toFixed(digits)
        }),
      ),
    ),
  ])
}

/** Replaces the results of this Node's major version in the document. */
const writeDocument = (version, text) => {
  const file = join(root, 'docs/dev/benchmarks.md')
  const [begin, end] = ['begin', 'end'].map((mark) => `<!-- ${mark}: Node ${version} -->`)
  const page = readFileSync(file, 'utf8')
  if (!page.includes(begin) || !page.includes(end)) return
  writeFileSync(file, `${page.split(begin)[0]}${begin}\n${text}\n${end}${page.split(end)[1]}`)
}

/** Measures a hundred replicas in `sharing.ts`, then the cost of sharing for one of them. */
const benchSharing = async ({ node, seconds }) => {
  const command = [join(root, 'node_modules/tsx/dist/cli.mjs'), join(root, 'bench/sharing.ts')]
  const flags = ['--seconds', seconds]
  execFileSync(process.execPath, [...command, ...flags], { stdio: 'inherit' })
  prepare()
  const header = ['', 'without a store', 'with a store', 'difference', 'bar']
  print(`\n${table([header, ...(await measureCost(node))])}`)
}

const main = async () => {
  const { quick, node, sharing, sizing, seconds, against, starts } = optionsOf(
    process.argv.slice(2),
  )
  const [load] = loadavg()
  if (sharing) return benchSharing({ node, seconds })
  if (sizing) {
    const command = [join(root, 'bench/sizing.mjs'), '--node', node]
    return execFileSync(process.execPath, command, { stdio: 'inherit' })
  }
  prepare()
  const usual = quick ? QUICK : FULL
  const plan = { ...usual, starts: Number(starts ?? usual.starts) }
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  const dir = mkdtempSync(join(tmpdir(), 'isales-bench-'))
  const upstream = await startUpstream({ dir, core: CORES.load })
  const urls = { plain: upstream.url, tls: upstream.tlsUrl }
  const bench = { say, node, dir, urls, caFile: upstream.caFile }
  let [samples, revision] = []
  try {
    if (against !== undefined) {
      revision = buildRevision(root, against, dir)
      const limits = { starts: starts && Number(starts), quick }
      return await compareBuilds({ ...bench, ...revision, ...limits, name: OWN, revision: against })
    }
    samples = await measureAll({ ...bench, plan })
  } finally {
    stopLoad()
    await upstream.stop()
    revision?.remove()
    rmSync(dir, { recursive: true, force: true })
  }
  const date = new Date().toISOString().slice(0, 10)
  const busy = load > BUSY ? ` The machine had other work (load ${load.toFixed(1)}).` : ''
  const heading = `${date}, Node ${version}, ${machine()}, ${plan.starts} starts.${busy}`
  const results = `${heading}\n\n${barTable(samples)}\n\n${slowestLine(samples, [OWN, FLOOR])}`
  print(`${results}\n\n${figureTable(samples)}`)
  if (!quick) writeDocument(version.split('.')[0].slice(1), results)
}

await main()
