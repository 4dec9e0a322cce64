import { randomBytes } from 'node:crypto'
import type { Timer } from '../clock.ts'
import {
  granted,
  NO_ENTRY,
  prolonged,
  restored,
  stored,
  usableUntil,
  withBook,
  type Ask,
  type BookOptions,
  type BookStore,
  type Credentials,
  type Deferred,
  type Entry,
  type Grant,
  type IsalesClient,
  type Outcome,
  type TokenClient,
} from '../token/index.ts'
import { idOf, type Cell, type Reply, type StoreFailure } from './cell.ts'
import type { SharingEvent, SharingSnapshot } from './sharing-log.ts'
import { totalLife, type Seal, type SharedRecord } from './seal.ts'

/** `book` is that of this process: what the others know of logins is remembered there, too. */
export interface ShareOptions extends Omit<BookOptions, 'client'> {
  readonly cell: Cell
  readonly seal: Seal
  readonly observe: (event: SharingEvent) => void
}

/** A token as it is in the store, opened. */
export interface Found {
  readonly record: SharedRecord
  /** When it was requested, on the monotonic clock of this process. */
  readonly sentAt: number
}

/** The right to ask iSales, and the book that it is about. */
interface Held {
  readonly lease: string
  /** Its key. */
  readonly book: string
}

interface Asked {
  readonly credentials: Credentials
  readonly fingerprint: string
}

const CLAIM_EVERY = 1000
const MAX_ROUNDS = 3
const LOOK_EVERY = 10_000
const LOOK_ALONE_EVERY = 1000
/** Between two looks while another replica asks iSales; without a usable token calls are waiting. */
const LOOK_USABLE = 1000
const LOOK_URGENT = 250
const LOOK_JITTER = 0.2
/** Another replica that had to log in has probably ended the token. Calls wait for 2.5 s, which a login is part of. */
const MAX_WAIT_REJECTED = 1500
/** From then on a token is not sent, and each replica renews it without the store. */
const LAST_SECOND = 1000
/** Neither iSales nor another replica gave a token. */
const LOOK_AGAIN: Deferred = { deferred: 'busy', ms: 1000 }

/** One token for all replicas that use the same store, key, iSales and user. */
export type Share = ReturnType<typeof createShare>

export function createShare(options: ShareOptions) {
  const { cell, seal, book: local, rules, clock, random, observe } = options
  const processId = randomBytes(12).toString('base64url')
  let claims = 0
  /** Id of the token that this process last saw in the store. */
  let seen = ''
  /** The highest number of a token that this process has seen. */
  let highest = 0
  /** The token at hand as it is in the store, or would be. */
  let ours: Found | undefined
  /** What all replicas know of the credentials that are asked with, as far as the store says it. */
  let known = NO_ENTRY
  /** Of the last token request. */
  let last: Asked | undefined
  /** Counted logins with them are not in the store: it was away, or another process had the lease. */
  let untold: Asked | undefined
  /** Undefined: iSales is not asked, or without the store. */
  let held: Held | undefined
  /** Id of the token that was last reported as unreadable. */
  let unreadable = ''
  let adopt: ((grant: Grant) => void) | undefined
  let connected: Promise<void> | undefined
  let obtaining: Promise<unknown> | undefined
  let looking: Promise<void> | undefined
  let isLookWanted = false
  let lookTimer: Timer | undefined
  let stopped = false
  let state: SharingSnapshot = {
    state: 'shared',
    reason: undefined,
    since: clock.now(),
    replicas: undefined,
    adoptedAt: undefined,
  }

  const newClaim = (fingerprint: string): Held => ({
    lease: `${processId}-${(claims += 1)}`,
    book: `book:${fingerprint}`,
  })

  const claim = async (own: Held) => noted(await cell.claim({ seen, ...own }))

  /** Notes whether the store does what it is asked to. */
  const noted = (reply: Reply | StoreFailure): Reply | StoreFailure => {
    const reason = reply.type === 'failure' ? reply.reason : undefined
    if (reason === state.reason) return reply
    const is = reason === undefined ? 'shared' : 'alone'
    const since = state.state === is ? state.since : clock.now()
    state = { ...state, state: is, reason, since }
    observe(reason === undefined ? { type: 'shared' } : { type: 'alone', reason })
    return reply
  }

  /** The token in the store, and whether it is to be taken. Undefined: none, or none that can be read. */
  const find = ({ value, ms }: Reply) => {
    seen = idOf(value)
    const record = seal.openToken(value)
    if (record === undefined) {
      if (seen !== '' && seen !== unreadable) observe({ type: 'unreadable' })
      unreadable = seen
      return undefined
    }
    const now = clock.now()
    // A store whose clock was set back would make the token younger than it is.
    const age = Math.max(0, record.total - Math.max(0, ms))
    const found: Found = { record, sentAt: now - age }
    const better = isBetter(found, ours, highest, now)
    highest = Math.max(highest, record.number)
    return { ...found, better }
  }

  const adopted = ({ record, sentAt }: Found): Grant => {
    const isOwn = record.fingerprint === last?.fingerprint
    ours = { record, sentAt }
    state = { ...state, adoptedAt: clock.now() }
    if (isOwn && last !== undefined) void noteProof(last.credentials, record)
    return { ...record.grant, sentAt, adopted: true, foreign: !isOwn }
  }

  /** Another replica's grant proves the credentials here, too. A refresh only prolongs what a login has proven. */
  const noteProof = async (credentials: Credentials, { login }: SharedRecord): Promise<void> => {
    const entry = (await local.read(credentials)) ?? NO_ENTRY
    const now = clock.now()
    const then = login ? granted(now) : prolonged(entry, now)
    if (then !== undefined) await local.write(credentials, then)
  }

  const obtain = async (ask: Ask, send: TokenClient): Promise<Outcome> => {
    await connected
    const { credentials, why, rejectedAt } = ask
    const fingerprint = seal.fingerprint(credentials)
    known = NO_ENTRY
    last = { credentials, fingerprint }
    // Another replica obtained the token at hand with the credentials that are new here only: no login is needed.
    const isWanted = why === 'credentials' && rejectedAt === undefined
    if (isWanted && ours?.record.fingerprint === fingerprint && clock.now() < endOf(ours)) {
      return adopted(ours)
    }

    for (let round = 0; round < MAX_ROUNDS && !ask.signal.aborted; round += 1) {
      const own = newClaim(fingerprint)
      const reply = await claim(own)
      if (reply.type === 'mine') return askUnderLease(ask, send, own, reply)
      if (reply.type === 'newer') {
        const found = find(reply)
        // An operator wants to know whether a login works.
        if (found?.better === true && why !== 'operator') return adopted(found)
        continue
      }
      const wait = turnOf(reply, { now: clock.now(), random: random(), ask })
      if (wait !== undefined) return wait
      const outcome = await send({ ...ask, weight: rules.loginRejectedAttempts })
      if ('token' in outcome) return publish(ask, outcome)
      if ('failure' in outcome && outcome.counted) untold = last
      return outcome
    }
    return LOOK_AGAIN
  }

  const askUnderLease = async (
    ask: Ask,
    send: TokenClient,
    own: Held,
    claimed: Reply,
  ): Promise<Outcome> => {
    known = entryIn(own, claimed)
    held = own
    let timer: Timer | undefined
    // The lease lasts while iSales is asked, however long that takes, and ends soon when this process dies.
    const claimLater = (): void => {
      timer = clock.setTimer(() => {
        void cell.claim({ seen, ...own })
        claimLater()
      }, CLAIM_EVERY)
    }
    claimLater()
    const outcome = await send(ask)
    timer?.cancel()
    if ('token' in outcome) return publish(ask, outcome, own)
    held = undefined
    const { credentials, operation } = ask
    if ('deferred' in outcome) {
      // Whoever deletes it in the store buys no further login.
      if (outcome.deferred === 'guarded') {
        await local.write(credentials, (await book.read(credentials)) ?? known)
      }
      await cell.put({ ...own, key: own.book, value: '', ms: 0, release: true })
      return outcome
    }
    // The login that follows a refused refresh goes on with the lease: another replica would slip in between.
    if (operation === 'refresh' && outcome.pause === 0) return outcome
    // What is in the book is about these credentials; any other failure is about iSales, and all replicas wait.
    const isForAll = !outcome.counted && !ask.signal.aborted
    const until = isForAll ? clock.now() + outcome.pause : -Infinity
    known = { ...known, notBefore: Math.max(known.notBefore, until) }
    const reply = noted(await putEntry(own, known, true))
    if (outcome.counted && reply.type !== 'done') untold = last
    if (reply.type !== 'late') return outcome
    const found = find(reply)
    if (found?.better === true) return adopted(found)
    await tell()
    return outcome
  }

  /** iSales counted these logins all the same: the book of all replicas gets them as soon as it can. */
  const tell = async (): Promise<void> => {
    if (untold === undefined) return
    const { credentials, fingerprint } = untold
    const own = newClaim(fingerprint)
    const reply = await claim(own)
    if (reply.type !== 'mine') return
    const entry = merged((await local.read(credentials)) ?? NO_ENTRY, entryIn(own, reply))
    if ((await putEntry(own, entry, true)).type === 'done') untold = undefined
  }

  const putEntry = (own: Held, entry: Entry, release: boolean) => {
    const { value, total: ms } = seal.closeEntry(own.book, stored(entry, clock.now()))
    return cell.put({ ...own, key: own.book, value, ms, release })
  }

  /** A store whose clock was set back would make a pause longer than any of ours: then it is none. */
  const entryIn = ({ book }: Held, { value, ms }: Reply): Entry => {
    const entry = seal.openEntry(book, value)
    if (entry === undefined || ms > entry.total) return NO_ENTRY
    return restored(entry, entry.total - ms, clock.now())
  }

  /** @param own undefined: it was obtained without the store, and is put there by a look. */
  const publish = async ({ operation }: Ask, grant: Grant, own?: Held): Promise<Outcome> => {
    const { fingerprint = '' } = last ?? {}
    const isLogin = operation === 'login'
    const { sentAt } = grant
    const since = ours === undefined ? 0 : ours.record.number + Math.round(sentAt - ours.sentAt)
    highest = Math.max(highest + 1, since)
    const record = {
      grant,
      number: highest,
      total: totalLife(grant),
      // A refresh goes on with the login of whoever made it.
      fingerprint: isLogin ? fingerprint : (ours?.record.fingerprint ?? fingerprint),
      login: isLogin,
    }
    ours = { record, sentAt }
    state = { ...state, adoptedAt: undefined }
    held = undefined
    if (own === undefined) return grant
    const proven = isLogin ? known : prolonged(known, clock.now())
    // The connection keeps the order.
    if (proven !== undefined) void putEntry(own, proven, false)
    const found = await putToken(ours, own)
    return found?.better === true ? adopted(found) : grant
  }

  /** Gives the token of another replica that is there when ours came too late. */
  const putToken = async ({ record, sentAt }: Found, { lease }: Held) => {
    const ms = Math.ceil(record.total - (clock.now() - sentAt))
    const value = seal.closeToken(record)
    const reply = noted(
      await cell.put({ lease, key: 'token', value, ms: Math.max(1, ms), release: true }),
    )
    if (reply.type === 'late') return find(reply)
    if (reply.type === 'done') {
      seen = idOf(value)
      void cell.publish()
    }
    return undefined
  }

  /** Takes a newer token out of the store, or puts ours there when it is the newer one. */
  const lookOnce = async (): Promise<void> => {
    // The token source takes what is obtained first.
    await obtaining
    if (stopped || obtaining !== undefined) return
    const reply = noted(await cell.read())
    if (reply.type === 'failure' || obtaining !== undefined || stopped) return
    const found = find(reply)
    if (found?.better === true) return adopt?.(adopted(found))
    if (ours === undefined || clock.now() >= endOf(ours)) return
    if (found !== undefined && !isNewer(ours, found)) return
    const own = newClaim(ours.record.fingerprint)
    const claimed = await claim(own)
    if (claimed.type === 'mine') await putToken(ours, own)
  }

  /** One look in flight and one wanted, however many messages, connections and timers ask. */
  const look = (): Promise<void> => {
    isLookWanted = true
    const run = async (): Promise<void> => {
      while (isLookWanted) {
        isLookWanted = false
        await lookOnce()
        if (obtaining === undefined && !stopped) await tell()
      }
      looking = undefined
    }
    looking ??= run()
    return looking
  }

  /** Not after a message: a hundred replicas get it at the same time, and each operation delays the others. */
  const lookAndCount = async (): Promise<void> => {
    await look()
    if (!stopped && state.state === 'shared') {
      const replicas = await cell.replicas()
      state = { ...state, replicas }
    }
    planLook(state.state === 'alone' ? LOOK_ALONE_EVERY : LOOK_EVERY)
  }

  const planLook = (ms: number): void => {
    if (!stopped) lookTimer = clock.setTimer(() => void lookAndCount(), jittered(ms, random()))
  }

  /** The book for the client that is wrapped: that of this process, and under the lease that of all replicas. */
  const book: BookStore = {
    lock: local.lock,
    read: async (credentials) => merged((await local.read(credentials)) ?? NO_ENTRY, known),
    write(credentials, entry) {
      known = entry
      return local.write(credentials, entry)
    },
  }

  return {
    /** Gives the token of another replica where there is a newer one, and else asks this client. */
    wrap(isales: IsalesClient): TokenClient {
      const login: IsalesClient['login'] = async (credentials, sending) => {
        // The login in flight is in the book of all before iSales is asked.
        if (held !== undefined) noted(await putEntry(held, known, false))
        return isales.login(credentials, sending)
      }
      const client = withBook({ client: { ...isales, login }, book, rules, clock, random })
      return (ask) => {
        const work = obtain(ask, client).finally(() => {
          obtaining = undefined
        })
        obtaining = work
        return work
      }
    },

    /** Connects, and gives the token source what other replicas obtain. */
    start(take: (grant: Grant) => void): void {
      adopt = take
      connected = cell.start(() => void look())
      planLook(LOOK_ALONE_EVERY)
    },

    snapshot: () => state,
    replicas: () => cell.replicas(),

    /** Frees the lease of an aborted request, and disconnects. */
    async stop(): Promise<void> {
      stopped = true
      lookTimer?.cancel()
      await obtaining
      cell.stop()
    },
  }
}

// The rules.

/** What follows when another replica has the lease, or the store is away. Undefined: ask iSales without it. */
export function turnOf(
  { type }: Pick<Reply | StoreFailure, 'type'>,
  given: {
    readonly now: number
    /** In [0, 1). */
    readonly random: number
    readonly ask: Pick<Ask, 'current' | 'rejectedAt' | 'why'>
  },
): Deferred | undefined {
  const { now, random, ask } = given
  const { current, rejectedAt, why } = ask
  const isServing = current !== undefined && rejectedAt === undefined && now < current.usableUntil
  const look = jittered(isServing ? LOOK_USABLE : LOOK_URGENT, random)
  if (type === 'busy') return { deferred: 'busy', ms: look }
  if (current === undefined || why === 'operator') return undefined
  // Scattered: of two that log in at the same time nobody knows whose token is the later one.
  const lastUse = current.expiresAt - LAST_SECOND * (1 + random)
  const waited = (rejectedAt ?? Infinity) + MAX_WAIT_REJECTED
  const left = Math.min(lastUse, waited) - now
  return left > 0 ? { deferred: 'busy', ms: Math.min(look, left) } : undefined
}

/**
 * True when the token in the store is to be taken.
 *
 * @param ours the token at hand.
 * @param highest the highest number that this process has seen.
 */
export function isBetter(
  found: Found,
  ours: Found | undefined,
  highest: number,
  now: number,
): boolean {
  if (found.record.number < highest || now >= endOf(found)) return false
  return ours === undefined || isNewer(found, ours)
}

/** Two replicas may obtain tokens with the same number while the store is away: then the younger one is the newer. */
export function isNewer(one: Found, other: Found): boolean {
  const [token, otherToken] = [one, other].map(({ record }) => record.grant.token.reveal())
  if (token === otherToken) return false
  const { number } = one.record
  return number === other.record.number ? one.sentAt > other.sentAt : number > other.record.number
}

function endOf({ record, sentAt }: Found): number {
  return usableUntil(sentAt, record.grant.lifetime.ms)
}

/** What two books know of the same credentials. An attempt that no grant has crossed out proves nothing. */
function merged(entry: Entry, other: Entry): Entry {
  const attempts = Math.max(entry.attempts, other.attempts)
  return {
    attempts,
    refusals: Math.max(entry.refusals, other.refusals),
    notBefore: Math.max(entry.notBefore, other.notBefore),
    fullUntil: Math.max(entry.fullUntil, other.fullUntil),
    provenUntil: attempts > 0 ? -Infinity : Math.max(entry.provenUntil, other.provenUntil),
  }
}

/** Milliseconds, scattered by a fifth. */
function jittered(ms: number, random: number): number {
  return ms * (1 + (random * 2 - 1) * LOOK_JITTER)
}
