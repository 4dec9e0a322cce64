// Plays a plan in a world: the traffic, the acts, the calm after them, and the checks at the end. The generator yields its waits.
import { connect } from 'node:net'
import type { Status } from '../../src/admin/index.ts'
import { LOGIN_PATH, REFRESH_PATH, type SeenRequest } from '../../simulator/index.ts'
import { startTraffic } from './clients.ts'
import type { Judge } from './judge.ts'
import { createStage, LONG } from './perform.ts'
import { actText, lengthOf, type Plan } from './plan.ts'
import type { Replica, World } from './stage.ts'

/** Lasts until the condition holds, at most to `end`. */
export interface Wait {
  readonly until: () => boolean
  readonly end: number
}
type Playing<T = void> = Generator<Wait, T, void>

/** Limit for the end of all calls, stalled clients included. */
const IDLE = 20_000
/** The time to drain, and a margin. */
const DRAIN = 15_000
/** Rejected calls before the silence, and the time after which they are no longer shown. */
const REJECTED = 3
const REJECTED_FOR = 600_000
/** Time until a closed connection is gone. */
const END = 100
/** Gauges that are 0 without a call. */
const ZERO = /^isales_proxy_(requests_in_flight|token_waiters)(?:{[^}]*})? (?!0$)(\S+)$/gm

/** Passwords of `perform.ts` that are never right. */
const NEVER_RIGHT = /-(?:loop|wrong-\d)$/

/**
 * Reports a request as iSales saw it.
 *
 * `password`: of a login.
 */
export function judgeRequest(
  judge: Judge,
  { seen, to, password }: { seen: SeenRequest; to: number; password: string },
  { switches }: Plan,
): void {
  const { path, callId, status, note, durationMs } = seen
  const from = to - durationMs
  if (path === LOGIN_PATH && note.startsWith('token granted')) judge.rightLogin(password)
  const isWrong = note.startsWith('wrong password')
  // The login of a process that is killed before iSales responds also counts.
  const isUnheard = path === LOGIN_PATH && status === 0 && note === '' && NEVER_RIGHT.test(password)
  const isUnanswered = /fault (?:reset|hang)/.test(note)
  if (isWrong || isUnheard) judge.wrongLogin(password, from, to, isUnanswered ? 0 : status)
  if (path === LOGIN_PATH || path === REFRESH_PATH) {
    const credentials = path === LOGIN_PATH ? password : undefined
    // A token that is granted with another fault does not arrive.
    const granted = status === 200 && /^token granted(?:, fault slow)?$/.test(note)
    const refused = credentials !== undefined && (isWrong || [401, 403, 500].includes(status))
    const isNeeded = !isWrong || Number(switches['refreshLifetime']) < LONG
    // Only the body of a 200 has its result.
    const known = isUnanswered && status === 200 ? 0 : status
    judge.tokenRequest({ from, to, granted, credentials, refused, status: known }, isNeeded)
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

/** Reports a call that iSales executed. `id`: of its body, or of its query. */
export function judgeExecution(
  judge: Judge,
  { rawHeaders, id }: { readonly rawHeaders: readonly string[]; readonly id: string | undefined },
  at: number,
): void {
  const index = rawHeaders.findIndex((name) => name.toLowerCase() === 'x-call-id')
  if (index === -1) return
  const callId = rawHeaders[index + 1] ?? ''
  if (id !== callId) judge.find(11, at, `${callId} was executed with another body`)
  judge.executed(callId, at)
}

/** Ends after the last process. */
export function* play<R extends Replica>(plan: Plan, world: World<R>, judge: Judge): Playing {
  const { isales, replicas, machine, waits } = world
  const { time, later } = machine
  const find = (text: string, property = 12): void => judge.find(property, time(), text)
  const rest = (ms: number): Wait => ({ until: () => false, end: time() + ms })
  isales.set(plan.switches)
  judge.refreshTokensLast(plan.switches['refreshLifetime'])
  if (Number(plan.switches['tokenLifetime']) < 30) judge.open('short-lives', 0)
  const begin = (replica: R): void => {
    const span = judge.open(`replica-${replica.index}`, time())
    judge.began(replica.index, time())
    world.start(replica)
    const check = (): void => {
      if (replica.phase === 'starting') later(10, check)
      // Until a token may have arrived.
      else span.to = time() + 1000
    }
    check()
  }
  replicas.forEach(begin)
  const traffic = startTraffic(plan, world, judge)
  const stage = createStage(world, judge, { traffic, begin })
  for (const act of plan.acts) {
    later(act.at - time(), () => {
      world.note(`act ${actText(act)}`)
      stage.perform(act)
    })
  }
  let watched = true
  /** Reads a replica's page whenever `look` asks for it. */
  const watch = (): void => {
    if (!watched) return
    later(traffic.isQuiet() ? 60_000 : 1000, watch)
    for (const { index, phase } of replicas)
      if (judge.look(index, time()) && phase === 'running')
        request(world, index, '/status.json', (text) => {
          const page = pageOf(text)
          if (page !== undefined) judge.shows(index, page)
        })
  }
  later(1000, watch)
  const end = Math.max(plan.duration, ...plan.acts.map((act) => act.at + lengthOf(act)))
  yield rest(end + 100 - time())

  /** Each replica answers another call, and no client is left waiting. */
  function* judgeServed(): Playing {
    const probes = traffic.probe()
    yield { until: () => traffic.busy() === 0, end: time() + IDLE }
    for (const { replica, status } of probes)
      if (status !== 200) find(`replica ${replica} does not serve: ${status}`, 8)
    if (traffic.busy() > 0) find(`${traffic.busy()} clients wait for a response`, 8)
  }

  stage.calm()
  traffic.calm()
  yield rest(waits.calm)
  traffic.stop()
  watched = false
  yield* judgeServed()
  // The calm has shown renewals without a call: from here on, only the state matters.
  isales.set({ tokenLifetime: LONG })
  if (waits.silence > REJECTED_FOR) {
    isales.failBusiness({ status: 403, times: 'always' })
    for (let call = 0; call < REJECTED; call += 1) {
      traffic.probe()
      yield { until: () => traffic.busy() === 0, end: time() + IDLE }
    }
    isales.clear()
  }
  traffic.close()
  yield rest(waits.silence)
  for (const replica of replicas) {
    const { index, phase } = replica
    if (phase !== 'running') find(`replica ${index} is ${phase}`)
    const page = pageOf(yield* get(world, index, '/status.json'))
    // Failed refreshes last until the next token is due.
    const bad = page?.findings.find(
      ({ finding, state }) => state !== 'healthy' && finding !== 'refresh',
    )
    if (page === undefined || bad !== undefined)
      find(`replica ${index} is ${page?.state}: ${page?.code} ${page?.cause}`, 4)
    const metrics = yield* get(world, index, '/metrics')
    world.searchSecrets(metrics, 'the metrics')
    for (const [, name, value] of metrics.matchAll(ZERO))
      find(`replica ${index}: ${name} is ${value} without a call`)
    for (const left of world.left(replica, 'idle')) find(`replica ${index} has ${left}`)
  }
  // Leaves an idle connection to each process that ends.
  yield* judgeServed()
  for (const replica of replicas) world.stop(replica)
  yield { until: () => replicas.every(({ phase }) => phase === 'stopped'), end: time() + DRAIN }
  for (const { phase, index } of replicas)
    if (phase !== 'stopped') find(`replica ${index} is ${phase} after its drain`)
  for (const when of ['end', 'long'] as const) {
    yield rest(when === 'end' ? END : waits.afterwards)
    for (const replica of replicas)
      for (const left of world.left(replica, when))
        find(`replica ${replica.index} has ended and keeps ${left}`)
  }
  judge.finish()
}

/** Undefined without a response. */
const pageOf = (text: string) => (text === '' ? undefined : (JSON.parse(text) as Status))

/** Reads a page of a replica's admin listener; '' if there is no response. */
function* get(
  world: Pick<World, 'ports' | 'machine'>,
  replica: number,
  path: string,
): Playing<string> {
  let received: string | undefined
  request(world, replica, path, (text) => (received = text))
  yield { until: () => received !== undefined, end: world.machine.time() + 5000 }
  return received ?? ''
}

/** Calls back with the body, or with '' if the connection ends without one. */
function request(
  { ports }: Pick<World, 'ports'>,
  replica: number,
  path: string,
  onBody: (body: string) => void,
): void {
  let received = ''
  const socket = connect({ host: '127.0.0.1', port: ports.admin(replica) })
  socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')))
  socket.on('error', () => undefined)
  socket.on('close', () => onBody(received.split('\r\n\r\n').slice(1).join('\r\n\r\n')))
  socket.write(`GET ${path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`)
}
