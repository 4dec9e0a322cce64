import { randomBytes, randomUUID } from 'node:crypto'
import { SECOND } from '../clock.ts'
import {
  granted,
  LAST_SECOND,
  merged,
  NO_ENTRY,
  prolonged,
  withBook,
  type Ask,
  type BookOptions,
  type Credentials,
  type Deferred,
  type Entry,
  type Grant,
  type Outcome,
} from '../token/index.ts'
import { idOf, type Cell, type Claim, type Reply, type StoreFailure } from './cell.ts'
import { coalesced, repeat } from './repeat.ts'
import type { Seal } from './seal.ts'
import {
  isBetter,
  isMissed,
  isUsable,
  looked,
  nextNumber,
  NOTHING_KNOWN,
  taken,
  type SharedToken,
} from './shared-token.ts'
import type { SharingEvent, SharingSnapshot } from './sharing-log.ts'

/** `book` is that of this process: what the others know of logins is remembered there, too. */
export interface ShareOptions extends BookOptions {
  readonly cell: Cell
  readonly seal: Seal
  readonly observe: (event: SharingEvent) => void
}

const CLAIM_EVERY = SECOND
const MAX_ROUNDS = 3
const LOOK_EVERY = 10 * SECOND
const LOOK_ALONE_EVERY = SECOND
/** Between two looks while another replica asks iSales; without a usable token calls are waiting. */
const LOOK_USABLE = SECOND
const LOOK_URGENT = 250
const LOOK_JITTER = 0.2
/** Another replica that had to log in has probably ended the token. Calls wait for 2.5 s, which a login is part of. */
const MIN_WAIT_REJECTED = 750
const MAX_WAIT_REJECTED = 1500
/** Neither iSales nor another replica gave a token. */
const LOOK_AGAIN: Deferred = { deferred: 'busy', ms: SECOND }

/** One token for all replicas that use the same store, key, iSales and user. */
export type Share = ReturnType<typeof createShare>

/** From top to bottom: what is remembered, one token request, one look, what is asked of the store, and the rules. */
export function createShare(options: ShareOptions) {
  const { cell, seal, book: local, rules, clock, random, observe } = options
  const processId = randomBytes(12).toString('base64url')
  let known = NOTHING_KNOWN
  /** Those of the last token request. */
  let credentials: Credentials | undefined
  /** Counted logins with these are not in the store: it was away, or another process had the lease. */
  let unshared: Credentials | undefined
  /** The token request in flight. */
  let obtaining: Promise<unknown> | undefined
  /** Who takes what the looks find, and what ends them. Undefined: before the start, and after the stop. */
  let looks: { readonly take: (grant: Grant) => void; readonly stop: () => void } | undefined
  /** Whether it does what it is asked to, and who listens. */
  let store: Pick<SharingSnapshot, 'reason' | 'since' | 'replicas'> = {
    reason: undefined,
    since: clock.now(),
    replicas: undefined,
  }

  // One token request.

  const obtain = async (ask: Ask): Promise<Outcome> => {
    const { why, rejectedAt, signal } = ask
    credentials = ask.credentials
    const fingerprint = seal.fingerprint(credentials)
    const { ours } = known
    // Another replica obtained the token at hand with the credentials that are new here only: no login is needed.
    const isWanted = why === 'credentials' && rejectedAt === undefined
    if (isWanted && ours?.fingerprint === fingerprint && isUsable(ours, clock.now())) {
      return adopt(ours)
    }
    for (let round = 0; round < MAX_ROUNDS && !signal.aborted; round += 1) {
      const own = newClaim(fingerprint)
      const reply = await claim(own)
      if (reply.type === 'mine') return askUnderLease(ask, own, reply)
      if (reply.type !== 'newer') {
        return turnOf(reply, { now: clock.now(), random: random(), ask }) ?? askAlone(ask)
      }
      const there = tokenIn(reply)
      // An operator wants to know whether a login works.
      if (why !== 'operator' && isBetter(there, known, clock.now())) return adopt(there)
    }
    return LOOK_AGAIN
  }

  /** Without the store one refusal weighs as all: the others may each try as well. */
  const askAlone = async (ask: Ask): Promise<Outcome> => {
    const outcome = await withBook(options)({ ...ask, weight: rules.loginRejectedAttempts })
    // When the store is back, a look puts there what came of it.
    if ('token' in outcome) keep(ask, outcome)
    if ('failure' in outcome && outcome.counted) unshared = ask.credentials
    return outcome
  }

  const askUnderLease = async (ask: Ask, own: Claim, claimed: Reply): Promise<Outcome> => {
    const { operation, signal } = ask
    const book = sharedBook(own, claimed)
    const stopClaiming = keepClaimed(own)
    const outcome = await withBook({ ...options, book })(ask)
    stopClaiming()
    if ('token' in outcome) {
      const entry = proofBy(operation === 'login', book.entry(), clock.now())
      // The connection keeps the order.
      if (entry !== undefined) void putEntry(own, entry, false)
      return adoptIfLate(await putToken(own, keep(ask, outcome))) ?? outcome
    }
    if ('deferred' in outcome) {
      // Whoever deletes the entry in the store buys no further login.
      if (outcome.deferred === 'guarded') await book.remember(ask.credentials)
      await cell.put({ lease: own.lease, key: own.book, value: '', ms: 0, release: true })
      return outcome
    }
    // The login that follows a refused refresh goes on with the lease: another replica would slip in between.
    if (operation === 'refresh' && outcome.pause === 0) return outcome
    // What is in the book is about these credentials; any other failure is about iSales, and all replicas wait.
    const isForAll = !outcome.counted && !signal.aborted
    const entry = isForAll ? pausedUntil(book.entry(), clock.now() + outcome.pause) : book.entry()
    const reply = await putEntry(own, entry, true)
    if (outcome.counted && reply.type !== 'done') unshared = ask.credentials
    const grant = adoptIfLate(reply)
    if (grant !== undefined) return grant
    if (reply.type === 'late') await shareAttempts()
    return outcome
  }

  /** The lease lasts while iSales is asked, however long that takes, and ends soon when this process dies. */
  const keepClaimed = (own: Claim) =>
    repeat(clock, CLAIM_EVERY, async () => {
      await cell.claim(own)
      return CLAIM_EVERY
    })

  /** The book of all replicas, under the lease. What it knows is remembered in that of this process, too. */
  const sharedBook = (own: Claim, claimed: Reply) => {
    let entry = seal.openEntry(own.book, claimed, clock.now())
    const read = async (of: Credentials) => merged((await local.read(of)) ?? NO_ENTRY, entry)
    return {
      entry: () => entry,
      lock: local.lock,
      read,
      remember: async (of: Credentials) => local.write(of, await read(of)),
      async write(of: Credentials, written: Entry) {
        entry = written
        // A login in flight is in the book of all before iSales is asked. A grant is put there with the token.
        if (entry.attempts > 0) await putEntry(own, entry, false)
        return local.write(of, entry)
      },
    }
  }

  /** iSales counted these logins all the same: the book of all replicas gets them as soon as it can. */
  const shareAttempts = async (): Promise<void> => {
    if (unshared === undefined) return
    const own = newClaim(seal.fingerprint(unshared))
    const reply = await claim(own)
    if (reply.type !== 'mine') return
    const entry = await sharedBook(own, reply).read(unshared)
    if ((await putEntry(own, entry, true)).type === 'done') unshared = undefined
  }

  const keep = ({ operation, credentials: by }: Ask, grant: Grant): SharedToken => {
    const login = operation === 'login'
    const own = seal.fingerprint(by)
    // A refresh goes on with the login of whoever made it.
    const fingerprint = login ? own : (known.ours?.fingerprint ?? own)
    const token = { grant, number: nextNumber(known, grant.sentAt), fingerprint, login }
    known = taken(known, token)
    return token
  }

  // One look.

  const look = coalesced(async () => {
    // The token source takes what is obtained first.
    await obtaining
    if (isFree()) await takeOrOffer()
    if (isFree()) await shareAttempts()
  })

  const isFree = (): boolean => looks !== undefined && obtaining === undefined

  /** Takes a newer token out of the store, or puts ours there when it is the newer one. */
  const takeOrOffer = async (): Promise<void> => {
    const reply = noted(await cell.read())
    if (reply.type === 'failure' || !isFree()) return
    const { ours } = known
    const there = tokenIn(reply)
    if (isBetter(there, known, clock.now())) return looks?.take(adopt(there))
    if (!isMissed(ours, there, clock.now())) return
    const own = newClaim(ours.fingerprint)
    const claimed = await claim(own)
    if (claimed.type === 'mine') await putToken(own, ours)
  }

  /** Not after a message: a hundred replicas get it at the same time, and each operation delays the others. */
  const lookAndCount = async (): Promise<number> => {
    await look()
    if (looks !== undefined && store.reason === undefined) {
      const replicas = await cell.replicas()
      store = { ...store, replicas }
    }
    return jittered(store.reason === undefined ? LOOK_EVERY : LOOK_ALONE_EVERY, random())
  }

  // What is asked of the store, and what it says.

  const noted = (reply: Reply | StoreFailure): Reply | StoreFailure => {
    const reason = reply.type === 'failure' ? reply.reason : undefined
    if (reason === store.reason) return reply
    const isStillAlone = reason !== undefined && store.reason !== undefined
    store = { ...store, reason, since: isStillAlone ? store.since : clock.now() }
    observe(reason === undefined ? { type: 'shared' } : { type: 'alone', reason })
    return reply
  }

  const newClaim = (fingerprint: string): Claim => ({
    seen: known.seen,
    lease: `${processId}-${randomUUID()}`,
    book: `book:${fingerprint}`,
  })

  const claim = async (own: Claim) => noted(await cell.claim(own))

  const putEntry = async ({ lease, book: key }: Claim, entry: Entry, release: boolean) =>
    noted(await cell.put({ lease, key, release, ...seal.closeEntry(key, entry, clock.now()) }))

  const putToken = async ({ lease }: Claim, token: SharedToken) => {
    const closed = seal.closeToken(token, clock.now())
    const reply = noted(await cell.put({ lease, key: 'token', release: true, ...closed }))
    if (reply.type === 'done') {
      known = { ...known, seen: idOf(closed.value) }
      void cell.publish()
    }
    return reply
  }

  const tokenIn = (reply: Reply): SharedToken | undefined => {
    const { unreadable: before } = known
    const there = seal.openToken(reply, clock.now())
    known = looked(known, idOf(reply.value), there)
    if (known.unreadable !== '' && known.unreadable !== before) observe({ type: 'unreadable' })
    return there
  }

  /** A put that came too late shows the token of another replica. */
  const adoptIfLate = (reply: Reply | StoreFailure): Grant | undefined => {
    if (reply.type !== 'late') return undefined
    const there = tokenIn(reply)
    return isBetter(there, known, clock.now()) ? adopt(there) : undefined
  }

  const adopt = (token: SharedToken): Grant => {
    known = taken(known, token, clock.now())
    const asked = credentials
    const isOwn = asked !== undefined && token.fingerprint === seal.fingerprint(asked)
    if (isOwn) void noteProof(asked, token.login)
    return { ...token.grant, adopted: true, foreign: !isOwn }
  }

  /** Another replica's grant proves the credentials here, too. */
  const noteProof = async (of: Credentials, login: boolean): Promise<void> => {
    const entry = proofBy(login, (await local.read(of)) ?? NO_ENTRY, clock.now())
    if (entry !== undefined) await local.write(of, entry)
  }

  return {
    /** Gives the token of another replica where there is a newer one, and else asks iSales. */
    client: async (ask: Ask): Promise<Outcome> => {
      const outcome = obtain(ask)
      obtaining = outcome
      await outcome
      obtaining = undefined
      return outcome
    },

    /** Connects, and gives the token source what other replicas obtain. */
    start(take: (grant: Grant) => void): void {
      looks = { take, stop: repeat(clock, jittered(LOOK_ALONE_EVERY, random()), lookAndCount) }
      cell.start(() => void look())
    },

    snapshot: (): SharingSnapshot => ({
      ...store,
      state: store.reason === undefined ? 'shared' : 'alone',
      adoptedAt: known.adoptedAt,
    }),
    replicas: () => cell.replicas(),

    /** Frees the lease of an aborted request, and disconnects. */
    async stop(): Promise<void> {
      looks?.stop()
      looks = undefined
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
  // Scattered: of two that log in at the same time nobody knows whose token is the later one. A login ends the tokens of all
  // others in one moment, and those would log in together.
  const at =
    rejectedAt === undefined
      ? current.expiresAt - LAST_SECOND * (1 + random)
      : rejectedAt + MIN_WAIT_REJECTED + (MAX_WAIT_REJECTED - MIN_WAIT_REJECTED) * random
  const left = at - now
  return left > 0 ? { deferred: 'busy', ms: Math.min(look, left) } : undefined
}

/** The entry after a grant; undefined: it stays. A refresh only prolongs what a login has proven. */
function proofBy(login: boolean, entry: Entry, now: number): Entry | undefined {
  return login ? granted(now) : prolonged(entry, now)
}

function pausedUntil(entry: Entry, until: number): Entry {
  return { ...entry, notBefore: Math.max(entry.notBefore, until) }
}

/** Milliseconds, scattered by a fifth. */
function jittered(ms: number, random: number): number {
  return ms * (1 + (random * 2 - 1) * LOOK_JITTER)
}
