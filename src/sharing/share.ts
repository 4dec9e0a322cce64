import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '../clock.ts'
import { delayAfterRefusal, type BackoffRules } from '../token/backoff.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Adopted, Ask, AtHand, Before, Obtain, Obtained, Wanted } from '../token/obtain.ts'
import {
  isGrant,
  LONGEST_LIFETIME,
  SHORTEST_LIFETIME,
  type AuthFailure,
  type Grant,
} from '../token/protocol.ts'
import type { SharingEvent, SharingSnapshot } from '../token/sharing.ts'
import type { TokenSource } from '../token/source.ts'
import { refreshPart } from '../token/token.ts'
import { totalLife, type Seal } from './seal.ts'
import {
  ID_LENGTH,
  type ClaimReply,
  type Failed,
  type RecordReply,
  type SessionStore,
  type StoreFailure,
} from './store.ts'
import { isAtHand, isBetter, jittered, serves, turnOf, type Found } from './turn.ts'

export interface ShareOptions {
  readonly store: SessionStore
  readonly seal: Seal
  readonly rules: BackoffRules
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly observe: (event: SharingEvent) => void
}

const EXTEND_EVERY = 1000
const MOST_ROUNDS = 3
const TRY_AGAIN = 1000
const LOOK_EVERY = 10_000
const LOOK_ALONE_EVERY = 1000

/** One token for all replicas that use the same store, key, iSales and user. */
export type Share = ReturnType<typeof createShare>

export function createShare({ store, seal, rules, clock, random, observe }: ShareOptions) {
  const processId = randomBytes(12).toString('base64url')
  const ownRandom = random()
  let claims = 0
  /** Id of the record that this process last saw in the store. */
  let seen = ''
  /** The token at hand as it is in the store, or would be. */
  let ours: Found | undefined
  /** Of the credentials that were last used. */
  let fingerprint: string | undefined
  /** Id of the record that was last reported as unreadable. */
  let unreadable = ''
  let holder: Pick<TokenSource, 'atHand' | 'adopt'> | undefined
  let connected: Promise<void> | undefined
  let obtaining: Promise<unknown> | undefined
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
  const noted = <R extends ClaimReply | { readonly type: 'kept' } | StoreFailure>(reply: R): R => {
    const reason = reply.type === 'failure' ? reply.reason : undefined
    if (reason === state.reason) return reply
    const is = reason === undefined ? 'shared' : 'alone'
    const since = state.state === is ? state.since : clock.now()
    state = { ...state, state: is, reason, since }
    observe(reason === undefined ? { type: 'shared' } : { type: 'alone', reason })
    return reply
  }

  /** Undefined: nothing is in the store, or nothing that can be read. */
  const find = ({ record: sealed, pttl }: RecordReply): Found | undefined => {
    const record = seal.open(sealed)
    if (record === undefined) {
      const id = idOf(sealed)
      if (id !== '' && id !== unreadable) observe({ type: 'unreadable' })
      unreadable = id
      return undefined
    }
    // A store whose clock was set back would make the token younger than it is.
    const age = Math.max(0, record.totalMs - Math.max(0, pttl))
    return { record, sentAt: clock.now() - age }
  }

  /** @param firstOfSecret the first token with these credentials: another secret's serves, and we log in. */
  const adopted = (found: Found, firstOfSecret: boolean): Adopted => {
    const { record, sentAt } = found
    const ownSecret = record.fingerprint === fingerprint
    ours = found
    state = { ...state, adoptedAt: clock.now() }
    const { grant, bought } = record
    return { grant, sentAt, bought, ownSecret, loginDue: firstOfSecret && !ownSecret }
  }

  /** The record of the token at hand, when that is good. */
  const goodRecord = (atHand: AtHand | undefined): Found | undefined =>
    serves(atHand, clock.now()) && ours !== undefined && isAtHand(ours.record, atHand)
      ? ours
      : undefined

  const obtain = async (wanted: Wanted, ask: Ask, signal: AbortSignal): Promise<Obtained> => {
    await connected
    const { atHand, operation, refusals, forced } = wanted
    const secret = seal.fingerprint(wanted.password)
    // With a token before the first attempt, the credentials were refused before the start: they are not new.
    const firstOfSecret = fingerprint === undefined ? ours === undefined : secret !== fingerprint
    fingerprint = secret
    const good = firstOfSecret ? goodRecord(atHand) : undefined
    // Another replica obtained it with the credentials that are new here only: no login is needed.
    if (good?.record.fingerprint === secret) return { type: 'adopted', ...adopted(good, true) }

    for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round += 1) {
      const lease = nextLease()
      const asked = { seen, lease, operation, fingerprint: secret, refusals, forced }
      const reply = noted(await store.claim(asked))
      const now = clock.now()
      if (reply.type === 'grant') {
        const found = find(reply)
        seen = idOf(reply.record)
        if (found !== undefined && isBetter(found, atHand, now)) {
          return { type: 'adopted', ...adopted(found, firstOfSecret) }
        }
        continue
      }
      const turn = turnOf(reply, { now, random: random(), ownRandom, atHand, refusals })
      if ('type' in turn) return turn
      const claimed = { wanted, secret, before: turn, lease: turn.alone ? undefined : lease }
      return askIsales(claimed, ask, signal)
    }
    return nothing(wanted)
  }

  interface Claimed {
    readonly wanted: Wanted
    readonly secret: string
    readonly before: Before
    /** Undefined: without the store. */
    readonly lease: string | undefined
  }

  const askIsales = async (claimed: Claimed, ask: Ask, signal: AbortSignal): Promise<Obtained> => {
    const { wanted, secret, before, lease } = claimed
    const fail = (failure: Failed['failure']): Promise<void> =>
      lease === undefined
        ? Promise.resolve()
        : store.failed({ lease, fingerprint: secret, failure })
    if (signal.aborted) {
      await fail({ kind: 'none' })
      return nothing(wanted)
    }
    const sentAt = clock.now()
    const extending = lease === undefined ? undefined : extend(lease)
    const outcome = await ask(before)
    extending?.cancel()
    if (isGrant(outcome)) return publish(claimed, outcome, sentAt)
    if (signal.aborted) await fail({ kind: 'none' })
    return {
      type: 'request-ended',
      outcome,
      settle: (retryIn) => void fail(failureOf(outcome, claimed, retryIn)),
    }
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

  const failureOf = (
    outcome: AuthFailure,
    { wanted, before }: Claimed,
    retryIn: number,
  ): Failed['failure'] => {
    if (outcome.kind === 'refused' && wanted.operation === 'login') {
      const pauses = Array.from({ length: rules.loginRejectedAttempts + 1 }, (_, index) =>
        delayAfterRefusal(index + 1, rules),
      )
      return { kind: 'refused', known: before.refusals, pauses }
    }
    if (retryIn <= 0) return { kind: 'none' }
    const count = before.failures?.kind === outcome.kind ? before.failures.count : 0
    return { kind: 'hold', text: `${outcome.kind} ${count + 1}`, ms: retryIn }
  }

  const publish = async (
    { wanted, secret, lease }: Claimed,
    given: Grant,
    sentAt: number,
  ): Promise<Obtained> => {
    const { operation, atHand } = wanted
    const grant = withRefreshToken(given, wanted, sentAt)
    const refreshed = operation === 'refresh'
    const rejected = atHand?.rejected === true
    const record = {
      grant,
      totalMs: totalLife(grant),
      // A refresh goes on with the login of whoever made it.
      fingerprint: refreshed ? (ours?.record.fingerprint ?? secret) : secret,
      bought: rejected,
    }
    ours = { record, sentAt }
    state = { ...state, adoptedAt: undefined }
    // A refresh that gives the rejected token again cures nothing for the others either.
    const curesNothing = refreshed && rejected && isAtHand(record, atHand)
    const found = lease === undefined || curesNothing ? undefined : await offer(ours, lease)
    return found !== undefined && found.sentAt > sentAt
      ? { type: 'adopted', ...adopted(found, false) }
      : { type: 'request-ended', outcome: given }
  }

  /** Puts our token into the store; gives what is there when it did not take it. */
  const offer = async ({ record, sentAt }: Found, lease: string): Promise<Found | undefined> => {
    const ms = record.totalMs - (clock.now() - sentAt)
    if (ms <= 0) return undefined
    const sealed = seal.close(record)
    // The guard of the credentials that the token came from ends: iSales took them. A refresh proves no others.
    const { fingerprint: proven } = record
    const reply = noted(
      await store.granted({ seen, lease, record: sealed, ms, fingerprint: proven }),
    )
    if (reply.type === 'grant') {
      seen = idOf(reply.record)
      return find(reply)
    }
    if (reply.type === 'kept') {
      seen = idOf(sealed)
      void store.publish()
    }
    return undefined
  }

  /** Takes a newer token out of the store, or puts ours into it when it has none. */
  const look = async (): Promise<void> => {
    if (obtaining !== undefined) {
      // The token source takes what is obtained first.
      await obtaining
      return look()
    }
    if (stopped || holder === undefined) return
    const reply = noted(await store.read())
    if (reply.type === 'failure' || obtaining !== undefined || stopped) return
    const atHand = holder.atHand()
    const good = goodRecord(atHand)
    const found = find(reply)
    if (found !== undefined && isAtHand(found.record, atHand)) {
      seen = idOf(reply.record)
      ours = found
    } else if (found !== undefined && isBetter(found, atHand, clock.now())) {
      seen = idOf(reply.record)
      holder.adopt(adopted(found, false))
    } else if (good !== undefined) {
      seen = idOf(reply.record)
      await offer(good, nextLease())
    }
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

  return {
    /** A token: from iSales, or from another replica. */
    obtain: ((wanted, ask, signal) => {
      const work = obtain(wanted, ask, signal).finally(() => {
        obtaining = undefined
      })
      obtaining = work
      return work
    }) satisfies Obtain,

    /** Connects, and gives the token source what other replicas obtain. */
    start(source: Pick<TokenSource, 'atHand' | 'adopt'>): void {
      holder = source
      connected = store.start(() => void look())
      planLook(LOOK_ALONE_EVERY)
    },

    onTokenEvent(event: TokenEvent): void {
      if (event.type === 'conflict') void store.holdOff(event.holdOff)
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

/** Neither iSales nor another replica gave one: try again soon. */
function nothing({ refusals }: Wanted): Obtained {
  return { type: 'held', because: 'busy', ms: TRY_AGAIN, refusals }
}

/** Names what is in a key, be it a record or not; '' for an empty key. */
function idOf(record: string): string {
  return record.slice(0, ID_LENGTH)
}

/** A refresh that gives no refresh token leaves the former one in force; the other replicas need it, too. */
function withRefreshToken(grant: Grant, { operation, atHand }: Wanted, sentAt: number): Grant {
  if (grant.refreshToken !== undefined) return grant
  const origin = { sentAt, operation, previous: atHand?.token }
  const { refreshToken, refreshExpiresAt: end } = refreshPart(grant, origin)
  if (end === undefined) return { ...grant, refreshToken, refreshLifetime: undefined }
  // A refresh token that is about to end is as good as none, but the record has to be valid.
  const refreshLifetime = Math.min(Math.max(end - sentAt, SHORTEST_LIFETIME), LONGEST_LIFETIME)
  return { ...grant, refreshToken, refreshLifetime }
}
