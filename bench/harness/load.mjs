// The loads, each a process of its own on the load core; each resolves to figures or throws.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { BIG, MEBIBYTE, PATHS } from './upstream.mjs'
import { cpuMs, peakMb, rssMb } from './process.mjs'

const run = promisify(execFile)
const bench = new URL('../', import.meta.url).pathname
const REQUEST_BYTES = 700

/** What is asked for, and the fewest bytes that a right answer has on the wire. */
export const REQUESTS = {
  small: { method: 'POST', path: PATHS.small, length: REQUEST_BYTES, atLeast: 1024 },
  medium: { method: 'POST', path: PATHS.medium, length: REQUEST_BYTES, atLeast: 50 * 1024 },
}

const figures = async (core, command) => {
  const { stdout } = await run('taskset', ['-c', String(core), ...command], { timeout: 120_000 })
  const line = /^JSON (.*)$/m.exec(stdout)
  if (!line) throw new Error(`no figures from ${command[0]}: ${stdout.slice(0, 500)}`)
  return JSON.parse(line[1])
}

const wrk = async (load, again = true) => {
  const { core, port, request, connections, seconds, authorization = '' } = load
  const { method, path, length, atLeast } = request
  const result = await figures(core, [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    `${bench}post.lua`,
    `http://127.0.0.1:${port}`,
    '--',
    method,
    path,
    String(length),
    authorization,
  ])
  if (result.wrong > 0) throw new Error(`${result.wrong} requests failed or were answered wrongly`)
  // On a machine with other work a second can pass without a turn for one of the three.
  if (result.requests === 0 && again) return wrk(load, false)
  if (result.requests === 0) throw new Error('no request was answered')
  if (result.bytes / result.requests < atLeast)
    throw new Error('answers are shorter than they should be')
  return result
}

/** A closed loop by wrk: CPU of the proxy per request, throughput, and its memory near the end. */
export const closedLoop = async ({ running, ...load }) => {
  const before = cpuMs(running)
  const memory = setTimeout(() => (rss = rssMb(running)), load.seconds * 800)
  let rss = 0
  try {
    const { requests, us, p50, p99 } = await wrk(load)
    const cpuUs = ((cpuMs(running) - before) * 1000) / requests
    return { cpuUs, perSecond: requests / (us / 1e6), p50, p99, rss: rss || rssMb(running) }
  } finally {
    clearTimeout(memory)
  }
}

/** The same without figures: to let the compilers settle. */
export const warmUp = (load) => wrk({ ...load })

/** A fixed rate, open loop: p50 and p99 in µs. */
export const fixedRate = async ({ core, port, rate, seconds, authorization = '' }) => {
  const { path, length } = REQUESTS.small
  const command = [
    process.execPath,
    `${bench}pace.mjs`,
    port,
    path,
    rate,
    seconds,
    length,
    authorization,
  ]
  const result = await figures(core, command.map(String))
  if (result.wrong > 0) throw new Error(`${result.wrong} requests at a fixed rate failed`)
  if (result.answered === 0) throw new Error('no answer at a fixed rate')
  return result
}

/** 50 MiB bodies one after another: CPU of the proxy in ms per MB (MiB), MB/s, and the peak of its memory so far. */
export const bigBodies = async ({ running, core, port, direction, count, authorization = '' }) => {
  const path = direction === 'down' ? PATHS.download : PATHS.upload
  const before = cpuMs(running)
  const transfer = [direction, port, path, BIG, count, authorization]
  const command = [process.execPath, `${bench}transfer.mjs`, ...transfer]
  const { ms } = await figures(core, command.map(String))
  const megabytes = (BIG / MEBIBYTE) * count
  return {
    cpuMsPerMb: (cpuMs(running) - before) / megabytes,
    mbPerSecond: megabytes / (ms / 1000),
    peak: peakMb(running),
  }
}
