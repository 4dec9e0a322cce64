import type { Clock, Timer } from '../clock.ts'
import { delayAfterRefusal, type BackoffRules } from '../token/backoff.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Adopted, Ask, AtHand, Before, Obtain, Obtained, Wanted } from '../token/obtain.ts'
import { isGrant, type AuthFailure, type Grant } from '../token/protocol.ts'
import type { SharingEvent, SharingSnapshot } from '../token/sharing.ts'
import { usableUntil } from '../token/token.ts'
import { totalLife, type SharedRecord } from './record.ts'
import type { Seal } from './seal.ts'
import { ID_LENGTH, isFailure, type ReadReply, type SessionStore } from './store.ts'
import { isBetter, turnOf, type Found, type Mine, type Reply, type Situation } from './turn.ts'

export interface ShareOptions {
  readonly store: SessionStore
  readonly seal: Seal
  readonly rules: BackoffRules
  /** 16 characters that no other process has. */
  readonly processId: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly observe: (event: SharingEvent) => void
}

/** The part of the token source that sharing works with. */
export interface Holder {
  readonly atHand: () => AtHand | undefined
  readonly adopt: (adopted: Adopted) => void
}

/** One token for all replicas that use the same store, key, iSales and user. */
export interface Share {
  readonly obtain: Obtain
  start(holder: Holder): void
  onTokenEvent(event: TokenEvent): void
  readonly snapshot: () => SharingSnapshot
  /** Replicas that listen, this one included; undefined: not known. */
  readonly replicas: () => Promise<number | undefined>
  /** Frees the lease of an aborted request, and disconnects. */
  stop(): Promise<void>
}

const LEASE = 3000
const EXTEND_EVERY = 1000
const HOLD_GRACE = 600_000
const GUARD_GRACE = 24 * 3600 * 1000
const FOREVER = 1e12
const MOST_ROUNDS = 3
/** A store that is slow to connect delays the first login no longer. */
const CONNECT_WAIT = 1000
const LOOK_EVERY = 10_000
const LOOK_ALONE_EVERY = 1000
const LOOK_JITTER = 0.2
/** Without the store the token is renewed this long before its last use, or later. */
const ALONE_WINDOW = 30_000
const ALONE_SHARE = 0.05
const ALONE_MARGIN = 1000

/** The token at hand as the store knows it, or would. */
interface Ours {
  readonly record: SharedRecord
  readonly sentAt: number
}

export function createShare(options: ShareOptions): Share {
  const { store, seal, clock, random, observe } = options
  /** Names what this process has seen in the store. */
  let seen = ''
  let ours: Ours | undefined
  let fingerprint: string | undefined
  let claims = 0
  let holder: Holder | undefined
  let stopped = false
  let working: Promise<unknown> | undefined
  let lookAfterwards = false
  let lookTimer: Timer | undefined
  let unreadable = ''
  let aloneShare = { token: undefined as unknown, random: 0 }
  let state: SharingSnapshot = {
    state: 'shared',
    reason: undefined,
    since: clock.now(),
    replicas: undefined,
    adoptedAt: undefined,
  }

  /** Notes whether the store does what it is asked to. */
  const noted = <R>(reply: R): R => {
    const reason = isFailure(reply) ? reply.reason : undefined
    if (reason !== state.reason) {
      const was = state.state
      const is = reason === undefined ? 'shared' : 'alone'
      const since = was === is ? state.since : clock.now()
      state = { ...state, state: is, reason, since }
      if (reason === undefined) observe({ type: 'shared' })
      else observe({ type: 'alone', reason })
    }
    return reply
  }

  const find = ({ record: sealed, pttl }: ReadReply, atHand: AtHand | undefined): Found => {
    const id = sealed.slice(0, ID_LENGTH)
    const record = seal.open(sealed)?.record
    if (record === undefined) {
      if (sealed !== '' && unreadable !== id) observe({ type: 'unreadable' })
      unreadable = id
      return { id, record, obtainedAt: -Infinity, usableUntil: -Infinity, isAtHand: false }
    }
    // A store whose clock was set back would make the token younger than it is.
    const age = Math.max(0, record.totalMs - Math.max(0, pttl))
    const obtainedAt = clock.now() - age
    const isAtHand = atHand?.token.token.reveal() === record.token.reveal()
    return {
      id,
      record,
      obtainedAt,
      usableUntil: usableUntil(obtainedAt, record.lifetimeMs),
      isAtHand,
    }
  }

  const mineOf = (atHand: AtHand | undefined): Mine | undefined => {
    if (atHand === undefined) return undefined
    const { token, rejected } = atHand
    if (aloneShare.token !== token.token) aloneShare = { token: token.token, random: random() }
    const window = Math.min(ALONE_WINDOW, token.lifetime * ALONE_SHARE)
    const aloneFrom = token.usableUntil - ALONE_MARGIN - aloneShare.random * window
    return { obtainedAt: token.obtainedAt, usableUntil: token.usableUntil, rejected, aloneFrom }
  }

  const adopted = (found: Found, record: SharedRecord, loginDue: boolean): Adopted => {
    seen = found.id
    ours = { record, sentAt: found.obtainedAt }
    state = { ...state, adoptedAt: clock.now() }
    return {
      grant: grantOf(record),
      sentAt: found.obtainedAt,
      bought: record.bought,
      ownSecret: record.fingerprint === fingerprint,
      loginDue,
    }
  }

  const obtain = async (wanted: Wanted, ask: Ask, signal: AbortSignal): Promise<Obtained> => {
    if (fingerprint === undefined) await store.connected(CONNECT_WAIT)
    const secret = seal.fingerprint(wanted.password)
    const firstOfSecret = secret !== fingerprint
    fingerprint = secret
    // It may have been obtained with the credentials that are new here only: then no login is needed.
    if (firstOfSecret && ours?.record.fingerprint === secret) seen = ''
    const situation = (): Situation => ({
      now: clock.now(),
      random: random(),
      mine: mineOf(wanted.atHand),
      fingerprint: secret,
      firstOfSecret,
      refusals: wanted.refusals,
    })

    for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round += 1) {
      const lease = `${options.processId}-${(claims += 1)}`
      const reply = noted(
        await store.claim({
          seen,
          lease,
          leaseMs: LEASE,
          operation: wanted.operation,
          fingerprint: secret,
          // An operator who asks for a login ends each pause.
          holdGrace: wanted.forced ? FOREVER : HOLD_GRACE,
          guardGrace: wanted.forced ? FOREVER : GUARD_GRACE,
          refusals: wanted.refusals,
        }),
      )
      const read: Reply =
        reply.type === 'grant' ? { type: 'grant', found: find(reply, wanted.atHand) } : reply
      const turn = turnOf(read, situation())
      switch (turn.do) {
        case 'adopt':
          if (turn.found.record === undefined) break
          return { by: 'another', adopted: adopted(turn.found, turn.found.record, turn.loginDue) }
        case 'claim-again':
          ;({ seen } = turn)
          break
        case 'wait':
          return { by: 'nobody', because: turn.because, ms: turn.ms, refusals: turn.refusals }
        case 'ask': {
          const { before } = turn
          const claimed = { wanted, secret, lease: before.alone ? undefined : lease, before }
          return await askIsales(claimed, ask, signal)
        }
      }
    }
    return { by: 'nobody', because: 'busy', ms: EXTEND_EVERY, refusals: wanted.refusals }
  }

  interface Claimed {
    readonly wanted: Wanted
    readonly secret: string
    /** Undefined: without the store. */
    readonly lease: string | undefined
    readonly before: Before
  }

  const askIsales = async (claimed: Claimed, ask: Ask, signal: AbortSignal): Promise<Obtained> => {
    const { lease, wanted, secret, before } = claimed
    if (lease !== undefined && signal.aborted) {
      await store.failed({ lease, fingerprint: secret, failure: { kind: 'none' } })
      return { by: 'nobody', because: 'busy', ms: EXTEND_EVERY, refusals: wanted.refusals }
    }
    const sentAt = clock.now()
    const extending = lease === undefined ? undefined : extend(lease)
    const outcome = await ask(before)
    extending?.cancel()
    if (isGrant(outcome)) return await publish(claimed, outcome, sentAt)
    if (lease === undefined) return { by: 'us', outcome }
    const give = (retryIn: number): void => {
      const failure = failureOf(outcome, wanted, before, retryIn)
      void store.failed({ lease, fingerprint: secret, failure })
    }
    if (!signal.aborted) return { by: 'us', outcome, settle: give }
    await store.failed({ lease, fingerprint: secret, failure: { kind: 'none' } })
    return { by: 'us', outcome }
  }

  /** The lease lasts while iSales is asked, however long that takes, and ends soon when this process dies. */
  const extend = (lease: string): Timer => {
    const next = (): Timer =>
      clock.setTimer(() => {
        void store.extend({ lease, leaseMs: LEASE })
        timer = next()
      }, EXTEND_EVERY)
    let timer = next()
    return { cancel: () => timer.cancel() }
  }

  const failureOf = (
    outcome: AuthFailure,
    { operation }: Wanted,
    { failures, refusals }: Before,
    retryIn: number,
  ): Parameters<SessionStore['failed']>[0]['failure'] => {
    if (outcome.kind === 'refused' && operation === 'login') {
      const { rules } = options
      const pauses = Array.from({ length: rules.loginRejectedAttempts + 1 }, (_, index) =>
        delayAfterRefusal(index + 1, rules),
      )
      return { kind: 'refused', known: refusals, grace: GUARD_GRACE, pauses }
    }
    if (retryIn <= 0) return { kind: 'none' }
    const count = failures?.kind === outcome.kind ? failures.count : 0
    const text = `${outcome.kind} ${count + 1}`
    return { kind: 'hold', text, ms: retryIn, grace: HOLD_GRACE }
  }

  const publish = async (
    { wanted, secret, lease }: Claimed,
    grant: Grant,
    sentAt: number,
  ): Promise<Obtained> => {
    const { operation, atHand } = wanted
    // A refresh goes on with the login of whoever made it.
    const by = operation === 'refresh' ? (ours?.record.fingerprint ?? secret) : secret
    const carried = operation === 'refresh' ? atHand : undefined
    const record = recordOf(grant, {
      sentAt,
      carried,
      fingerprint: by,
      bought: atHand?.rejected === true,
    })
    ours = { record, sentAt }
    state = { ...state, adoptedAt: undefined }
    const us = { by: 'us', outcome: grant } as const
    // A refresh that gives the rejected token again cures nothing for the others either.
    const same = atHand?.rejected === true && atHand.token.token.reveal() === grant.token.reveal()
    if (lease === undefined || (same && operation === 'refresh')) return us
    const found = await offer(lease)
    if (found?.record === undefined || found.isAtHand || found.obtainedAt <= sentAt) return us
    return { by: 'another', adopted: adopted(found, found.record, false) }
  }

  /** Puts our token into the store; gives what is there when it did not take it. */
  const offer = async (lease: string): Promise<Found | undefined> => {
    if (ours === undefined) return undefined
    const { record, sentAt } = ours
    const ms = record.totalMs - (clock.now() - sentAt)
    if (ms <= 0) return undefined
    const { id, sealed } = seal.close(record)
    // The guard of the credentials that the token came from ends: iSales took them. A refresh proves no others.
    const { fingerprint: proven } = record
    const reply = noted(
      await store.granted({ seen, lease, record: sealed, ms, fingerprint: proven }),
    )
    if (isFailure(reply)) return undefined
    if (reply.type === 'late') return find(reply, holder?.atHand())
    seen = id
    void store.publish()
    return undefined
  }

  /** Takes a newer token out of the store, or puts ours into it when it has none. */
  const look = async (): Promise<void> => {
    if (stopped || holder === undefined) return
    // The first token is claimed, which tells whether a login is due.
    if (fingerprint === undefined || working !== undefined) {
      lookAfterwards = true
      return
    }
    const reply = noted(await store.read())
    if (isFailure(reply) || working !== undefined || stopped) return
    const atHand = holder.atHand()
    const found = find(reply, atHand)
    if (found.isAtHand) {
      seen = found.id
      if (found.record !== undefined) ours = { record: found.record, sentAt: found.obtainedAt }
    } else if (found.record !== undefined && isBetter(found, lookSituation(atHand))) {
      holder.adopt(adopted(found, found.record, false))
    } else if (isOurs(atHand)) {
      seen = found.id
      await offer(`${options.processId}-${(claims += 1)}`)
    }
  }

  /** Not after a message: a hundred replicas get it at the same time, and each operation delays the others. */
  const lookAndCount = async (): Promise<void> => {
    await look()
    if (!stopped && state.state === 'shared') {
      const replicas = await countReplicas()
      state = { ...state, replicas }
    }
    planLook()
  }

  const countReplicas = async (): Promise<number | undefined> => {
    const replicas = await store.replicas()
    return isFailure(replicas) ? undefined : replicas
  }

  const lookSituation = (atHand: AtHand | undefined): Situation => ({
    now: clock.now(),
    random: 0,
    mine: mineOf(atHand),
    fingerprint: fingerprint ?? '',
    firstOfSecret: false,
    refusals: 0,
  })

  /** The token at hand is good, and this process knows all that belongs into its record. */
  const isOurs = (atHand: AtHand | undefined): boolean =>
    atHand !== undefined &&
    !atHand.rejected &&
    clock.now() < atHand.token.usableUntil &&
    ours?.record.token.reveal() === atHand.token.token.reveal()

  const planLook = (): void => {
    lookTimer?.cancel()
    if (stopped) return
    const pause = state.state === 'alone' ? LOOK_ALONE_EVERY : LOOK_EVERY
    lookTimer = clock.setTimer(
      () => void lookAndCount(),
      pause * (1 + (random() * 2 - 1) * LOOK_JITTER),
    )
  }

  return {
    async obtain(wanted, ask, signal) {
      const work = obtain(wanted, ask, signal)
      working = work
      const obtained = await work
      working = undefined
      if (lookAfterwards) {
        lookAfterwards = false
        // After the token source has taken what came.
        lookTimer?.cancel()
        lookTimer = clock.setTimer(() => void lookAndCount(), 0)
      }
      return obtained
    },

    start(taker) {
      holder = taker
      store.start(() => void look())
      planLook()
    },

    onTokenEvent(event) {
      if (event.type !== 'conflict') return
      void store.holdOff({ text: 'conflict 0', ms: event.holdOff, grace: HOLD_GRACE })
    },

    snapshot: () => state,
    replicas: countReplicas,

    async stop() {
      stopped = true
      lookTimer?.cancel()
      await working
      store.stop()
    },
  }
}

function grantOf(record: SharedRecord): Grant {
  const { token, lifetimeMs, assumed, refreshToken, refreshLifetimeMs } = record
  return {
    token,
    lifetime: { ms: lifetimeMs, assumed },
    refreshToken,
    refreshLifetime: refreshLifetimeMs,
  }
}

function recordOf(
  grant: Grant,
  origin: Pick<SharedRecord, 'fingerprint' | 'bought'> & {
    readonly sentAt: number
    /** The token that was refreshed. */
    readonly carried: AtHand | undefined
  },
): SharedRecord {
  const { sentAt, carried, fingerprint, bought } = origin
  const renewed = grant.refreshToken !== undefined
  const refreshToken = grant.refreshToken ?? carried?.token.refreshToken
  const kept = carried?.token.refreshExpiresAt
  const refreshLifetimeMs = renewed
    ? grant.refreshLifetime
    : kept === undefined
      ? undefined
      : Math.max(1000, kept - sentAt)
  const record = {
    token: grant.token,
    lifetimeMs: grant.lifetime.ms,
    assumed: grant.lifetime.assumed,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(refreshToken === undefined || refreshLifetimeMs === undefined ? {} : { refreshLifetimeMs }),
    fingerprint,
    bought,
  }
  return { ...record, totalMs: totalLife(record) }
}
