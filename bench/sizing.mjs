// npm run bench -- --sizing [--node PATH]: CPU and memory of the proxy, for docs/how-it-works.md. Client and iSales run in
// this process, on one core. The proxy has the other core and the chart's memory limit, by which V8 sizes its heap;
// this requires root and cgroup v1 or v2. The upstream uses TLS.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer } from 'node:https'
import { connect } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CORES, launch } from './measure.mjs'
import { cpuMs, freePort } from './process.mjs'
import { machine, table } from './report.mjs'
import { certificate, GRANT, PATHS, SMALL_BODY } from './upstream.mjs'

const root = new URL('../', import.meta.url).pathname
const LARGE = Buffer.alloc(3_000_000, 'x')
const IN_GROUP = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
const LIMIT_MIB = 192
const RATES = [0, 10, 50, 200, 500, 1000]
const SECONDS = 5
const WARM = { rate: 200, seconds: 8 }

const isales = async (dir) => {
  const { keyFile, certFile } = certificate(dir)
  const state = { latency: 0 }
  const tls = { key: readFileSync(keyFile), cert: readFileSync(certFile) }
  const server = createServer(tls, (incoming, response) => {
    const small = incoming.url === PATHS.login ? GRANT : SMALL_BODY
    const body = incoming.method === 'GET' ? LARGE : small
    incoming.resume().once('end', () => setTimeout(() => response.end(body), state.latency))
  })
  const port = await freePort()
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { server, state, caFile: certFile, url: `https://localhost:${port}` }
}

/** A cgroup directory: processes in its `cgroup.procs` have the memory limit. */
const limitedGroup = () => {
  const isV1 = existsSync('/sys/fs/cgroup/memory')
  const group = `/sys/fs/cgroup/${isV1 ? 'memory/' : ''}isales-sizing-${process.pid}`
  mkdirSync(group)
  const file = isV1 ? 'memory.limit_in_bytes' : 'memory.max'
  writeFileSync(join(group, file), String(LIMIT_MIB * 1024 * 1024))
  return group
}

const launched = []
const start = async ({ node, dir, upstream, group }, env = {}) => {
  const proxy = await launch({
    name: 'this proxy',
    node: ['sh', '-c', IN_GROUP, group, node],
    upstream: upstream.url,
    caFile: upstream.caFile,
    dir,
    cores: CORES,
    // As in the image.
    more: { MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '65536', ...env },
  })
  launched.push(proxy.running)
  return proxy
}

/** Returns a process's MiB that cannot be paged out, and its total; 0 if it was killed. */
const memory = ({ pid }) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024
  return { anon: of('RssAnon'), rss: of('VmRSS') }
}

const post = (port, { agent, body = '{"subCCNo":1,"vdnId":1}' }) =>
  new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: PATHS.small,
      method: 'POST',
      agent,
    }
    const sent = request(options, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
    sent.once('error', () => resolve(0))
    sent.end(body)
  })

/** Sends `rate` calls per second, independent of earlier responses, and counts responses other than 200. */
const atRate = async (port, rate, seconds) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const calls = []
  const begin = performance.now()
  while (performance.now() - begin < seconds * 1000) {
    const due = Math.floor(((performance.now() - begin) / 1000) * rate)
    while (calls.length < due) calls.push(post(port, { agent }))
    await sleep(1)
  }
  const failed = (await Promise.all(calls)).filter((status) => status !== 200).length
  agent.destroy()
  return { calls: calls.length, failed }
}

const peakDuring = async (running, work) => {
  let peak = 0
  const poll = setInterval(() => {
    if (!running.hasEnded()) peak = Math.max(peak, memory(running).anon)
  }, 10)
  await work()
  clearInterval(poll)
  return running.hasEnded() ? 'killed' : whole(peak)
}

const one = (number) => number.toFixed(1)
const whole = (number) => number.toFixed(0)

const byRate = async (bench) => {
  const { running, port } = await start(bench)
  await atRate(port, WARM.rate, WARM.seconds)
  const rows = []
  for (const rate of RATES) {
    const before = cpuMs(running)
    const { calls, failed } = await atRate(port, rate, SECONDS)
    const used = cpuMs(running) - before
    if (failed > 0) throw new Error(`${failed} of ${calls} calls failed`)
    const { anon, rss } = memory(running)
    const perCall = calls === 0 ? '' : whole((used * 1000) / calls)
    rows.push([rate, one(used / SECONDS / 10), perCall, whole(anon), whole(rss)])
  }
  await running.stop()
  return table([['calls a second', '% of a core', 'µs a call', 'MiB', 'RSS, MiB'], ...rows])
}

const byConnections = async (bench) => {
  const rows = []
  for (const count of [1, 64, 256, 1024]) {
    const { running, port } = await start(bench)
    const sockets = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(port, '127.0.0.1')
        socket.write(
          `POST ${PATHS.small} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
        )
        await new Promise((resolve) => socket.once('data', resolve))
        return socket
      }),
    )
    await sleep(1000)
    rows.push([count, whole(memory(running).anon)])
    for (const socket of sockets) socket.destroy()
    await running.stop()
  }
  return table([['idle connections of clients', 'MiB'], ...rows])
}

const underAttack = async (bench) => {
  const { state } = bench.upstream
  const body = 'x'.repeat(64 * 1024 - 100)
  const bursts = async (port) => {
    state.latency = 1000
    for (let round = 0; round < 3; round += 1)
      await Promise.all(Array.from({ length: 1000 }, () => post(port, { agent: false, body })))
    state.latency = 0
  }
  const slowReaders = async (port) => {
    const sockets = Array.from({ length: 1024 }, () => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      socket.pause().write(`GET ${PATHS.small} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      return socket
    })
    await sleep(8000)
    for (const socket of sockets) socket.destroy()
  }
  const rows = []
  for (const most of [256, 1024]) {
    const row = [most]
    for (const attack of [bursts, slowReaders]) {
      const { running, port } = await start(bench, { MAX_IN_FLIGHT: String(most) })
      row.push(await peakDuring(running, () => attack(port)))
      await running.stop()
    }
    rows.push(row)
  }
  const head = ['`MAX_IN_FLIGHT`', '1,000 bodies of 64 KiB at the same time, MiB']
  return table([[...head, '1,024 clients that do not read 3 MB, MiB'], ...rows])
}

const { values } = parseArgs({
  options: { node: { type: 'string', default: process.execPath } },
})
const [load] = loadavg()
execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
execFileSync('taskset', ['-cp', String(CORES.load), String(process.pid)], { stdio: 'ignore' })
const dir = mkdtempSync(join(tmpdir(), 'isales-sizing-'))
const group = limitedGroup()
const bench = { node: values.node, dir, group, upstream: await isales(dir) }
try {
  const version = execFileSync(values.node, ['--version'], { encoding: 'utf8' }).trim()
  process.stdout.write(`Node ${version}, ${machine()}, load before it ${load.toFixed(1)}.\n`)
  for (const measure of [byRate, byConnections, underAttack])
    process.stdout.write(`\n${await measure(bench)}\n`)
} finally {
  bench.upstream.server.close()
  for (const running of launched) await running.stop()
  rmdirSync(group)
  rmSync(dir, { recursive: true, force: true })
}
process.exit()
