// Figures of one proxy, under loads that run on the other core.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { NATIVE_PEERS } from './native-peers.mjs'
import { cpuMs, firstResponse, freePort, rssMb, start } from './process.mjs'
import { shuffled } from './report.mjs'
import { AUTHORIZATION, BIG, BIG_MIB, PATHS, SMALL_BODY } from './upstream.mjs'

const run = promisify(execFile)
const here = new URL('./', import.meta.url).pathname
const REQUEST_BYTES = 700
const CONNECTIONS = 64
/** Core numbers: client and iSales share one, and the measured proxy has the other. */
export const CORES = { load: 0, proxy: 1 }

/**
 * All measured programs by name: command, environment, and `config` file if one is needed. Each function gets
 * `node`, `port`, `adminPort`, `upstream` (an origin) and `caFile`.
 */
export const SUBJECTS = {
  'this proxy': {
    command: ({ node, built = `${here}../dist/main.js` }) => [node, built].flat(),
    env: ({ port, adminPort, upstream, caFile }) => ({
      ISALES_URL: upstream,
      ISALES_USER: 'bench',
      ISALES_PASSWORD: 'bench-password',
      LISTEN: `127.0.0.1:${port}`,
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      ...(upstream.startsWith('https:') && { ISALES_CA_FILE: caFile }),
    }),
  },
  floor: nodePeer('floor.mjs'),
  '@fastify/http-proxy': nodePeer('fastify.mjs'),
  'bare node:http': nodePeer('bare.mjs'),
  ...NATIVE_PEERS,
}

function nodePeer(file) {
  return {
    command: ({ node }) => [node, here + file].flat(),
    env: ({ port, upstream, caFile }) => ({
      PORT: String(port),
      UPSTREAM: upstream,
      AUTHORIZATION,
      BODY: SMALL_BODY,
      ...(upstream.startsWith('https:') && { CA_FILE: caFile, NODE_EXTRA_CA_CERTS: caFile }),
    }),
  }
}

/**
 * Starts a subject with `node`, a command or its words, and `more` environment variables; resolves when it has forwarded
 * its first response, with the ms from its start to that response. `built` is another build of this proxy to run instead.
 */
export const launch = async ({ name, node, upstream, caFile, dir, built, more = {}, ipc }) => {
  const port = await freePort()
  const { command, env = () => ({}), config } = SUBJECTS[name]
  const options = { node, built, port, adminPort: await freePort(), upstream, caFile, dir }
  const label = `${name} ${port}`.replaceAll(/\W+/g, '-')
  const file = join(dir, `${label}.conf`)
  if (config !== undefined) writeFileSync(file, config(options))
  const begin = performance.now()
  const running = start({
    name: label,
    command: command({ ...options, file }),
    env: { ...env(options), ...more },
    dir,
    core: CORES.proxy,
    ipc,
  })
  try {
    const target = { running, port, path: PATHS.small, body: SMALL_BODY, begin }
    const coldMs = await firstResponse(target)
    return { running, port, coldMs }
  } catch (error) {
    await running.stop()
    throw error
  }
}

/** Milliseconds of one burst: short, so that the proxies of a comparison meet the same state of the machine. */
export const burstMs = () => 120 + Math.random() * 80

/**
 * Starts these proxies next to each other, so that other work of the machine affects them equally. Passes them to
 * `measure` as a list, and stops them when it has ended.
 */
export const sideBySide = async (orders, measure) => {
  const proxies = []
  try {
    for (const order of shuffled(orders)) proxies.push({ ...order, ...(await launch(order)) })
    return await measure(proxies)
  } finally {
    for (const { running } of proxies) await running.stop()
  }
}

let load

/** Runs a burst of the load in a separate process on the other core. */
const burst = async (order) => {
  if (load === undefined) {
    const args = [PATHS.small, REQUEST_BYTES, SMALL_BODY.length].map(String)
    const command = ['-c', String(CORES.load), process.execPath, `${here}load.mjs`, ...args]
    const child = spawn('taskset', command, { stdio: ['pipe', 'pipe', 'inherit'] })
    load = { stdin: child.stdin, lines: createInterface({ input: child.stdout }) }
    child.unref()
  }
  load.stdin.write(`${JSON.stringify(order)}\n`)
  const [line] = await once(load.lines, 'line')
  return JSON.parse(line)
}

/** Ends the load process, which would keep this process alive. */
export const stopLoad = () => {
  load?.stdin.end()
  load = undefined
}

/** Small requests for some milliseconds: CPU of the proxy in µs per request, and its memory. */
export const smallRequests = async ({ running, port }, milliseconds, connections = CONNECTIONS) => {
  const before = cpuMs(running)
  const { requests, wrong, ms } = await burst({ port, ms: milliseconds, connections })
  const cpuUs = ((cpuMs(running) - before) * 1000) / requests
  if (wrong > 0 || requests === 0) throw new Error(`${wrong} of ${requests} requests failed`)
  return { cpuUs, requests, perSecond: (requests * 1000) / ms, rss: rssMb(running) }
}

/** Connections of the burst, each of which may open one to iSales; they end while the steady load runs. */
const BURST = { connections: 256, ms: 1000 }
const STEADY = { connections: CONNECTIONS, calls: 8000, perSecond: 1000 }

/** The slowest of 8,000 calls at 1,000 per second after a burst, in ms. */
export const slowestCall = async ({ port }) => {
  await burst({ port, ...BURST })
  const { wrong, slowest } = await burst({ port, ...STEADY })
  if (wrong > 0) throw new Error(`${wrong} of ${STEADY.calls} requests failed`)
  return slowest
}

/** Kilobytes that V8 allocates for a request, by its sampling heap profiler. */
export const allocation = async (bench) => {
  const node = [bench.node, '--import', `${here}profile-heap.mjs`]
  const { running, port } = await launch({ ...bench, node, ipc: true })
  try {
    await smallRequests({ running, port }, 5000)
    await running.ask('start')
    const { requests } = await smallRequests({ running, port }, 4000)
    return (await running.ask('stop')) / requests / 1000
  } finally {
    await running.stop()
  }
}

/** Responses of 50 MiB, one after another: CPU of the proxy in ms per MiB. */
export const bigResponses = async ({ running, port }, count) => {
  const before = cpuMs(running)
  const transfer = [`${here}transfer.mjs`, port, PATHS.down, BIG, count]
  const command = ['-c', CORES.load, process.execPath, ...transfer].map(String)
  await run('taskset', command, { timeout: 120_000 })
  return (cpuMs(running) - before) / (BIG_MIB * count)
}
