// Runs one plan: the traffic, the acts, the calm after them, and the judge.
import { connect } from 'node:net'
import { LOGIN_PATH, REFRESH_PATH, type SeenRequest } from '../../simulator/index.ts'
import { createJudge, type Counts, type Finding, type Judge } from './judge.ts'
import { runUntil, schedule, socketsOf, time } from './patches.ts'
import { actText, type Act, type Plan } from './plan.ts'
import { createStage, RIVAL } from './stage.ts'
import { startTraffic, type Traffic } from './traffic.ts'
import { openWorld, PORTS, type Replica, type World } from './world.ts'

export interface Outcome {
  readonly findings: readonly Finding[]
  /** Of all that was sent and logged. */
  readonly hash: string
  readonly counts: Counts
}

/** CLIENT_DEADLINE, and what the network and a body may add. */
const DEADLINE = 2800 + 400
/** Seconds: longer than a run. */
const LONG_REFRESH = 600
/** Milliseconds after the last act, until all must be well. */
const CALM = 60_000
/** The state that people read is of the last minute. */
const MINUTE = 65_000
/** Until nobody is waited for, nor a client that sends no more. */
const IDLE = 20_000
/** DRAIN_TIMEOUT, and more. */
const DRAIN = 15_000
/** What is closed is gone soon. */
const END = 100
/** What is counted for the log is written within two minutes. */
const AFTERWARDS = 120_000
/** Timers of an idle process. */
const MAX_TIMERS = 40
/** Gauges that are 0 without a call. */
const ZERO = /^isales_proxy_(requests_in_flight|token_waiters)(?:{[^}]*})? (?!0$)(\S+)$/gm

export function runPlan(plan: Plan, trace?: (line: string) => void): Outcome {
  const findings: Finding[] = []
  const onFinding = (finding: Finding): void => {
    findings.push(finding)
    trace?.(`FINDING ${finding.judgement}: ${finding.text} at ${finding.at / 1000}`)
  }
  const judge = createJudge({
    deadline: DEADLINE,
    shared: plan.shared,
    onFinding,
  })
  const world = openWorld({
    ...plan,
    trace,
    onRequest: (seen) => judgeRequest(judge, seen, time(), plan),
    onWrongLogin(password) {
      // A page may come from a gateway: credentials that have worked are tried on.
      if (plan.switches['rejectionBody'] !== 'html') judge.wrongLogin(password, time())
    },
    onExecution: (callId) => judge.executed(callId, time()),
    onFinding: (judgement, text) => judge.find(judgement, time(), text),
  })
  try {
    play(plan, world, judge)
    judge.finish()
  } catch (error) {
    judge.find(6, time(), error instanceof Error ? (error.stack ?? '') : String(error))
  } finally {
    world.close()
  }
  return { findings, hash: world.digest(), counts: judge.counts }
}

/** What iSales saw, in the judge's words. */
function judgeRequest(judge: Judge, seen: SeenRequest, to: number, { switches }: Plan): void {
  const { path, callId, status, note, durationMs } = seen
  // What a rival is granted is no token for us.
  if (callId === RIVAL) return
  const from = to - durationMs
  if (path === LOGIN_PATH || path === REFRESH_PATH) {
    // Whoever has a refresh token that lives needs no password.
    const isNeeded = Number(switches['refreshLifetime']) < LONG_REFRESH
    if (note.startsWith('wrong password') && !isNeeded) return
    const granted = status === 200 && /^token granted(?:, fault slow)?$/.test(note)
    judge.tokenRequest({ from, to, granted })
  } else if (callId !== undefined) {
    const expired = note.startsWith('the token has expired')
    const cut = note.includes('fault reset')
    const byToken = note.startsWith('the token') || note.startsWith('no Bearer')
    const isRejected = status === 401 || status === 403 || (status === 200 && byToken)
    const rejected = !isRejected ? undefined : byToken ? 'token' : 'call'
    const token = switches['sameToken'] === 'off' ? seen.authorization : undefined
    judge.arrived({ callId, from, to, status, cut, rejected, expired, token })
  }
}

function play(plan: Plan, world: World, judge: Judge): void {
  const { isales, replicas } = world
  isales.set(plan.switches)
  if (Number(plan.switches['tokenLifetime']) < 30) judge.open('short-lives', 0)
  const begin = (replica: Replica): void => {
    const span = judge.open(`replica-${replica.index}`, time())
    world.start(replica)
    const check = (): void => {
      if (replica.phase === 'starting') schedule(check, 10)
      // Until a token could have come.
      else span.to = time() + 1000
    }
    check()
  }
  replicas.forEach(begin)
  const traffic = startTraffic(plan, world, judge)
  const stage = createStage(world, judge, begin)
  let end = plan.duration
  for (const act of plan.acts) {
    schedule(() => {
      world.note(`act ${actText(act)}`)
      stage.perform(act)
    }, act.at)
    end = Math.max(end, act.at + ('ms' in act ? act.ms : 0) + ('gap' in act ? act.gap : 0))
  }
  runUntil(() => false, end + 100)
  stage.calm(mayPause(plan.acts))
  runUntil(() => false, time() + CALM)
  judgeCalm(plan, world, judge, traffic)
  judgeEnd(world, judge)
}

/** After these the program may rightly pause for longer than the calm lasts, until an operator asks for a login. */
function mayPause(acts: readonly Act[]): boolean {
  const statusOf = (act: Act): unknown =>
    act.kind === 'command' && act.command === 'failLogin' ? act.input['status'] : undefined
  const isRefused = (act: Act): boolean =>
    [401, 403].includes(Number(statusOf(act))) ||
    act.kind === 'disk-full' ||
    (act.kind === 'rotate' && act.first === 'file')
  // A login that fails in another way says nothing of credentials that have worked.
  // After ten failures in a row, by outages too, it is asked for less often.
  const unproves = ({ kind }: Act): boolean =>
    ['kill', 'crash-loop', 'rotate', 'date', 'outage'].includes(kind)
  const isUnclear = (act: Act): boolean =>
    statusOf(act) !== undefined || (act.kind === 'command' && act.input['operation'] === 'login')
  return acts.some(isRefused) || (acts.some(unproves) && acts.some(isUnclear))
}

/** Judgement 6, while it runs. */
function judgeCalm(plan: Plan, world: World, judge: Judge, traffic: Traffic): void {
  const hasDates = plan.acts.some(({ kind }) => kind === 'date')
  const find = (text: string): void => judge.find(6, time(), text)
  const probes = traffic.probe()
  traffic.stop()
  runUntil(() => traffic.busy() === 0, time() + IDLE)
  for (const { replica, status } of probes) {
    if (status !== 200) find(`replica ${replica} does not serve: ${status}`)
  }
  if (traffic.busy() > 0) find(`${traffic.busy()} clients wait for a response`)
  traffic.close()
  runUntil(() => false, time() + MINUTE)
  for (const { index, phase, owner } of world.replicas) {
    if (phase !== 'running') find(`replica ${index} is ${phase}`)
    let page = statusOf(index)
    // Tokens that live 3 s leave a moment without one.
    for (let tries = 0; tries < 3 && page.state !== 'healthy'; tries += 1) {
      runUntil(() => false, time() + 700)
      page = statusOf(index)
    }
    // What was measured last, before the date was right again.
    const isDated = page.reason?.startsWith('The clock of this machine') === true
    if (page.state !== 'healthy' && !(isDated && hasDates))
      find(`replica ${index} is ${page.state}: ${page.reason}`)
    const metrics = get(index, '/metrics')
    world.searchSecrets(metrics, 'the metrics')
    for (const [, name, value] of metrics.matchAll(ZERO)) {
      find(`replica ${index}: ${name} is ${value} without a call`)
    }
    if (owner.timers > MAX_TIMERS) find(`replica ${index} has ${owner.timers} timers`)
  }
}

/** Judgement 6, of a process that ends. */
function judgeEnd(world: World, judge: Judge): void {
  const { replicas } = world
  const find = (text: string): void => judge.find(6, time(), text)
  for (const replica of replicas) world.stop(replica)
  runUntil(() => replicas.every(({ phase }) => phase === 'stopped'), time() + DRAIN)
  runUntil(() => false, time() + END)
  for (const { phase, owner, index } of replicas) {
    if (phase !== 'stopped') find(`replica ${index} is ${phase} after its drain`)
    const open = socketsOf(owner).map(({ label, port }) => `${label} of ${port}`)
    if (open.length > 0) find(`replica ${index} has ended and keeps ${open.join(', ')}`)
  }
  runUntil(() => false, time() + AFTERWARDS)
  for (const { owner, index } of replicas) {
    if (owner.timers > 0) find(`replica ${index} has ended and keeps ${owner.timers} timers`)
  }
}

function statusOf(replica: number): { readonly state?: string; readonly reason?: string } {
  return JSON.parse(get(replica, '/status.json') || '{}') as ReturnType<typeof statusOf>
}

/** A page of a replica's admin listener; '' when it does not respond. */
function get(replica: number, path: string): string {
  let received = ''
  let closed = false
  const socket = connect({ host: '127.0.0.1', port: PORTS.admin + replica })
  socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')))
  socket.on('error', () => undefined)
  socket.on('close', () => (closed = true))
  socket.write(`GET ${path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`)
  runUntil(() => closed, time() + 5000)
  return received.slice(received.indexOf('\r\n\r\n') + 4)
}
