// `npm run bench [-- --quick | --full] [--only=a,b]`: this proxy beside its peers, in one run. docs/benchmarks.md
// says what is measured and how. Exits 1 when a figure could not be had or an answer was wrong; never for being slow.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { judge } from './harness/bars.mjs'
import { machine, tables } from './harness/report.mjs'
import { cycle } from './harness/rounds.mjs'
import { SUBJECTS, versions } from './harness/subjects.mjs'
import { startUpstream } from './harness/upstream.mjs'

const root = new URL('../', import.meta.url).pathname
const GROUPS = ['small', 'rate', 'medium', 'bodies', 'tls', 'cold']
const TOOLS = new Set(['nginx', 'haproxy', 'caddy'])
const print = (text) => process.stdout.write(`${text}\n`)
const say = (text) => process.stderr.write(`${text}\n`)

// Many short turns rather than a few long ones: whatever else the machine does comes and goes by the minute. A
// JavaScript proxy is being compiled, on other threads, for its first five or six seconds under load.
const FULL = {
  cycles: 7,
  /** Pairs of connections and turns. */
  connections: [
    [64, 3],
    [8, 1],
    [1, 1],
  ],
  tlsTurns: 2,
  warmSeconds: 6,
  seconds: 1,
  rateSeconds: 2,
  settleMs: 500,
  bodies: 6,
  coldStarts: 3,
}
const QUICK = {
  ...FULL,
  cycles: 1,
  connections: [[64, 2]],
  tlsTurns: 1,
  warmSeconds: 3,
  rateSeconds: 1,
  bodies: 3,
}

// Besides the small requests of all, a quick run measures what a bar needs.
const IN_A_BAR = {
  rate: ['direct', 'this proxy', 'nginx', '@fastify/http-proxy'],
  medium: ['this proxy', '@fastify/http-proxy'],
  bodies: ['this proxy', 'http-proxy', '@fastify/http-proxy'],
  tls: ['this proxy', '@fastify/http-proxy'],
  cold: ['bare', 'this proxy'],
}

const usage = (message) => {
  say(
    `${message}\nnpm run bench -- [--quick | --full] [--only=${GROUPS.join(',')},<names of proxies>]`,
  )
  process.exit(2)
}

const parse = (args) => {
  const quick = args.includes('--quick')
  const full = args.includes('--full')
  const only =
    args
      .find((arg) => arg.startsWith('--only='))
      ?.slice('--only='.length)
      .split(',') ?? []
  const known = new Set(['--quick', '--full'])
  const stray = args.find((arg) => !known.has(arg) && !arg.startsWith('--only='))
  if (stray !== undefined) usage(`unknown argument ${stray}`)
  if (quick && full) usage('--quick or --full, not both')
  const unknown = only.find((name) => !GROUPS.includes(name) && !(name in SUBJECTS))
  if (unknown !== undefined) usage(`unknown group or proxy ${unknown}`)
  return { quick, only }
}

const prepare = (have) => {
  if (!have.wrk || !have.nginx || !have.openssl) {
    usage(
      'needs wrk, nginx and openssl: apt-get install --no-install-recommends wrk nginx-light openssl haproxy caddy',
    )
  }
  if (availableParallelism() < 2)
    usage('needs two cores: one for the proxy, one for the load and the upstream')
  const npm = (args, cwd) =>
    execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!existsSync(join(root, 'bench/node_modules'))) {
    say('bench/node_modules is absent: installing the peers with npm ci')
    npm(['ci'], join(root, 'bench'))
  }
  say('building dist/main.js')
  npm(['run', '--silent', 'build'], root)
}

const chosen = ({ quick, only }, have) => {
  const groups = GROUPS.filter((group) => only.length === 0 || only.includes(group))
  const named = only.filter((name) => name in SUBJECTS)
  const wantedGroups = groups.length > 0 ? groups : GROUPS
  const subjects = Object.keys(SUBJECTS).filter((name) => {
    if (TOOLS.has(name) && !have[name]) {
      say(`${name}: not on this machine, skipped (apt-get install ${name})`)
      return false
    }
    return named.length === 0 || named.includes(name) || name === 'this proxy'
  })
  // Rate, bodies and 50 kB answers are measured in the process that has served the small requests.
  const active = (group) =>
    wantedGroups.includes(group) ||
    (group === 'small' &&
      wantedGroups.some((other) => ['rate', 'medium', 'bodies'].includes(other)))
  const wants = (group, name) =>
    active(group) && (!quick || group === 'small' || IN_A_BAR[group].includes(name))
  return { subjects, wants, complete: only.length === 0 }
}

const middle = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const samplesOf = () => {
  const samples = new Map()
  const record = (subject, figure, value) => {
    const key = `${subject}\n${figure}`
    samples.set(key, [...(samples.get(key) ?? []), value])
  }
  const median = (subject, figure) => {
    const values = samples.get(`${subject}\n${figure}`)
    return values && middle(values)
  }
  return { record, median }
}

const BUSY = 0.5

const heading = (have, cycles, load) => {
  const listed = Object.entries(have).filter(([, version]) => version !== undefined)
  return [
    `${new Date().toISOString().slice(0, 10)} · ${machine()}`,
    listed.map(([name, version]) => `${name} ${version}`).join(' · '),
    `Medians of ${cycles} cycles, every process restarted between them. Load average before the run: ${load.toFixed(2)}.`,
    ...(load > BUSY ? ['The machine had other work: take the ratios for a rough guide.'] : []),
  ].join('\n\n')
}

const BEGIN = '<!-- bench:begin (written by npm run bench -- --full) -->'
const END = '<!-- bench:end -->'
const writeDocument = (text) => {
  const file = join(root, 'docs/benchmarks.md')
  const page = existsSync(file) ? readFileSync(file, 'utf8') : `# Benchmarks\n\n${BEGIN}\n${END}\n`
  const [before, after] = [page.split(BEGIN)[0], page.split(END)[1]]
  writeFileSync(file, `${before}${BEGIN}\n${text}\n${END}${after}`)
  say(`written: ${file}`)
}

const main = async () => {
  const options = parse(process.argv.slice(2))
  const [load] = loadavg()
  if (load > BUSY)
    say(`this machine has other work (load ${load.toFixed(2)}): figures will scatter`)
  prepare(versions())
  const have = versions()
  const plan = options.quick ? QUICK : FULL
  const [loadCore, proxyCore] = [0, 1]
  execFileSync('taskset', ['-cp', String(loadCore), String(process.pid)], { stdio: 'ignore' })
  const dir = mkdtempSync(join(tmpdir(), 'isales-bench-'))
  const { record, median } = samplesOf()
  const failures = []
  const failed = (what, error) => {
    failures.push(`${what}: ${error.message}`)
    say(`FAILED ${failures.at(-1)}`)
  }
  const upstream = await startUpstream({ dir, core: loadCore })
  const bench = { plan, dir, upstream, loadCore, proxyCore, ...chosen(options, have) }
  try {
    for (let index = 0; index < plan.cycles; index += 1)
      await cycle(bench, index, { record, failed, say })
  } finally {
    await upstream.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  const bars = judge(median)
  const text = `${heading(have, plan.cycles, load)}\n\n${tables({ median, subjects: bench.subjects, bars })}`
  print(text)
  if (!options.quick && bench.complete && failures.length === 0) writeDocument(text)
  if (failures.length > 0) {
    say(`\nFigures that could not be had:\n${failures.join('\n')}`)
    process.exitCode = 1
  }
}

await main()
