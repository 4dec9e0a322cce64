import { randomBytes } from 'node:crypto'
import { SECOND, type Timer } from '../clock.ts'
import {
  isGrant,
  merged,
  MIN_DISTANCE,
  NO_ENTRY,
  usableUntil,
  withBook,
  type Ask,
  type BookOptions,
  type BookStore,
  type Change,
  type Credentials,
  type Deferred,
  type Entry,
  type Grant,
  type IsalesClient,
  type Outcome,
  type Updated,
} from '../token/index.ts'
import type { Cell, SharingSnapshot, StoreFailure } from './cell.ts'
import { NO_ACCOUNT, type Account, type Seal, type SharedToken } from './seal.ts'

/** `book` is that of this process: what the others know of logins is remembered there, too. */
export interface ShareOptions extends BookOptions {
  readonly cell: Cell
  readonly seal: Seal
  readonly onUnreadable: () => void
}

type StoreState = Pick<SharingSnapshot, 'reason' | 'code' | 'since'>

/** What follows a look at the account; undefined: it stays as it is. Called again when another replica was quicker. */
export type Rewrite = (account: Account, now: number) => Account | undefined

/** Who asks iSales says so at each look: when it dies, another one asks. */
const ASKING_FOR = 3 * SECOND
const LOOK_EVERY = SECOND
/** While another replica asks iSales, and calls wait. */
const LOOK_URGENT = 100
/** What one look takes. */
const LOOK_TAKES = 200
/** As many replicas may each be quicker once. */
const MAX_ROUNDS = 20
/** Another replica that had to log in has probably ended the token. Calls wait for 2.5 s, which a login is part of. */
const MIN_WAIT_REJECTED = 750
const MAX_WAIT_REJECTED = 1500

/** One token for all replicas that use the same store, key, iSales and user. */
export type Share = ReturnType<typeof createShare>

/**
 * From top to bottom: what is remembered, the one swap, one token request, one look.
 *
 * @example two replicas, and a token that iSales ends
 *   0.00 s  A writes that it asks, and its login as begun: one value. B finds that, and looks again in 100 ms
 *   0.05 s  A is granted a token. It writes the token, the end of its login, and that it asks no more: one value
 *   0.10 s  B finds a newer token, and takes it
 *   or A dies at 0.03 s: what it wrote is 3 s old at 3.00 s. Then B asks, and finds one attempt in the book
 */
export function createShare(options: ShareOptions) {
  const { cell, seal, book: local, rules, clock, random, onUnreadable } = options
  const own = randomBytes(12).toString('base64url')
  /** What the store was last seen to hold, and what its clock is ahead of ours. */
  let seen = ''
  let offset: number | undefined
  let unreadable = ''
  let lastLook = Promise.resolve()
  /** The token at hand. */
  let ours: SharedToken | undefined
  let adoptedAt: number | undefined
  /** Those of the last token request. */
  let credentials: Credentials | undefined
  /** The store does not know of logins with these: it was away. */
  let loginsTheStoreLacks: Credentials | undefined
  /** The token request in flight. */
  let obtaining: Promise<unknown> | undefined
  /** Who takes what the looks find. Undefined: before the start, and after the stop. */
  let giveToken: ((grant: Grant) => void) | undefined
  let looking: Timer | undefined
  let store: StoreState = { reason: undefined, code: undefined, since: clock.now() }

  // The one swap.

  /**
   * One connection: replies come in the order of what was asked, so that an older view never replaces a later one.
   *
   * @returns undefined while the store is away.
   */
  const swap = async (rewrite: Rewrite) => {
    let isFresh = false
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const account = opened()
      const next = offset === undefined ? undefined : rewrite(account, clock.now())
      if (isFresh && next === undefined) return { account, isChanged: false }
      const value = next === undefined ? '' : seal.close(next, offset ?? 0)
      const reply = await cell.swap(seen, value)
      note(reply)
      if ('reason' in reply) return undefined
      seen = reply.value
      offset = reply.at - clock.now()
      isFresh = true
      if (next !== undefined && seen === value) return { account: next, isChanged: true }
    }
    return undefined
  }

  const opened = (): Account => {
    if (seen === '' || offset === undefined) return NO_ACCOUNT
    const account = seal.open(seen, offset, clock.now())
    if (account === undefined && unreadable !== seen) onUnreadable()
    unreadable = account === undefined ? seen : ''
    return account ?? NO_ACCOUNT
  }

  const note = (reply: object | StoreFailure): void => {
    const { reason, code } = 'reason' in reply ? reply : { reason: undefined, code: undefined }
    if (reason === store.reason && code === store.code) return
    const isStillAlone = reason !== undefined && store.reason !== undefined
    store = { reason, code, since: isStillAlone ? store.since : clock.now() }
  }

  /** The account with our token, where that is the newer one. */
  const withOurs = (account: Account, now: number): Account =>
    isBetter(ours, account.token, now) ? { ...account, token: ours } : account

  const released = ({ asking }: Account): Account['asking'] =>
    asking?.who === own ? undefined : asking

  // One token request.

  const obtain = async (ask: Ask): Promise<Outcome> => {
    const { loginDue, rejectedAt } = ask
    credentials = ask.credentials
    // Another replica obtained the token at hand with the credentials that are new here only: no login is needed.
    const isWanted = loginDue && rejectedAt === undefined
    const fingerprint = seal.fingerprint(credentials)
    if (isWanted && ours?.fingerprint === fingerprint && isUsable(ours, clock.now()))
      return adopt(ours)
    const claimed = await swap((account, now) =>
      isBetter(account.token, ours, now) ||
      isTaken(account, own, now) ||
      (rejectedAt !== undefined && isTooSoon(account, now))
        ? undefined
        : { ...withOurs(account, now), asking: { who: own, since: now } },
    )
    if (claimed?.isChanged === true) return askForAll(ask)
    const storedToken = claimed?.account.token
    if (isBetter(storedToken, ours, clock.now())) return adopt(storedToken)
    const given = { now: clock.now(), random: random(), ask }
    return turnOf(claimed === undefined ? 'away' : 'busy', given) ?? askAlone(ask)
  }

  /** While the store is away, one refusal counts like `LOGIN_REJECTED_ATTEMPTS` of them: the others may each try as well. */
  const askAlone = (ask: Ask): Promise<Outcome> => {
    loginsTheStoreLacks = ask.credentials
    const client = withBook({ ...options, client: rememberingGrants(ask) })
    return client({ ...ask, weight: rules.loginRejectedAttempts })
  }

  const askForAll = async (ask: Ask): Promise<Outcome> => {
    const outcome = await withBook({ ...options, client: rememberingGrants(ask), book: shared })(
      ask,
    )
    // The login that follows a refused refresh goes on: another replica would slip in between.
    const isFollowed = ask.operation === 'refresh' && 'failure' in outcome && outcome.pause === 0
    // Mostly the end of a login has been written with what this process does not do any more.
    if (isFollowed || opened().asking?.who !== own) return outcome
    const ended = await swap((account, now) => ({
      ...withOurs(account, now),
      asking: released(account),
    }))
    const storedToken = ended?.account.token
    return isBetter(storedToken, ours, clock.now()) ? adopt(storedToken) : outcome
  }

  /** iSales, and what it grants is at hand before it is written. */
  const rememberingGrants = ({ operation, credentials: by }: Ask): IsalesClient => {
    const keep = (outcome: Awaited<ReturnType<IsalesClient['login']>>) => {
      if (!isGrant(outcome)) return outcome
      const fingerprint = seal.fingerprint(by)
      // A refresh goes on with the login of whoever made it.
      const of = operation === 'login' ? fingerprint : (ours?.fingerprint ?? fingerprint)
      ours = { grant: outcome, fingerprint: of }
      adoptedAt = undefined
      return outcome
    }
    const { client } = options
    return {
      login: async (...given) => keep(await client.login(...given)),
      refresh: async (...given) => keep(await client.refresh(...given)),
    }
  }

  /** The book of all replicas. What it knows is remembered in that of this process, too: whoever empties the store buys no login. */
  const shared: BookStore = {
    async update(of, change) {
      const fingerprint = seal.fingerprint(of)
      const { entry: known } = await local.update(of, NO_CHANGE)
      let updated: Updated = { entry: known, isChanged: false }
      const swapped = await swap((account, now) => {
        const before = merged(known, account.book.get(fingerprint) ?? NO_ENTRY)
        const entry = change(before, now)
        updated = { entry: entry ?? before, isChanged: entry !== undefined }
        if (entry === undefined) return undefined
        const asking = entry.open ? { who: own, since: now } : released(account)
        return { ...withOurs(account, now), book: withEntry(account, fingerprint, entry), asking }
      })
      if (swapped === undefined) {
        loginsTheStoreLacks = of
        return local.update(of, change)
      }
      const { entry, isChanged } = updated
      if (isChanged || entry !== known) await local.update(of, () => entry)
      return updated
    },
  }

  // One look.

  /** It lasts while iSales is asked, however long that takes, and ends soon when this process dies. */
  const sayAgain: Rewrite = (account, now) =>
    account.asking?.who === own ? { ...account, asking: { who: own, since: now } } : undefined

  /** Takes a newer token out of the store, or puts there what it lacks: ours, and logins that iSales counted meanwhile. */
  const look = async (): Promise<void> => {
    // The token source takes what is obtained first.
    if (obtaining !== undefined) return void (await swap(sayAgain))
    const missed = loginsTheStoreLacks
    const entry = missed && (await local.update(missed, NO_CHANGE)).entry
    const found = await swap((account, now) => {
      if (missed === undefined || entry === undefined)
        return isBetter(ours, account.token, now) ? withOurs(account, now) : undefined
      const name = seal.fingerprint(missed)
      const both = merged(entry, account.book.get(name) ?? NO_ENTRY)
      return { ...withOurs(account, now), book: withEntry(account, name, both) }
    })
    if (found !== undefined && loginsTheStoreLacks === missed) loginsTheStoreLacks = undefined
    const storedToken = found?.account.token
    if (obtaining === undefined && isBetter(storedToken, ours, clock.now()))
      giveToken?.(adopt(storedToken))
  }

  const keepLooking = (): void => {
    if (giveToken === undefined) return
    looking = clock.setTimer(() => {
      lastLook = look().then(keepLooking)
    }, LOOK_EVERY)
  }

  const adopt = (token: SharedToken): Grant => {
    ours = token
    adoptedAt = clock.now()
    const isOwn = credentials !== undefined && token.fingerprint === seal.fingerprint(credentials)
    // A grant crosses out the attempts before it.
    if (isOwn && credentials !== undefined)
      void local.update(credentials, ({ attempts, at }) =>
        attempts > 0 && token.grant.sentAt > at ? NO_ENTRY : undefined,
      )
    return { ...token.grant, adopted: true, foreign: !isOwn }
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

    /** The longest time, milliseconds, in which a replica learns of the token of another one. */
    learnsWithin: LOOK_EVERY + LOOK_TAKES,

    /** Connects, and gives the token source what other replicas obtain. */
    start(onToken: (grant: Grant) => void): void {
      giveToken = onToken
      keepLooking()
      cell.start(() => void look())
    },

    snapshot: (): SharingSnapshot => ({
      ...store,
      state: store.reason === undefined ? 'shared' : 'alone',
      adoptedAt,
    }),

    /** Writes the end of an aborted request, and disconnects. */
    async stop(): Promise<void> {
      looking?.cancel()
      giveToken = undefined
      await obtaining
      await lastLook
      cell.stop()
    },
  }
}

// The rules.

/** True while another replica asks iSales. One that was dated by a clock that was set back does not block. */
export function isTaken({ asking }: Account, own: string, now: number): boolean {
  if (asking === undefined || asking.who === own) return false
  return Math.abs(now - asking.since) < ASKING_FOR
}

/** True when a rejected token is so new that the account would be asked for too many: the pace is that of all replicas. */
export function isTooSoon({ token }: Account, now: number): boolean {
  return token !== undefined && now < token.grant.sentAt + MIN_DISTANCE
}

/** True when one token is to take the place of the other: it is usable, not the same, and was requested later. */
export function isBetter(
  one: SharedToken | undefined,
  other: SharedToken | undefined,
  now: number,
): one is SharedToken {
  if (one === undefined || !isUsable(one, now)) return false
  if (other === undefined) return true
  if (one.grant.token.reveal() === other.grant.token.reveal()) return false
  return one.grant.sentAt > other.grant.sentAt
}

function isUsable({ grant }: SharedToken, now: number): boolean {
  return now < usableUntil(grant.sentAt, grant.lifetime.ms)
}

/** What follows while another replica asks, or the store is away. Undefined: ask iSales without it. */
export function turnOf(
  why: 'busy' | 'away',
  given: {
    readonly now: number
    /** In [0, 1). */
    readonly random: number
    readonly ask: Pick<Ask, 'current' | 'rejectedAt'>
  },
): Deferred | undefined {
  const { now, random, ask } = given
  const { current, rejectedAt } = ask
  const isServing = current !== undefined && rejectedAt === undefined && now < current.usableUntil
  const look = isServing ? LOOK_EVERY : LOOK_URGENT
  if (why === 'busy') return { deferred: 'busy', ms: look }
  if (current === undefined) return undefined
  // Scattered: of two that log in at the same time nobody knows whose token is the later one. A login ends the tokens of all
  // others in one moment, and those would log in together.
  const at =
    rejectedAt === undefined
      ? current.usableUntil - SECOND * random
      : rejectedAt + MIN_WAIT_REJECTED + (MAX_WAIT_REJECTED - MIN_WAIT_REJECTED) * random
  const left = at - now
  return left > 0 ? { deferred: 'busy', ms: Math.min(look, left) } : undefined
}

function withEntry({ book }: Account, fingerprint: string, entry: Entry): Account['book'] {
  return new Map([...book, [fingerprint, entry]])
}

/** Reads the entry. */
const NO_CHANGE: Change = () => undefined
