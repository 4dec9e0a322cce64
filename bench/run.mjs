// npm run bench [-- --quick] [--node PATH]: this proxy beside the floor and a peer, in one run.
// npm run bench -- --sharing [--seconds 120]: replicas that share a token, and what that costs one of them.
// npm run bench -- --against DIR: this build beside that of another checkout; see against.mjs.
// npm run bench -- --sizing [--node PATH]: CPU and memory by load; see sizing.mjs.
// docs/dev/benchmarks.md says what is measured and how. It exits 1 when a figure could not be had or a
// response was wrong, never for being slow.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  allocation,
  bigResponses,
  burstMs,
  CORES,
  launch,
  sideBySide,
  smallRequests,
  stopLoad,
  SUBJECTS,
} from './measure.mjs'
import { rssMb } from './process.mjs'
import { compare } from './against.mjs'
import { estimate, machine, median, shuffled, table } from './report.mjs'
import { measureCost } from './sharing-cost.mjs'
import { startUpstream } from './upstream.mjs'

const root = new URL('../', import.meta.url).pathname

const OWN = 'this proxy'
const FASTIFY = '@fastify/http-proxy'
const BARE = 'bare node:http'
const BUSY = 0.5
const print = (text) => process.stdout.write(`${text}\n`)
const say = (text) => process.stderr.write(`${text}\n`)

// V8 compiles the code of a proxy, on other threads, for its first five or six seconds under load.
const FULL = {
  cycles: 3,
  warmMs: 6000,
  bursts: 60,
  otherBursts: 20,
  tlsBursts: 40,
  bodies: 6,
  coldStarts: 5,
}
const QUICK = {
  ...FULL,
  cycles: 1,
  warmMs: 3000,
  bursts: 30,
  otherBursts: 8,
  tlsBursts: 20,
  bodies: 3,
}
const IDLE_MS = 500

/** Connections, beside the 64 of the other figures. */
const OTHER_LOADS = [1, 256, 1000]

/** Name, subject, figure, the peer that it is divided by or none, the bar, and what it is in. */
const BARS = [
  ['CPU per request, to the floor', 'cpu', 'floor', 1.3],
  ['CPU per request with HTTPS, to the floor', 'cpuTls', 'floor', 1.3],
  ...OTHER_LOADS.map((count) => [
    `CPU per request at ${count} connection${count === 1 ? '' : 's'}, to the floor`,
    `cpu${count}`,
    'floor',
    1.35,
  ]),
  ['allocated per request, kB', 'allocated', undefined, 23],
  [`CPU per request, to ${FASTIFY}`, 'cpu', FASTIFY, 0.62],
  [`CPU per request with HTTPS, to ${FASTIFY}`, 'cpuTls', FASTIFY, 0.62],
  [`50 MiB down, CPU per MiB, to ${FASTIFY}`, 'down', FASTIFY, 1],
  ['RSS idle, MB', 'rssIdle', undefined, 80],
  ['RSS at 64 connections, MB', 'rss', undefined, 120],
  ['cold start to the first forwarded response, to bare node:http', 'cold', BARE, 4.5],
]
const COLUMNS = [
  ['CPU per request, µs', 'cpu', 1],
  ['req/s', 'perSecond', 0],
  ['CPU, HTTPS', 'cpuTls', 1],
  ['50 MiB down, ms/MiB', 'down', 2],
  ['RSS idle, MB', 'rssIdle', 0],
  ['at 64 connections', 'rss', 0],
  ['cold start, ms', 'cold', 0],
]

const stop = (message) => {
  say(
    `${message}\nusage: npm run bench -- [--quick] [--node PATH] | --against DIR [--starts N] [--node PATH] | --sharing [--seconds N] | --sizing [--node PATH]`,
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
        starts: { type: 'string', default: '10' },
      },
    }).values
  } catch (error) {
    return stop(error.message)
  }
}

const prepare = () => {
  const missing = ['nginx', 'openssl', 'taskset'].filter((tool) => {
    const dirs = `${process.env.PATH}:/usr/sbin`.split(':')
    return !dirs.some((dir) => existsSync(join(dir, tool)))
  })
  if (missing.length > 0) stop(`missing: ${missing.join(', ')}`)
  if (availableParallelism() < 2) stop('two cores are needed: one is for the proxy alone')
  const npm = (args, cwd) =>
    execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!existsSync(join(root, 'bench/node_modules'))) npm(['ci'], join(root, 'bench'))
  npm(['run', '--silent', 'build'], root)
  execFileSync('taskset', ['-cp', String(CORES.load), String(process.pid)], { stdio: 'ignore' })
}

/**
 * One cycle, every process started anew.
 */
const cycle = async ({ plan, record, say, ...bench }) => {
  const names = [OWN, 'floor', FASTIFY]
  const orders = (upstream) => names.map((name) => ({ ...bench, name, upstream }))
  /** Measures in turns, and records. */
  const inTurns = (proxies) => async (visit) => {
    for (const proxy of shuffled(proxies))
      await visit(proxy, (figure, value) => record(proxy.name, figure, value))
  }
  // What is recorded at the same index was measured within a second.
  const bursts = async (each, count, figure, connections) => {
    for (let burst = 0; burst < count; burst += 1) {
      const ms = burstMs()
      await each(async (proxy, note) => {
        const { cpuUs, perSecond } = await smallRequests(proxy, ms, connections)
        note(figure, cpuUs)
        if (figure === 'cpu') note('perSecond', perSecond)
      })
    }
  }

  say('small requests and bodies')
  await sideBySide(orders(bench.urls.plain), async (proxies) => {
    const each = inTurns(proxies)
    await sleep(IDLE_MS)
    await each((proxy, note) => note('rssIdle', rssMb(proxy.running)))
    await each((proxy) => smallRequests(proxy, plan.warmMs))
    await bursts(each, plan.bursts, 'cpu')
    await each((proxy, note) => note('rss', rssMb(proxy.running)))
    await each((proxy) => bigResponses(proxy, 1))
    for (let body = 0; body < plan.bodies; body += 1)
      await each(async (proxy, note) => note('down', await bigResponses(proxy, 1)))
    for (const count of OTHER_LOADS) await bursts(each, plan.otherBursts, `cpu${count}`, count)
  })
  say('HTTPS')
  await sideBySide(orders(bench.urls.tls), async (proxies) => {
    const each = inTurns(proxies)
    await each((proxy) => smallRequests(proxy, plan.warmMs))
    await bursts(each, plan.tlsBursts, 'cpuTls')
  })
  say('allocation and cold starts')
  for (const name of [OWN, 'floor']) {
    const upstream = bench.urls.plain
    record(name, 'allocated', await allocation({ ...bench, name, upstream }))
  }
  for (let start = 0; start < plan.coldStarts; start += 1) {
    for (const name of shuffled([BARE, ...names])) {
      const { running, coldMs } = await launch({ ...bench, name, upstream: bench.urls.plain })
      await running.stop()
      record(name, 'cold', coldMs)
    }
  }
}

const barTable = (samplesOf) =>
  table([
    ['bar', 'at most', 'measured', ''],
    ...BARS.map(([name, figure, peer, bar]) => {
      const own = samplesOf(OWN, figure)
      const peers = peer === undefined ? own.map(() => 1) : samplesOf(peer, figure)
      const { value, error } = estimate(own.map((sample, index) => sample / peers[index]))
      const digits = peer === undefined ? 0 : 2
      const measured = `${value.toFixed(digits)} ± ${error.toFixed(digits)}`
      return [name, bar.toFixed(digits), measured, value <= bar ? 'pass' : 'FAIL']
    }),
  ])

const figureTable = (samplesOf) =>
  table([
    ['', ...COLUMNS.map(([title]) => title)],
    ...Object.keys(SUBJECTS).map((name) =>
      [name].concat(
        COLUMNS.map(([, figure, digits]) => {
          const samples = samplesOf(name, figure)
          return samples.length === 0 ? '' : median(samples).toFixed(digits)
        }),
      ),
    ),
  ])

/** Replaces the results of this Node's major version in the document. */
const writeDocument = (version, text) => {
  const file = join(root, 'docs/dev/benchmarks.md')
  const [begin, end] = ['begin', 'end'].map((mark) => `<!-- ${mark}: Node ${version} -->`)
  const page = readFileSync(file, 'utf8')
  if (!page.includes(begin) || !page.includes(end)) return
  writeFileSync(file, `${page.split(begin)[0]}${begin}\n${text}\n${end}${page.split(end)[1]}`)
}

/** A hundred replicas in `sharing.ts`, then what sharing costs one of them. */
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
  const plan = quick ? QUICK : FULL
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  const dir = mkdtempSync(join(tmpdir(), 'isales-bench-'))
  const samples = new Map()
  const record = (name, figure, value) => {
    const key = `${name} ${figure}`
    samples.set(key, [...(samples.get(key) ?? []), value])
  }
  const samplesOf = (name, figure) => samples.get(`${name} ${figure}`) ?? []
  const upstream = await startUpstream({ dir, core: CORES.load })
  const urls = { plain: upstream.url, tls: upstream.tlsUrl }
  const bench = { plan, record, node, dir, urls, caFile: upstream.caFile }
  try {
    if (against !== undefined) {
      const rows = await compare({ ...bench, say, directory: against, starts: Number(starts) })
      print(table([['CPU for each call', 'median', 'least', 'most'], ...rows]))
      return
    }
    for (let nth = 1; nth <= plan.cycles; nth += 1)
      await cycle({ ...bench, say: (text) => say(`cycle ${nth}/${plan.cycles}: ${text}`) })
  } finally {
    stopLoad()
    await upstream.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  const date = new Date().toISOString().slice(0, 10)
  const busy = load > BUSY ? ` The machine had other work (load ${load.toFixed(1)}).` : ''
  const heading = `${date}, Node ${version}, ${machine()}, ${plan.cycles} cycles.${busy}`
  const text = [heading, barTable(samplesOf), figureTable(samplesOf)].join('\n\n')
  print(text)
  if (!quick) writeDocument(version.split('.')[0].slice(1), text)
}

await main()
