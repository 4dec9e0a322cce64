// One cycle: every figure of every proxy, in processes started for it. A few proxies run side by side and are measured in
// turns, so that what else the machine does meets them all alike. Only a few: V8 makes an idle process small again, and
// one that has waited for ten seconds pays for that in its next.
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

/**
 * The proxies of a group, once they have answered. `each` measures one after the other, `turns` times round; one that
 * fails is out for the rest of the cycle.
 */
const sideBySide = async (bench, group, upstream, attempt) => {
  const started = new Map()
  const each = async (measure, { turns = 1, wanted = () => true } = {}) => {
    for (let turn = 0; turn < turns; turn += 1) {
      for (const [name, proxy] of started) {
        if (!wanted(name)) continue
        const failed = await attempt(group, name, (note) => measure(proxy, note, name))
        if (!failed) continue
        started.delete(name)
        await proxy.running.stop()
      }
    }
  }
  for (const name of bench.order.filter((subject) => bench.wants(group, subject)))
    await attempt(group, name, async () => started.set(name, await launch(bench, name, upstream)))
  return {
    each,
    stop: () => Promise.all([...started.values()].map(({ running }) => running.stop())),
  }
}

const COMPANY = 5

/** What belongs together is next to each other in SUBJECTS; within a company the order rotates. */
const companies = (names, by) =>
  Array.from({ length: Math.ceil(names.length / COMPANY) }, (_, index) =>
    rotated(names.slice(index * COMPANY, (index + 1) * COMPANY), by),
  )

const small = async (bench, attempt) => {
  const { plan, wants } = bench
  const { each, stop } = await sideBySide(bench, 'small', bench.upstream.url, attempt)
  const request = REQUESTS.small
  const inGroup = (group) => ({ wanted: (name) => wants(group, name) })
  try {
    await sleep(plan.settleMs)
    await each(({ running }, note) => note('rssIdle', rssMb(running)))
    await each((proxy, _note, name) =>
      settle(name, { ...proxy, connections: 64, seconds: plan.warmSeconds, request }),
    )
    for (const [connections, turns] of plan.connections) {
      await each(
        async (proxy, note) => {
          const loop = { ...proxy, connections, seconds: plan.seconds, request }
          const { cpuUs, perSecond, rss } = await closedLoop(loop)
          note(`cpu${connections}`, cpuUs)
          note(`perSecond${connections}`, perSecond)
          note(`rss${connections}`, rss)
        },
        { turns },
      )
    }
    await each((proxy, note) => paced(plan, proxy, note), inGroup('rate'))
    await each(({ running }, note) => note('peakSmall', peakMb(running)))
    await each((proxy, note) => bodies(plan, proxy, note), inGroup('bodies'))
    await each(async (proxy, note) => {
      const loop = { ...proxy, connections: 8, seconds: plan.seconds, request: REQUESTS.medium }
      note('cpuMedium', (await closedLoop(loop)).cpuUs)
    }, inGroup('medium'))
  } finally {
    await stop()
  }
}

/** The upstream, asked without a proxy. */
const direct = ({ loadCore, upstream }) => ({
  core: loadCore,
  port: upstream.plainPort,
  authorization: AUTHORIZED.authorization,
})

const paced = async (plan, proxy, note) => {
  const { p50, p99, lateP99 } = await fixedRate({ ...proxy, rate: RATE, seconds: plan.rateSeconds })
  note('p50', p50)
  note('p99', p99)
  note('late', lateP99)
}

const bodies = async (plan, proxy, note) => {
  for (const direction of ['down', 'up']) {
    await bigBodies({ ...proxy, direction, count: 1 })
    const transfer = await bigBodies({ ...proxy, direction, count: plan.bodies })
    note(`${direction}Cpu`, transfer.cpuMsPerMb)
    note(`${direction}Speed`, transfer.mbPerSecond)
    note(`${direction}Peak`, transfer.peak)
  }
}

const tls = async (bench, attempt) => {
  const { plan } = bench
  const { each, stop } = await sideBySide(bench, 'tls', bench.upstream.tlsUrl, attempt)
  const load = { connections: 64, request: REQUESTS.small }
  try {
    await each((proxy, _note, name) =>
      settle(name, { ...proxy, ...load, seconds: plan.warmSeconds }),
    )
    await each(
      async (proxy, note) => {
        const { cpuUs, perSecond } = await closedLoop({ ...proxy, ...load, seconds: plan.seconds })
        note('cpuTls', cpuUs)
        note('perSecondTls', perSecond)
      },
      { turns: plan.tlsTurns },
    )
  } finally {
    await stop()
  }
}

const cold = async (bench, name, note) => {
  const { running, coldMs } = await launch(bench, name, bench.upstream.url)
  note('cold', coldMs)
  await running.stop()
}

const coldBare = async (bench, note) => {
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

const coldStarts = async (bench, attempt) => {
  for (let round = 0; round < bench.plan.coldStarts; round += 1) {
    if (bench.wants('cold', 'bare'))
      await attempt('cold', 'bare node:http', (note) => coldBare(bench, note))
    for (const name of bench.order)
      if (bench.wants('cold', name)) await attempt('cold', name, (note) => cold(bench, name, note))
  }
}

/** A different order in each cycle, so that nobody always runs after the same neighbour. */
const rotated = (names, by) => [
  ...names.slice(by % names.length),
  ...names.slice(0, by % names.length),
]

/** Runs one cycle; `record(subject, figure, value)` takes what is measured, `failed(subject, error)` what could not be. */
export const cycle = async (bench, index, { record, failed, say }) => {
  /** True when it failed. */
  const attempt = async (group, name, measure) => {
    say(`cycle ${index + 1}/${bench.plan.cycles} ${group}: ${name}`)
    try {
      await measure((figure, value) => record(name, figure, value))
      return false
    } catch (error) {
      failed(`${name} (${group})`, error)
      return true
    }
  }
  if (bench.wants('rate', 'direct'))
    await attempt('rate', 'direct', (note) => paced(bench.plan, direct(bench), note))
  for (const order of companies(bench.subjects, index)) {
    await small({ ...bench, order }, attempt)
    await tls({ ...bench, order }, attempt)
  }
  await coldStarts({ ...bench, order: bench.subjects }, attempt)
}
