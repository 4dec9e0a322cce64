import { randomBytes } from 'node:crypto'
import type { Timer } from '../clock.ts'
import {
  backoffOf,
  begun,
  granted,
  NO_ENTRY,
  withBook,
  type BookOptions,
  type BookStore,
  type Entry,
} from '../token/book.ts'
import type {
  Ask,
  Credentials,
  Deferred,
  IsalesClient,
  Outcome,
  TokenClient,
} from '../token/client.ts'
import type { Grant } from '../token/protocol.ts'
import { usableUntil } from '../token/token.ts'
import type { SharingEvent, SharingSnapshot } from './events.ts'
import { totalLife, type Seal, type SharedRecord } from './seal.ts'
import {
  ID_LENGTH,
  MAX_GUARD,
  PROOF,
  type Book,
  type Granted,
  type Reply,
  type SessionStore,
  type StoreFailure,
} from './store.ts'
import { isBetter, isNewer, isSame, jittered, turnOf, type Found } from './turn.ts'

/** `book` is that of this process: what the store knows is remembered there, too. */
export interface ShareOptions extends Omit<BookOptions, 'client'> {
  readonly store: SessionStore
  readonly seal: Seal
  readonly observe: (event: SharingEvent) => void
}

const EXTEND_EVERY = 1000
const MAX_ROUNDS = 3
const TRY_AGAIN = 1000
const LOOK_EVERY = 10_000
const LOOK_ALONE_EVERY = 1000
/** The pauses of a login in flight, by the number of the attempt; the last is for all that follow. */
const BEGUN = [0, 1, 2].map((attempts) => begun({ ...NO_ENTRY, attempts }, 0).notBefore)

/** A token of which this process knows how it is to be published. */
interface Ours extends Found {
  readonly operation: Granted['operation']
}

/** One token for all replicas that use the same store, key, iSales and user. */
export type Share = ReturnType<typeof createShare>

export function createShare(options: ShareOptions) {
  const { store, seal, book: home, rules, clock, random, observe } = options
  const processId = randomBytes(12).toString('base64url')
  let claims = 0
  /** Id of the record that this process last saw in the store. */
  let seen = ''
  /** The highest number of a record that this process has seen. */
  let highest = 0
  /** The token at hand as it is in the store, or would be. */
  let ours: Ours | undefined
  /** What the store, or a login under its lease, says of the credentials that are asked with. */
  let known = NO_ENTRY
  /** Of the last token request. */
  let last: { readonly credentials: Credentials; readonly fingerprint: string } | undefined
  /** Id of the record that was last reported as unreadable. */
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

  const nextLease = (): string => `${processId}-${(claims += 1)}`

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

  /** What is in the store, and whether it is to be taken. Undefined: nothing, or nothing that can be read. */
  const find = ({ record: sealed, ms: pttl }: Reply) => {
    const record = seal.open(sealed)
    if (record === undefined) {
      const id = idOf(sealed)
      if (id !== '' && id !== unreadable) observe({ type: 'unreadable' })
      unreadable = id
      return undefined
    }
    const now = clock.now()
    // A store whose clock was set back would make the token younger than it is.
    const age = Math.max(0, record.totalMs - Math.max(0, pttl))
    const found: Found = { record, sentAt: now - age }
    const better = isBetter(found, ours, highest, now)
    highest = Math.max(highest, record.number)
    return { ...found, better }
  }

  const adopted = ({ record, sentAt }: Found): Grant => {
    const isOwn = record.fingerprint === last?.fingerprint
    ours = { record, sentAt, operation: 'offer' }
    state = { ...state, adoptedAt: clock.now() }
    if (isOwn && last !== undefined) void crossOut(last.credentials, record)
    return { ...record.grant, sentAt, adopted: true, foreign: !isOwn }
  }

  /** Another replica's grant proves the credentials here, too. A refresh only prolongs what a login has proven. */
  const crossOut = async (credentials: Credentials, { login }: SharedRecord): Promise<void> => {
    const entry = (await home.read(credentials)) ?? NO_ENTRY
    const now = clock.now()
    if (login || now < entry.provenUntil) await home.write(credentials, granted(now))
  }

  const obtain = async (ask: Ask, send: TokenClient): Promise<Outcome> => {
    await connected
    const { operation, credentials, why } = ask
    const forced = why === 'operator'
    const fingerprint = seal.fingerprint(credentials.password)
    known = NO_ENTRY
    last = { credentials, fingerprint }
    // Another replica obtained the token at hand with the credentials that are new here only: no login is needed.
    const isWanted = why === 'credentials' && ask.rejectedAt === undefined
    if (isWanted && ours?.record.fingerprint === fingerprint && clock.now() < endOf(ours)) {
      return adopted(ours)
    }

    for (let round = 0; round < MAX_ROUNDS && !ask.signal.aborted; round += 1) {
      const lease = nextLease()
      const local = (await home.read(credentials)) ?? NO_ENTRY
      const book = bookOf(local, clock.now())
      const claim = { seen, lease, operation, fingerprint, forced, book, begun: BEGUN }
      const reply = noted(await store.claim(claim))
      const now = clock.now()
      if (reply.type === 'grant') {
        seen = idOf(reply.record)
        const found = find(reply)
        // An operator wants to know whether a login works.
        if (found?.better === true && !forced) return adopted(found)
        continue
      }
      if (reply.type === 'guarded') {
        const entry = merged(local, entryOf(reply, now))
        // Whoever deletes it in the store buys no further login.
        await home.write(credentials, entry)
        return { deferred: 'guarded', ms: reply.ms, backoff: backoffOf(entry, rules) }
      }
      const wait = turnOf(reply, { now, random: random(), ask })
      if (wait !== undefined) return wait
      if (reply.type === 'mine') {
        known = entryOf(reply, now)
        return askUnderLease(ask, send, { lease, fingerprint })
      }
      const outcome = await send({ ...ask, weight: rules.loginRejectedAttempts })
      return 'token' in outcome ? publish(ask, outcome, { fingerprint }) : outcome
    }
    return LOOK_AGAIN
  }

  const askUnderLease = async (
    ask: Ask,
    send: TokenClient,
    claim: { readonly lease: string; readonly fingerprint: string },
  ): Promise<Outcome> => {
    const extending = extend(claim.lease)
    const outcome = ask.signal.aborted ? LOOK_AGAIN : await send(ask)
    extending.cancel()
    if ('token' in outcome) return publish(ask, outcome, claim)
    // What is in the book is about these credentials; any other failure is about iSales, and all replicas wait.
    const isForAll = 'failure' in outcome && !outcome.counted && !ask.signal.aborted
    const pause = isForAll ? Math.ceil(outcome.pause) : 0
    const entry = ask.operation === 'login' ? bookOf(known, clock.now()) : undefined
    await store.failed({ ...claim, pause, book: entry })
    return outcome
  }

  /** The lease lasts while iSales is asked, however long that takes, and ends soon when this process dies. */
  const extend = (lease: string): Timer => {
    const next = (): Timer =>
      clock.setTimer(() => {
        void store.extend(lease)
        timer = next()
      }, EXTEND_EVERY)
    let timer = next()
    return { cancel: () => timer.cancel() }
  }

  /** @param lease undefined: it was obtained without the store, and is published by a look. */
  const publish = async (
    { operation }: Ask,
    grant: Grant,
    { lease, fingerprint }: { readonly lease?: string; readonly fingerprint: string },
  ): Promise<Outcome> => {
    const isLogin = operation === 'login'
    const { sentAt } = grant
    const since = ours === undefined ? 0 : ours.record.number + Math.round(sentAt - ours.sentAt)
    highest = Math.max(highest + 1, since)
    const record = {
      grant,
      number: highest,
      totalMs: totalLife(grant),
      // A refresh goes on with the login of whoever made it.
      fingerprint: isLogin ? fingerprint : (ours?.record.fingerprint ?? fingerprint),
      login: isLogin,
    }
    const own = { record, sentAt, operation }
    ours = own
    state = { ...state, adoptedAt: undefined }
    const found = lease === undefined ? undefined : await offer(own, lease)
    return found?.better === true ? adopted(found) : grant
  }

  /** Puts our token into the store; gives what is there when it did not take it. */
  const offer = async (own: Ours, lease: string) => {
    const { record, sentAt, operation } = own
    const ms = Math.ceil(record.totalMs - (clock.now() - sentAt))
    if (ms <= 0) return undefined
    const sealed = seal.close(record)
    const { fingerprint } = record
    const reply = noted(
      await store.granted({ seen, lease, record: sealed, ms, fingerprint, operation }),
    )
    if (reply.type === 'grant') {
      seen = idOf(reply.record)
      return find(reply)
    }
    if (reply.type === 'kept') {
      seen = idOf(sealed)
      if (ours === own) ours = { ...own, operation: 'offer' }
      void store.publish()
    }
    return undefined
  }

  /** Takes a newer token out of the store, or puts ours into it when it has none. */
  const lookOnce = async (): Promise<void> => {
    // The token source takes what is obtained first.
    await obtaining
    if (stopped || obtaining !== undefined) return
    const reply = noted(await store.read())
    if (reply.type === 'failure' || obtaining !== undefined || stopped) return
    const found = find(reply)
    if (found?.better === true) {
      seen = idOf(reply.record)
      adopt?.(adopted(found))
    } else if (ours !== undefined && found !== undefined && isSame(found.record, ours.record)) {
      seen = idOf(reply.record)
      ours = { ...ours, operation: 'offer' }
    } else if (ours !== undefined && clock.now() < endOf(ours)) {
      if (found !== undefined && !isNewer(ours, found)) return
      seen = idOf(reply.record)
      await offer(ours, nextLease())
    }
  }

  /** One look in flight and one wanted, however many messages, connections and timers ask. */
  const look = (): Promise<void> => {
    isLookWanted = true
    const run = async (): Promise<void> => {
      while (isLookWanted) {
        isLookWanted = false
        await lookOnce()
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
      const replicas = await store.replicas()
      state = { ...state, replicas }
    }
    planLook(state.state === 'alone' ? LOOK_ALONE_EVERY : LOOK_EVERY)
  }

  const planLook = (ms: number): void => {
    if (!stopped) lookTimer = clock.setTimer(() => void lookAndCount(), jittered(ms, random()))
  }

  /** The book for the client that is wrapped: that of this process, and under the lease that of all replicas. */
  const shared: BookStore = {
    lock: home.lock,
    read: async (credentials) => merged((await home.read(credentials)) ?? NO_ENTRY, known),
    write(credentials, entry) {
      known = entry
      return home.write(credentials, entry)
    },
  }

  return {
    /** Gives the token of another replica where there is a newer one, and else asks this client. */
    wrap(isales: IsalesClient): TokenClient {
      const client = withBook({ client: isales, book: shared, rules, clock, random })
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
      connected = store.start(() => void look())
      planLook(LOOK_ALONE_EVERY)
    },

    snapshot: () => state,
    replicas: () => store.replicas(),

    /** Frees the lease of an aborted request, and disconnects. */
    async stop(): Promise<void> {
      stopped = true
      lookTimer?.cancel()
      await obtaining
      store.stop()
    },
  }
}

/** Neither iSales nor another replica gave one. */
const LOOK_AGAIN: Deferred = { deferred: 'busy', ms: TRY_AGAIN }

/** Names what is in a key, be it a record or not; '' for an empty key. */
function idOf(record: string): string {
  return record.slice(0, ID_LENGTH)
}

function endOf({ record, sentAt }: Found): number {
  return usableUntil(sentAt, record.grant.lifetime.ms)
}

function bookOf({ attempts, refusals, notBefore, provenUntil }: Entry, now: number): Book {
  const until = attempts > 0 ? notBefore : provenUntil
  return { attempts, refusals, ms: Math.max(0, Math.ceil(until - now)) }
}

function entryOf({ attempts, refusals, ms }: Book, now: number): Entry {
  const isGuard = attempts > 0
  return {
    attempts,
    refusals,
    notBefore: isGuard ? now + Math.min(ms, MAX_GUARD) : -Infinity,
    provenUntil: isGuard ? -Infinity : now + Math.min(ms, PROOF),
  }
}

/** What two books know of the same credentials. An attempt that no grant has crossed out proves nothing. */
function merged(entry: Entry, other: Entry): Entry {
  const attempts = Math.max(entry.attempts, other.attempts)
  return {
    attempts,
    refusals: Math.max(entry.refusals, other.refusals),
    notBefore: Math.max(entry.notBefore, other.notBefore),
    provenUntil: attempts > 0 ? -Infinity : Math.max(entry.provenUntil, other.provenUntil),
  }
}
