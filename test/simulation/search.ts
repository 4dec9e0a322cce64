// Searches every interleaving of replicas that share a token. The program's own pure functions decide the store's reply, a
// replica's next step, and the token that it adopts. The steps between them follow `token/register.ts` and
// `token/request-token.ts`. Time has no length here: a timer may expire at any moment.
import { createHash } from 'node:crypto'
import { Secret } from '../../src/config/secret.ts'
import {
  decideTurn,
  isNewer,
  recordOutcome,
  type Account,
  type Requester,
} from '../../src/token/account.ts'
import type { Operation } from '../../src/token/isales-client.ts'
import {
  initialState,
  isSuspect,
  next,
  onAdopted,
  onRejected,
  onRequestEnded,
  onRequestPending,
  type Reducer,
  type TokenState,
} from '../../src/token/lifecycle.ts'
import { loginFrom, NO_ATTEMPTS, type AttemptRecord } from '../../src/token/login-guard.ts'
import type { Token, TokenResult } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'
import { credentialsOf, RULES } from '../token/support.ts'
import { compareAndSwap } from './swap.ts'

/** An instant is now, or so long ago that every limit has passed. */
const NOW = 1_000_000_000
const LONG = 1_000_000_000_000
const NOTHING_KNOWN: Account = {
  record: NO_ATTEMPTS,
  lease: undefined,
  token: undefined,
  name: 'p',
}

const numberOf = (secret: Secret | undefined): number => Number(secret?.reveal() ?? 0)
/**
 * @param token number in the order of grants.
 * @param sentAt number in the order of requests.
 */
const grantOf = (token: number, sentAt: number): Token => {
  const secret = new Secret(String(token))
  return { token: secret, refreshToken: secret, sentAt, lifetime: { ms: LONG }, of: 'p' }
}
const sentAtOf = (token: Token | undefined): number => token?.sentAt ?? 0

/** Accounts by their value in the store: nothing is sealed, and all replicas have the same credentials. */
const accounts = new Map<string, Account>()
const open = (value: string): Account => accounts.get(value) ?? NOTHING_KNOWN

/** Formats the members that the rules read. */
function textOf(
  { record, lease, token }: Account,
  sentAt: number,
  rename = (name: string): string => name,
): string {
  const { attempts, pauseFrom, knownGoodUntil } = record
  const { until = 0 } = lease ?? {}
  const holder = lease && rename(lease.holder)
  const known = [attempts, pauseFrom > 0, knownGoodUntil > NOW]
  return JSON.stringify([numberOf(token?.token), sentAt, known, holder, until > 0])
}

function close(account: Account): string {
  const text = textOf(account, sentAtOf(account.token))
  if (!accounts.has(text)) accounts.set(text, account)
  return text
}

/**
 * Does the update of `token/register.ts`: from the value that the replica has seen, and again from the stored value if the two
 * differ.
 *
 * @returns the value in the store afterwards, the value that the replica has seen, and whether its change was written.
 */
function update(value: string, seen: string, rewrite: (account: Account) => Account | undefined) {
  let view = seen
  for (let isFresh = false; ; isFresh = true) {
    const account = open(view)
    const next = rewrite(account)
    if (isFresh && next === undefined) return { value, seen: view, account, isChanged: false }
    const text = next === undefined ? '' : close(next)
    view = compareAndSwap(value, view, text)
    if (next !== undefined && view === text)
      return { value: view, seen: view, account: next, isChanged: true }
  }
}

/**
 * Faults, and other causes of a new token request.
 *
 * - `end`: iSales ends the session: a revocation, or a rival.
 * - `renewal`: a replica's token is near its end.
 * - `freeze`: a process is frozen during its token request until its lease expires.
 * - `kill`: a process is killed, and another one starts.
 * - `lostResponse`: iSales grants a token, and its response is lost.
 * - `lostReply`: the store executes a command, and its reply is lost.
 */
type Fault = 'end' | 'renewal' | 'freeze' | 'kill' | 'lostResponse' | 'lostReply'

/** A token request of one replica. */
interface Asking {
  readonly operation: Operation
  /** Without the store. */
  readonly alone: boolean
  readonly sent: boolean
  /** Number in the order of requests. */
  readonly at: number
  /** The record before it. */
  readonly before: AttemptRecord
  /** The granted token; 0 if iSales rejected; undefined if iSales has not responded yet. */
  readonly response: number | 'lost' | undefined
}

interface Replica {
  readonly process: number
  readonly life: TokenState
  /** The value that the replica last saw in the store. */
  readonly seen: string
  readonly asking: Asking | undefined
}

interface World {
  readonly replicas: readonly Replica[]
  readonly value: string
  /** The token that iSales accepts; 0 if none. Tokens are numbered in the order of grants. */
  readonly valid: number
  readonly granted: number
  readonly sent: number
  /** Sorted. */
  readonly faults: readonly Fault[]
}

type Change = Partial<Omit<World, 'replicas' | 'faults'>>
type Move = (label: string, become: Partial<Replica>, change?: Change, fault?: Fault) => void

const NOTHING: Replica = {
  process: 0,
  life: initialState(credentialsOf('p'), 0),
  seen: '',
  asking: undefined,
}
const REFUSED = authFailure('rejected', 'account', { status: 401 })
const LOST = authFailure('unknown', 'timeout')
const REJECTION = { status: 401, kind: 'first', replays: 0 } as const

const nameOf = ({ process }: Replica, index: number): string => `${index + 1}.${process}`
const after = <Input>(life: TokenState, reducer: Reducer<Input>, input: Input): TokenState =>
  reducer(life, input, { rules: RULES, now: NOW, random: 0.5 }).state
/** A new token is later than every failure, although time stands still. */
const withToken = (life: TokenState): TokenState => ({
  ...life,
  login: { ...life.login, failures: 0 },
  refresh: { ...life.refresh, failures: 0 },
})
const ended = (before: TokenState, result: TokenResult): Partial<Replica> => {
  const life = after(before, onRequestEnded, result)
  return { life: 'token' in result ? withToken(life) : life, asking: undefined }
}
const granted = (token: Token, adopted: boolean, record?: AttemptRecord) => ({
  token,
  name: 'p',
  adopted,
  record,
})
const requester = (holder: string): Requester => ({ holder, shared: true, rules: RULES })
const CONTEXT = { now: NOW, alone: false, random: 0.5 }
/** The register's view of the account: the later of the stored and this process's token counts. */
const withOurs = (account: Account, ours: Token | undefined): Account =>
  isNewer(ours, account.token, NOW) ? { ...account, token: ours } : account

/** Calls `add` with each world that may follow, with at most `most` faults. */
function follow(world: World, most: number, add: (label: string, world: World) => void): void {
  const { value, valid, replicas } = world
  const happen = (label: string, change: Partial<World>, fault?: Fault): void => {
    const faults = fault === undefined ? world.faults : [...world.faults, fault].sort()
    if (faults.length <= most) add(label, { ...world, ...change, faults })
  }

  if (valid !== 0) happen('iSales ends the session', { valid: 0 }, 'end')
  const account = open(value)
  const { lease, record } = account
  if (lease !== undefined && lease.until > 0) {
    const old = close({ ...account, lease: { ...lease, until: -LONG } })
    const asks = replicas.some(
      (replica, index) => nameOf(replica, index) === lease.holder && replica.asking !== undefined,
    )
    const label = asks ? 'who asks stands still for 3 s' : 'who asked is gone for 3 s'
    happen(label, { value: old }, asks ? 'freeze' : undefined)
  }
  if (record.pauseFrom > 0) {
    const passed = { ...record, pauseFrom: -LONG }
    happen('the pause ends', { value: close({ ...account, record: passed }) })
  }

  for (const [index, replica] of replicas.entries()) {
    const move: Move = (label, become, change = {}, fault) => {
      const changed = replicas.with(index, { ...replica, ...become })
      happen(`replica ${index + 1} ${label}`, { ...change, replicas: changed }, fault)
    }
    move('is killed', { ...NOTHING, process: replica.process + 1 }, {}, 'kill')
    const { token } = replica.life
    if (token !== undefined && numberOf(token.token) !== valid && !isSuspect(replica.life)) {
      const life = after(replica.life, onRejected, { ...REJECTION, generation: token.generation })
      move('hears that a call was rejected', { life })
    }
    const own = nameOf(replica, index)
    if (replica.asking === undefined) {
      look(world, replica, move)
      claim(world, [replica, own], move)
    } else if (!replica.asking.sent) begin(world, replica.asking, move)
    else if (replica.asking.response === undefined) beAsked(world, replica, replica.asking, move)
    else hear(world, [replica, own], replica.asking, move)
  }
}

function look({ value }: World, replica: Replica, move: Move): void {
  const ours = replica.life.token
  const looked = update(value, replica.seen, (account) =>
    isNewer(ours, account.token, NOW) ? withOurs(account, ours) : undefined,
  )
  const there = looked.account.token
  const change = { value: looked.value }
  if (there !== undefined && isNewer(there, ours, NOW)) {
    const life = withToken(after(replica.life, onAdopted, granted(there, true)))
    move('looks and adopts', { life, seen: looked.seen }, change)
  } else if (looked.isChanged) move('looks and offers its token', { seen: looked.seen }, change)
  else if (looked.seen !== replica.seen) move('looks', { seen: looked.seen })
}

/** Decides whose turn it is, and writes the lease and the login in one change. */
function claim(world: World, [replica, own]: readonly [Replica, own: string], move: Move): void {
  const ours = replica.life.token
  /** Calls always wait for the next token. */
  const current = ours && { ...ours, usableUntil: 0 }
  // While a login waits, a refresh is tried; when all pauses are over, it may be the other way round.
  const operations = [NOW, NOW + LONG].map((now) => next(replica.life, RULES, now).operation)
  for (const operation of new Set(operations)) {
    const isDue =
      replica.life.token === undefined || isSuspect(replica.life) || isLoginNext(replica.life)
    const fault = isDue ? undefined : 'renewal'
    const life = after(replica.life, onRequestPending, operation)
    const request = { operation, current, loginDue: life.loginDue }
    let before = NO_ATTEMPTS
    let turn = 'busy'
    const claimed = update(world.value, replica.seen, (account) => {
      before = account.record
      const decided = decideTurn(withOurs(account, ours), request, requester(own), CONTEXT)
      turn = decided.type
      return decided.next
    })
    const { seen, value, account } = claimed
    const asking = { operation, alone: false, sent: false, at: 0, before, response: undefined }
    const there = account.token
    if (turn === 'begun') move(`asks for a ${operation}`, { life, asking, seen }, { value }, fault)
    else if (turn === 'adopt' && there !== undefined)
      move('wants to ask, and adopts', { ...ended(life, granted(there, true)), seen }, {}, fault)
    else if (turn === 'login-pause') {
      const wait = { postponed: 'login-pause', ms: LONG, record: account.record } as const
      move('waits for a pause', { ...ended(life, wait), seen }, { value }, fault)
    } else if (seen !== replica.seen) move('wants to ask, and waits', { seen }, {}, fault)
    // In the end, when its token has ended or was rejected.
    if (isDue)
      move(
        `wants to ask, hears nothing, and asks alone for a ${operation}`,
        { life, asking: { ...asking, alone: true } },
        { value },
        'lostReply',
      )
  }
}

function begin(world: World, asking: Asking, move: Move): void {
  const at = world.sent + 1
  move('sends its request', { asking: { ...asking, sent: true, at } }, { sent: at })
}

/** iSales looks at the request. A refresh token serves as long as its session. */
function beAsked(world: World, { life }: Replica, asking: Asking, move: Move): void {
  const { valid, granted } = world
  if (asking.operation === 'refresh' && numberOf(life.token?.token) !== valid) {
    move('is refused a refresh', { asking: { ...asking, response: 0 } })
    return
  }
  const token = granted + 1
  const change = { valid: token, granted: token }
  move(`is granted token ${token}`, { asking: { ...asking, response: token } }, change)
  move(
    `is granted token ${token}, and the response is lost`,
    { asking: { ...asking, response: 'lost' } },
    change,
    'lostResponse',
  )
}

/** The replica gets the response, and writes the result to the store in one change. */
function hear(
  world: World,
  [replica, own]: readonly [Replica, own: string],
  asking: Asking,
  move: Move,
): void {
  const { life } = replica
  const { operation, alone, before, response, at } = asking
  // The lease remains after a refused refresh, for the login that follows.
  if (response === 0) {
    const refused = { failure: REFUSED, counted: false, durationMs: 0, record: undefined }
    move('is to log in instead', ended(life, refused))
    return
  }
  const isGranted = typeof response === 'number'
  const result = isGranted ? grantOf(response, at) : LOST
  const told = update(world.value, replica.seen, (account) =>
    alone
      ? undefined
      : recordOutcome(
          withOurs(account, life.token),
          { operation, result, before },
          requester(own),
          CONTEXT,
        ),
  )
  const { value, seen } = told
  const { record } = told.account
  const ours = isGranted ? grantOf(response, at) : life.token
  const outcome: TokenResult = isGranted
    ? granted(grantOf(response, at), false, record)
    : { failure: LOST, counted: false, durationMs: 0, record }
  if (alone) {
    move(isGranted ? `has token ${response}` : 'has no token', ended(life, outcome))
    return
  }
  const there = told.account.token
  const label = isGranted ? `publishes token ${response}` : 'ends its request without a token'
  if (there !== undefined && isNewer(there, ours, NOW)) {
    const become = { ...ended(life, granted(there, true, record)), seen }
    move(`${label}, too late, and adopts`, become, { value })
  } else move(label, { ...ended(life, outcome), seen }, { value })
  move(`${label}, and hears nothing`, ended(life, outcome), { value }, 'lostReply')
}

function isLoginNext(life: TokenState): boolean {
  return life.loginDue || life.login.failures + life.refresh.failures > 0
}

/**
 * Returns the same key for worlds that behave alike. Replicas are interchangeable, and only the order of instants counts.
 * Of a life the rest has no effect while time has no length and no call is accepted.
 */
function keyOf(world: World): string {
  const { replicas, value, valid, granted, faults } = world
  const accountsOf = [value, ...replicas.map(({ seen }) => seen)].map(open)
  const times = [
    ...accountsOf.map(({ token }) => sentAtOf(token)),
    ...replicas.flatMap(({ life, asking }) => [sentAtOf(life.token), asking?.at ?? 0]),
  ]
  const order = [...new Set(times)].sort((one, other) => one - other)
  const rank = (at: number): number => order.indexOf(at)
  const [holder] = accountsOf.map(({ lease }) => lease?.holder)
  const parts = replicas.map((replica, index) => {
    const { life, process, asking } = replica
    const own = nameOf(replica, index)
    const part = JSON.stringify([
      holder === own,
      numberOf(life.token?.token),
      isLoginNext(life),
      life.loginDue,
      isSuspect(life),
      Math.max(life.login.notBefore, loginFrom(life.record, RULES)) > NOW,
      life.refresh.notBefore > NOW,
      life.refresh.failures > 0,
      process,
      life.token && rank(life.token.sentAt),
      asking && { ...asking, at: rank(asking.at), before: asking.before.attempts },
    ])
    return { part, index, own, seen: accountsOf[index + 1] ?? NOTHING_KNOWN }
  })
  // Two replicas with equal parts keep their order: at worst, one state counts as two.
  parts.sort((one, other) => (one.part < other.part ? -1 : one.part > other.part ? 1 : 0))
  const places = parts.map(({ index }) => index)
  /** The holder's place, and its process. */
  const renamed = (name: string): string => {
    const [number, process] = name.split('.')
    return `${places.indexOf(Number(number) - 1)}.${process}`
  }
  const texts = [accountsOf[0], ...parts.map(({ seen }) => seen)].map((account = NOTHING_KNOWN) =>
    textOf(account, rank(sentAtOf(account.token)), renamed),
  )
  const text = JSON.stringify([parts.map(({ part }) => part), texts, valid, granted, faults])
  return createHash('sha1').update(text).digest('base64')
}

/** True if every replica has the token that iSales accepts. */
function isGood({ replicas, value, valid }: World): boolean {
  const isServed = ({ life, asking }: Replica): boolean =>
    asking === undefined && numberOf(life.token?.token) === valid && !isSuspect(life)
  return valid !== 0 && numberOf(open(value).token?.token) === valid && replicas.every(isServed)
}

/**
 * @param most faults on one path.
 * @param depth maximum steps of a path.
 * @param untilBroken ends the search soon after the first broken invariant.
 * @returns the number of states, the steps of the longest path, whether no state is left, and a shortest path to each broken
 *   invariant.
 */
export function search(count: number, most: number, depth: number, untilBroken = false) {
  const first: World = {
    replicas: Array.from({ length: count }, () => NOTHING),
    value: '',
    valid: 0,
    granted: 0,
    sent: 0,
    faults: [],
  }
  const index = new Map([[keyOf(first), 0]])
  /** For each state: the state before it, and the step between them. */
  const from: [number, string][] = [[-1, '']]
  const before: number[][] = [[]]
  const good: number[] = []
  const broken = new Map<string, readonly string[]>()
  const pathTo = (state: number): readonly string[] => {
    const path: string[] = []
    for (let at = state; at > 0; at = from[at]?.[0] ?? 0) path.unshift(from[at]?.[1] ?? '')
    return path
  }
  const must = (holds: boolean, what: string, state: number): void => {
    if (!holds && !broken.has(what)) broken.set(what, pathTo(state))
  }

  const examine = (world: World, state: number): void => {
    const { replicas, granted, faults } = world
    const met = (...names: readonly Fault[]): number =>
      faults.filter((fault) => names.includes(fault)).length
    const asking = replicas.filter((replica) => replica.asking?.sent === true).length
    if (met('freeze', 'lostReply') === 0)
      must(asking <= 1, 'one token request at a time while no process is frozen', state)
    if (met('freeze', 'lostReply', 'kill', 'lostResponse') === 0)
      must(granted <= 1 + met('end', 'renewal'), 'one token for each that ended', state)
    if (isGood(world)) good.push(state)
  }

  let level: [World, number][] = [[first, 0]]
  let steps = 0
  for (; level.length > 0 && steps < depth; steps += 1) {
    if (untilBroken && broken.size > 0) break
    const following: [World, number][] = []
    for (const [world, state] of level) {
      follow(world, most, (label, then) => {
        const key = keyOf(then)
        const known = index.get(key)
        const place = known ?? from.length
        if (known === undefined) {
          index.set(key, place)
          from.push([state, label])
          before.push([])
          examine(then, place)
          following.push([then, place])
        }
        const [was = 0, is = 0] = [world, then].map(({ value }) => sentAtOf(open(value).token))
        must(is >= was, 'an older token never takes the place of a newer one', place)
        const isOlder = then.replicas.some(({ life, process }, nth) => {
          const { life: former, process: formerly } = world.replicas[nth] ?? NOTHING
          return process === formerly && sentAtOf(life.token) < sentAtOf(former.token)
        })
        must(!isOlder, 'no replica takes an older token', place)
        if (then.faults === world.faults) before[place]?.push(state)
      })
    }
    level = following
  }
  const whole = level.length === 0
  if (whole) {
    // After any faults, every replica can reach one good token without another fault.
    const healed = new Set(good)
    for (const state of healed) for (const earlier of before[state] ?? []) healed.add(earlier)
    for (let state = 0; state < from.length; state += 1)
      must(healed.has(state), 'without another fault all get one good token', state)
  }
  return { states: from.length, depth: steps, whole, broken }
}
