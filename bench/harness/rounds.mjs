// One cycle: every figure of every proxy once, each measured in a process started for it. What is compared is measured
// close together in time: all proxies' small requests, then all proxies' HTTPS, then the cold starts.
import { setTimeout as sleep } from 'node:timers/promises'
import { bigBodies, closedLoop, fixedRate, REQUESTS, warmUp } from './load.mjs'
import { firstAnswer, freePort, peakMb, rssMb, start } from './process.mjs'
import { SUBJECTS } from './subjects.mjs'
import { AUTHORIZED, firstSmallAnswer, PATHS, SMALL_ANSWER } from './upstream.mjs'

const RATE = 1000
const bare = new URL('../bare.mjs', import.meta.url).pathname

/** Starts a proxy before the upstream; resolves when it has forwarded its first right answer. */
const launch = async (bench, name, upstream) => {
  const { dir, proxyCore: core } = bench
  const place = {
    dir,
    port: await freePort(),
    adminPort: await freePort(),
    upstream,
    caFile: bench.upstream.caFile,
  }
  const subject = SUBJECTS[name]
  const begin = performance.now()
  const running = start({
    name: name.replaceAll(/\W+/g, '-'),
    command: subject.command(place),
    env: subject.env(place),
    dir,
    core,
  })
  const to = { running, port: place.port }
  try {
    const headers = subject.login === undefined ? {} : await logIn(to, subject.login)
    const { ms } = await firstSmallAnswer({ ...to, headers, begin })
    return { ...to, ...headers, core: bench.loadCore, coldMs: ms }
  } catch (error) {
    await running.stop()
    throw error
  }
}

/** The field that a client of a proxy with its own login has to send. */
const logIn = async (to, { user, passwd }) => {
  const login = { path: PATHS.login, body: JSON.stringify({ user, passwd }) }
  const isRight = (answer) => answer.includes('"token"')
  const { body } = await firstAnswer({ ...to, ...login, isRight })
  return { authorization: `Bearer ${JSON.parse(body).resultData.token}` }
}

/** What is compiled while it runs gets the time for that. */
const settle = (name, load) => (SUBJECTS[name].compiled ? undefined : warmUp(load))

const small = async (bench, name, note) => {
  const { plan, wants } = bench
  const started = await launch(bench, name, bench.upstream.url)
  const { running } = started
  const loop = (connections, seconds, request = REQUESTS.small) =>
    closedLoop({ ...started, connections, seconds, request })
  try {
    await sleep(plan.settleMs)
    note('rssIdle', rssMb(running))
    await settle(name, {
      ...started,
      connections: 64,
      seconds: plan.warmSeconds,
      request: REQUESTS.small,
    })
    for (const connections of plan.connections) {
      const { cpuUs, perSecond, rss } = await loop(connections, plan.seconds)
      note(`cpu${connections}`, cpuUs)
      note(`perSecond${connections}`, perSecond)
      note(`rss${connections}`, rss)
    }
    if (wants('rate', name)) {
      const { p50, p99, lateP99 } = await fixedRate({
        ...started,
        rate: RATE,
        seconds: plan.rateSeconds,
      })
      note('p50', p50)
      note('p99', p99)
      note('late', lateP99)
    }
    note('peakSmall', peakMb(running))
    if (wants('bodies', name)) {
      for (const direction of ['down', 'up']) {
        await bigBodies({ ...started, direction, count: 1 })
        const { cpuMsPerMb, mbPerSecond, peak } = await bigBodies({
          ...started,
          direction,
          count: plan.bodies,
        })
        note(`${direction}Cpu`, cpuMsPerMb)
        note(`${direction}Speed`, mbPerSecond)
        note(`${direction}Peak`, peak)
      }
    }
    if (wants('medium', name))
      note('cpuMedium', (await loop(8, plan.seconds, REQUESTS.medium)).cpuUs)
  } finally {
    await running.stop()
  }
}

const tls = async (bench, name, note) => {
  const { plan } = bench
  const started = await launch(bench, name, bench.upstream.tlsUrl)
  const load = { ...started, connections: 64, request: REQUESTS.small }
  try {
    await settle(name, { ...load, seconds: plan.warmSeconds })
    const { cpuUs, perSecond } = await closedLoop({ ...load, seconds: plan.seconds })
    note('cpuTls', cpuUs)
    note('perSecondTls', perSecond)
  } finally {
    await started.running.stop()
  }
}

const cold = async (bench, name, note) => {
  for (let round = 0; round < bench.plan.coldStarts; round += 1) {
    const { running, coldMs } = await launch(bench, name, bench.upstream.url)
    note('cold', coldMs)
    await running.stop()
  }
}

const coldBare = async (bench, _name, note) => {
  for (let round = 0; round < bench.plan.coldStarts; round += 1) {
    const port = await freePort()
    const begin = performance.now()
    const env = { PORT: String(port), ANSWER: SMALL_ANSWER }
    const command = [process.execPath, bare]
    const running = start({ name: 'bare', command, env, dir: bench.dir, core: bench.proxyCore })
    try {
      const { ms } = await firstSmallAnswer({ running, port, begin })
      note('cold', ms)
    } finally {
      await running.stop()
    }
  }
}

const direct = async (bench, _name, note) => {
  const { authorization } = AUTHORIZED
  const target = { core: bench.loadCore, port: bench.upstream.plainPort, authorization }
  const { p50, p99, lateP99 } = await fixedRate({
    ...target,
    rate: RATE,
    seconds: bench.plan.rateSeconds,
  })
  note('p50', p50)
  note('p99', p99)
  note('late', lateP99)
}

/** A different order in each cycle, so that nobody always runs after the same neighbour. */
const rotated = (names, by) => [
  ...names.slice(by % names.length),
  ...names.slice(0, by % names.length),
]

/** Runs one cycle; `record(subject, figure, value)` takes what is measured, `failed(subject, error)` what could not be. */
export const cycle = async (bench, index, { record, failed, say }) => {
  const wants = bench.wantedIn(index)
  const attempt = async (group, measure, name) => {
    say(`cycle ${index + 1}/${bench.plan.cycles} ${group}: ${name}`)
    try {
      await measure({ ...bench, wants }, name, (figure, value) => record(name, figure, value))
    } catch (error) {
      failed(`${name} (${group})`, error)
    }
  }
  const order = rotated(bench.subjects, index * 3)
  if (wants('rate', 'direct')) await attempt('rate', direct, 'direct')
  for (const name of order) if (wants('small', name)) await attempt('small', small, name)
  for (const name of order) if (wants('tls', name)) await attempt('tls', tls, name)
  if (wants('cold', 'bare')) await attempt('cold', coldBare, 'bare node:http')
  for (const name of order) if (wants('cold', name)) await attempt('cold', cold, name)
}
