// Searches every interleaving of replicas that share a token. What the store replies, what a replica does next and which
// token it takes is decided by the program's own scripts and pure functions; what is between them follows `sharing/share.ts`. Time has
// no length here: what may come due may come at any moment.
import { createHash } from 'node:crypto'
import {
  afterFailure,
  begun,
  granted as proof,
  NO_ENTRY,
  waitOf,
  type Entry,
} from '../../src/token/book.ts'
import type { Deferred, Outcome } from '../../src/token/client.ts'
import {
  adopted as taken,
  ended as over,
  initialState,
  isSuspect,
  next,
  rejected,
  started,
  type State as Life,
  type Step,
} from '../../src/token/lifecycle.ts'
import type { Grant, Operation } from '../../src/token/protocol.ts'
import { idOf } from '../../src/sharing/cell.ts'
import { turnOf } from '../../src/sharing/share.ts'
import {
  isBetter,
  isMissed,
  looked,
  nextNumber,
  NOTHING_KNOWN,
  taken as took,
  type Known,
  type SharedToken,
} from '../../src/sharing/shared-token.ts'
import {
  BOOK,
  entryOf,
  grantOf,
  LIFETIME,
  numberOf,
  open,
  perform,
  putBook,
  putToken,
  release,
  seal,
  sharedToken,
  tokenIn,
  written,
  type Keys,
} from './search-cell.ts'
import { RULES as DEFAULT_RULES } from '../token/support.ts'
import { authFailure } from '../support/failure.ts'

/**
 * What goes wrong, or what begins something anew.
 *
 * - `end`: iSales ends the session: a revocation, or a rival.
 * - `renewal`: a replica finds its token near its end.
 * - `freeze`: a process stands still for longer than its lease.
 * - `kill`: a process is killed, and another one starts in its place.
 * - `lostResponse`: iSales grants a token, and its response is lost.
 * - `lostReply`: the store does what it is asked, and its reply is lost.
 * - `rollBack`: the store holds the token again that was there before the last one.
 */
const FAULTS = [
  'end',
  'renewal',
  'freeze',
  'kill',
  'lostResponse',
  'lostReply',
  'rollBack',
] as const
type Fault = (typeof FAULTS)[number]

export interface Searched {
  readonly states: number
  /** Steps of the longest path. */
  readonly depth: number
  /** False: there are more states, further than the depth. */
  readonly whole: boolean
  /** What must not be, with a shortest path to it. */
  readonly broken: ReadonlyMap<string, readonly string[]>
  /** A shortest path to a dead record in the store, by nothing but a process that stands still. */
  readonly deadRecord: readonly string[] | undefined
}

/** A token request of one replica. */
interface Asking {
  readonly operation: Operation
  /** '': without the store. */
  readonly lease: string
  /** What the book said. */
  readonly before: Entry
  /** There was a pause in it. */
  readonly against: boolean
  /** The token that iSales granted; 0: it refused. Undefined: it has not looked at it. */
  readonly response: number | 'lost' | undefined
}

/** One process. */
interface Replica {
  readonly process: number
  readonly life: Life
  readonly known: Known
  readonly asking: Asking | undefined
}

interface World {
  readonly replicas: readonly Replica[]
  readonly store: Keys
  /** The token in the store before the last one. */
  readonly former: string
  /** The one token that iSales accepts; 0: none. Tokens are numbered in the order of their grants. */
  readonly valid: number
  readonly granted: number
  /** In order. */
  readonly faults: readonly Fault[]
}

type Change = Partial<Omit<World, 'replicas' | 'faults'>>
type Move = (label: string, become: Partial<Replica>, change?: Change, fault?: Fault) => void

const RULES = { ...DEFAULT_RULES, loginRejectedAttempts: 3 }
const NOTHING: Replica = {
  process: 0,
  life: initialState(0),
  known: NOTHING_KNOWN,
  asking: undefined,
}
const REFUSED = authFailure('refused', 'account', { status: 401 })
const UNCLEAR = authFailure('unclear', 'timeout')

const processOf = ({ process }: Replica, index: number): string =>
  `${index + 1}.${process}`.padEnd(16, '-')
const after = <Happening>(life: Life, step: Step<Happening>, happening: Happening): Life =>
  step(life, happening, { rules: RULES, now: 0, random: 0 }).state
const ended = (life: Life, outcome: Outcome): Partial<Replica> => ({
  life: after(life, over, outcome),
  asking: undefined,
})

/** Calls `add` with each world that may follow, with at most so many faults. */
function follow(world: World, most: number, add: (label: string, world: World) => void): void {
  const { store, valid, replicas } = world
  const happen = (label: string, change: Partial<World>, fault?: Fault): void => {
    const faults = fault === undefined ? world.faults : [...world.faults, fault].sort()
    if (faults.length <= most) add(label, { ...world, ...change, faults })
  }

  if (valid !== 0) happen('iSales ends the session', { valid: 0 }, 'end')
  const lease = store.get('lease')?.value ?? ''
  if (lease !== '') {
    const free = new Map(store)
    free.delete('lease')
    // Its holder extends it while it asks iSales.
    const isExtended = replicas.some(({ asking }) => asking?.lease === lease)
    happen(
      isExtended ? 'the lease ends, since its holder stands still' : 'the lease ends',
      { store: free },
      isExtended ? 'freeze' : undefined,
    )
  }
  const book = entryOf(store.get(BOOK)?.value ?? '')
  if (book.notBefore > 0) {
    const value = written({ ...book, notBefore: -Infinity })
    happen('the pause ends', { store: new Map(store).set(BOOK, { value, endsAt: LIFETIME }) })
  }
  if (world.former !== '' && world.former !== tokenIn(store)) {
    const older = new Map(store).set('token', { value: world.former, endsAt: LIFETIME })
    happen('the store is rolled back', { store: older }, 'rollBack')
  }

  for (const [index, replica] of replicas.entries()) {
    const move: Move = (label, become, change = {}, fault) => {
      const isReplaced = change.store !== undefined && tokenIn(change.store) !== tokenIn(store)
      const former = isReplaced ? tokenIn(store) : world.former
      const changed = {
        ...change,
        former,
        replicas: replicas.with(index, { ...replica, ...become }),
      }
      happen(`replica ${index + 1} ${label}`, changed, fault)
    }
    move('is killed', { ...NOTHING, process: replica.process + 1 }, {}, 'kill')
    const { token } = replica.life
    if (token !== undefined && numberOf(token.token) !== valid && !isSuspect(replica.life)) {
      const rejection = { status: 401, kind: 'first', replays: 0 } as const
      const life = after(replica.life, rejected, { ...rejection, generation: token.generation })
      move('hears that a call was rejected', { life })
    }
    if (replica.asking === undefined) {
      look(world, replica, index, move)
      claim(world, replica, index, move)
    } else if (replica.asking.response === undefined) beAsked(world, replica, replica.asking, move)
    else hear(world, replica, replica.asking, move)
  }
}

const adoptable = ({ grant }: SharedToken): Grant => ({ ...grant, adopted: true })

function look({ store }: World, replica: Replica, index: number, move: Move): void {
  const { ours } = replica.known
  const there = open(tokenIn(store))
  const known = looked(replica.known, idOf(tokenIn(store)), there)
  if (isBetter(there, known, 0)) {
    const life = after(replica.life, taken, adoptable(there))
    move('looks and adopts', { known: took(known, there), life })
  } else if (isMissed(ours, there, 0)) {
    const lease = `${processOf(replica, index)}-look`
    const claimed = perform(store, 'claim', { seen: known.seen, lease, book: BOOK })
    if (claimed.reply.type !== 'mine') move('looks, and may not offer its token', { known })
    else {
      const offered = putToken(claimed.store, lease, seal(ours))
      const offering = { ...known, seen: idOf(seal(ours)) }
      move('looks and offers its token', { known: offering }, offered)
    }
  } else if (known.seen !== replica.known.seen) move('looks', { known })
}

function claim(world: World, replica: Replica, index: number, move: Move): void {
  // While a login waits, a refresh is tried; when all pauses are over, it may be the other way round.
  const operations = [0, LIFETIME].map((now) => next(replica.life, RULES, now).operation)
  for (const operation of new Set(operations)) {
    const { seen } = replica.known
    const isDue =
      replica.life.token === undefined || isSuspect(replica.life) || isLoginNext(replica.life)
    const fault = isDue ? undefined : 'renewal'
    const life = after(replica.life, started, operation)
    const lease = `${processOf(replica, index)}-1`
    const { reply, store } = perform(world.store, 'claim', { seen, lease, book: BOOK })
    const rejectedAt = isSuspect(life) ? 0 : undefined
    const ask = { current: life.token, rejectedAt, why: 'renewal' as const }
    const turn = (now: number, type: 'busy' | 'failure') =>
      turnOf({ type }, { now, random: 0, ask })
    if (reply.type === 'newer') {
      const there = open(reply.value)
      const known = looked(replica.known, idOf(reply.value), there)
      if (isBetter(there, known, 0)) {
        const become = { known: took(known, there), ...ended(life, adoptable(there)) }
        move('claims and adopts', become, {}, fault)
      } else move('claims and learns of a token', { known }, {}, fault)
    } else {
      const before = reply.type === 'mine' ? entryOf(reply.value) : NO_ENTRY
      // A login or a refresh waits for a pause without a count, and a login for the other, too.
      const against = before.notBefore > 0 && (before.attempts === 0 || operation === 'login')
      const wait: Deferred | undefined =
        reply.type === 'busy' ? turn(0, 'busy') : waitOf(before, { ...ask, operation }, RULES, 0)
      const asking = { operation, lease, before, response: undefined, against }
      if (wait !== undefined) {
        const freed = reply.type === 'mine' ? release(store, lease) : { store: world.store }
        if (!replica.life.deferred || reply.type === 'mine')
          move('claims and waits', ended(life, wait), freed, fault)
      } else {
        const isLogin = operation === 'login'
        const noted = isLogin ? putBook(store, lease, begun(before, 0), false) : { store }
        move(`claims a ${operation}`, { life, asking }, noted, fault)
      }
    }
    // In the end, when its token has ended or was rejected.
    if (isDue && turn(LIFETIME, 'failure') === undefined) {
      const alone = { operation, lease: '', before: NO_ENTRY, response: undefined, against: false }
      move(
        `claims, hears nothing, and asks alone for a ${operation}`,
        { life, asking: alone },
        { store },
        'lostReply',
      )
    }
  }
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

/** The replica hears what became of it, and tells the store. */
function hear(world: World, replica: Replica, asking: Asking, move: Move): void {
  const { life } = replica
  const { operation, lease, before, response } = asking
  if (typeof response === 'number' && response > 0) {
    const ours = sharedToken(response, nextNumber(replica.known, 0))
    const known = took(replica.known, ours)
    const own = { ...ended(life, grantOf(response)), known }
    if (lease === '') {
      move(`has token ${response}`, own)
      return
    }
    const isLogin = operation === 'login'
    const noted = isLogin ? putBook(world.store, lease, proof(0), false) : world
    const { reply, store } = putToken(noted.store, lease, seal(ours))
    if (reply.type === 'done')
      move(
        `publishes token ${response}`,
        { ...own, known: { ...known, seen: idOf(seal(ours)) } },
        { store },
      )
    else {
      const there = open(reply.value)
      const late = looked(known, idOf(reply.value), there)
      if (isBetter(there, late, 0)) {
        const become = { known: took(late, there), ...ended(life, adoptable(there)) }
        move(`publishes too late, and adopts`, become)
      } else move(`publishes token ${response} too late`, { ...own, known: late })
    }
    move(`publishes token ${response} and hears nothing`, own, { store }, 'lostReply')
    return
  }
  // A refused refresh keeps the lease for the login that follows.
  if (response === 0) {
    const failed = { failure: REFUSED, pause: 0, counted: false, backoff: 'none' } as const
    move('is to log in instead', ended(life, failed))
    return
  }
  const given = { rules: RULES, failures: 0, now: 0, random: 0 }
  const isLogin = operation === 'login'
  const proven = isLogin ? before : { ...before, provenUntil: Infinity }
  const { entry, ...rest } = afterFailure(proven, UNCLEAR, given)
  const known = isLogin ? entry : before
  const pause = rest.counted ? known.notBefore : Math.max(known.notBefore, rest.pause)
  const put = putBook(world.store, lease, { ...known, notBefore: pause }, true)
  move('ends its claim without a token', ended(life, { failure: UNCLEAR, ...rest }), put)
}

function isLoginNext({ needed, granted, failuresInRow }: Life): boolean {
  return needed > granted || failuresInRow > 0
}

/** What makes two worlds the same. Of a life nothing else counts while time has no length and no call is accepted. */
function keyOf(world: World): string {
  const { replicas, store, valid, granted, faults } = world

  const parts = replicas.map(({ life, process, known: { seen, highest, ours }, asking }) => [
    numberOf(life.token?.token),
    [
      isLoginNext(life),
      life.needed - life.granted,
      isSuspect(life),
      life.deferred,
      life.request?.operation,
      process,
      seen,
      highest,
    ],
    ours && seal(ours),
    asking && [
      asking.operation,
      asking.lease,
      written(asking.before),
      asking.response,
      asking.against,
    ],
  ])
  const kept = [...store].map(([name, { value, endsAt }]) => `${name} ${value} ${endsAt}`).sort()
  const text = JSON.stringify([parts, kept, world.former, valid, granted, faults])
  return createHash('sha1').update(text).digest('base64')
}

/** Everybody has the token that iSales accepts. */
function isGood({ replicas, store, valid }: World): boolean {
  const isServed = ({ life, asking }: Replica): boolean =>
    asking === undefined && numberOf(life.token?.token) === valid && !isSuspect(life)
  const there = open(tokenIn(store))
  return valid !== 0 && numberOf(there?.grant.token) === valid && replicas.every(isServed)
}

/**
 * @param most faults on one path.
 * @param depth steps of the longest path that is followed.
 * @param untilBroken it ends soon after something that must not be.
 */
export function search(count: number, most: number, depth: number, untilBroken = false): Searched {
  const first: World = {
    replicas: Array.from({ length: count }, () => NOTHING),
    store: new Map(),
    former: '',
    valid: 0,
    granted: 0,
    faults: [],
  }
  const index = new Map([[keyOf(first), 0]])
  /** Of each state: the one it was found from, and what happened. */
  const from: [number, string][] = [[-1, '']]
  const before: number[][] = [[]]
  const good: number[] = []
  const broken = new Map<string, readonly string[]>()
  let deadRecord: readonly string[] | undefined
  const pathTo = (state: number): readonly string[] => {
    const path: string[] = []
    for (let at = state; at > 0; at = from[at]?.[0] ?? 0) path.unshift(from[at]?.[1] ?? '')
    return path
  }
  const must = (holds: boolean, what: string, state: number): void => {
    if (!holds && !broken.has(what)) broken.set(what, pathTo(state))
  }

  const examine = (world: World, state: number): void => {
    const { replicas, store, valid, granted, faults } = world
    const met = (...names: readonly Fault[]): number =>
      faults.filter((fault) => names.includes(fault)).length
    const asking = replicas.filter((replica) => replica.asking !== undefined).length
    if (met('freeze', 'lostReply') === 0)
      must(asking <= 1, 'one token request at a time while nobody stands still', state)
    if (met('freeze', 'lostReply', 'kill', 'lostResponse', 'rollBack') === 0)
      must(granted <= 1 + met('end', 'renewal'), 'one token for each that ended', state)
    const isAgainst = replicas.some((replica) => replica.asking?.against === true)
    must(!isAgainst || met('lostReply') > 0, 'nobody asks iSales during a pause', state)
    if (isGood(world)) good.push(state)
    const record = numberOf(open(tokenIn(store))?.grant.token)
    const isDead = asking === 0 && valid !== 0 && record !== 0 && record !== valid
    if (isDead && met('freeze') === faults.length) deadRecord ??= pathTo(state)
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
        const [was, is] = [world, then].map(({ store }) => open(tokenIn(store))?.number ?? 0)
        const isRolledBack = then.faults.length > world.faults.length && label.includes('rolled')
        must((is ?? 0) >= (was ?? 0) || isRolledBack, 'the number of the record never falls', place)
        const isOlder = then.replicas.some(({ known, process }, nth) => {
          const { known: former, process: formerly } = world.replicas[nth] ?? NOTHING
          return process === formerly && (known.ours?.number ?? 0) < (former.ours?.number ?? 0)
        })
        must(!isOlder, 'nobody takes an older token', place)
        if (then.faults === world.faults) before[place]?.push(state)
      })
    }
    level = following
  }
  const whole = level.length === 0
  if (whole) {
    // Whatever has happened: without another fault, everybody can have one good token.
    const healed = new Set(good)
    for (const state of healed) for (const earlier of before[state] ?? []) healed.add(earlier)
    for (let state = 0; state < from.length; state += 1)
      must(healed.has(state), 'without another fault all get one good token', state)
  }
  return { states: from.length, depth: steps, whole, broken, deadRecord }
}
