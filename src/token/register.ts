import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '../clock.ts'
import { isLeasedByOther, isNewer, type Account, type Lease, type StateUpdate } from './account.ts'
import type { Credentials, Grant } from './isales-client.ts'
import { mergeRecords, NO_ATTEMPTS, type AttemptRecord, type Records } from './login-guard.ts'

// The account as one value, changed by compare and swap: in memory, in a file, or in a store.

/** The whole value, as its home has it: records of all credentials by name. Instants are on our monotonic clock. */
export interface SharedState {
  readonly records: Records
  readonly lease: Lease | undefined
  /** `name`: of the credentials that the token, or the one that was refreshed, was obtained with. */
  readonly token: { readonly grant: Grant; readonly name: string } | undefined
}

export const NO_STATE: SharedState = { records: new Map(), lease: undefined, token: undefined }

export interface StoredValue {
  /** Empty: there is none. */
  readonly value: string
  /** The time of the home, milliseconds since 1970. */
  readonly at: number
}

/** Where the value lives. No two values that are closed are the same text. */
export interface Home {
  /** Milliseconds until other processes see what one of them writes. 0: the home keeps no token. */
  readonly propagationDelay: number
  /** Milliseconds after which a value that the home did not take is written again. Undefined: it is polled. */
  readonly retryAfter?: number
  /**
   * If the value is `seen`, replaces it by `next`. Never rejects, and ends within about a second.
   *
   * @param next empty: only read.
   * @returns the value afterwards; undefined, the home is unavailable.
   */
  readonly compareAndSwap: (seen: string, next: string) => Promise<StoredValue | undefined>
  /** Names credentials without revealing them. */
  readonly nameOf: (credentials: Credentials) => string
  /** @param offset by how much the clock of the home is ahead of ours, in milliseconds. */
  readonly close: (state: SharedState, offset: number) => string
  /** Undefined for a value that this program has not closed. */
  readonly open: (value: string, offset: number, now: number) => SharedState | undefined
  /** Waits for a change that took too long, so that the end of a process can write what it knows. */
  readonly settle?: () => Promise<unknown>
  readonly onUnreadable: () => void
  /** The home has all that this process knows. */
  readonly onWritten?: () => void
}

type Updated = Readonly<{ account: Account; alone: boolean }>

export interface Register {
  /** Names this process. */
  readonly holder: string
  readonly propagationDelay: number
  /** Changes the account of these credentials. Never rejects. */
  readonly update: (credentials: Credentials, rewrite: StateUpdate) => Promise<Updated>
  /** Writes what the home lacks, if it can be written at once. */
  readonly stop: () => Promise<void>
}

/** What this process knows of some credentials. `isAhead`: the home does not have it yet. */
interface Known {
  readonly credentials: Credentials
  readonly record: AttemptRecord
  readonly isAhead: boolean
}

/** Maximum retries after losing a compare-and-swap race. */
const MAX_ROUNDS = 100

/**
 * What this process knows is merged with what its home has: an older value in the home takes nothing back. While the home is
 * unavailable, changes are made in memory, and written later.
 */
export function createRegister(options: {
  /** Undefined: the value is in memory, and a restart forgets it. */
  readonly home?: Home | undefined
  readonly clock: Clock
}): Register {
  const { home, clock } = options
  const holder = randomBytes(12).toString('base64url')
  const shared = home !== undefined && home.propagationDelay > 0
  let known: readonly Known[] = []
  let localToken: SharedState['token']
  let seen = ''
  /** Undefined: the home has not been read. */
  let offset: number | undefined
  let opened = { value: '', state: NO_STATE }
  let retry: Timer | undefined
  let isStopped = false

  const knownOf = ({ user, password }: Credentials): Known | undefined =>
    known.find(
      ({ credentials: of }) => of.user === user && of.password.reveal() === password.reveal(),
    )

  const remember = (credentials: Credentials, record: AttemptRecord, isAhead: boolean): void => {
    const before = knownOf(credentials)
    known = [...known.filter((one) => one !== before), { credentials, record, isAhead }]
  }

  const aheads = (): readonly Known[] => known.filter((one) => one.isAhead)

  /** Opens each value once, so that a clock of the home that is set back later moves no instant. */
  const state = (): SharedState => {
    if (home === undefined || offset === undefined || seen === opened.value) return opened.state
    const found = home.open(seen, offset, clock.now())
    if (found === undefined && seen !== '') home.onUnreadable()
    opened = { value: seen, state: found ?? NO_STATE }
    return opened.state
  }

  const storedRecord = (credentials: Credentials): AttemptRecord => {
    const { records } = state()
    // A name may cost 50 ms of CPU.
    return (records.size > 0 && home && records.get(home.nameOf(credentials))) || NO_ATTEMPTS
  }

  const token = (): SharedState['token'] =>
    isNewer(localToken, state().token, clock.now()) ? localToken : state().token

  const view = (credentials: Credentials): Account => {
    const mine = knownOf(credentials)
    const stored = storedRecord(credentials)
    const best = shared ? token() : undefined
    return {
      record: mine === undefined ? stored : mergeRecords(stored, mine.record),
      lease: state().lease,
      token: best && { grant: best.grant, own: best.name === home?.nameOf(credentials) },
    }
  }

  const tokenOf = (credentials: Credentials, { token: next }: Account): SharedState['token'] => {
    const before = token()
    if (!shared || next === undefined) return undefined
    if (next.grant === before?.grant) return before
    return { grant: next.grant, name: next.own ? home.nameOf(credentials) : (before?.name ?? '') }
  }

  /** The state with this account, and with what the home lacks. */
  const stateWith = (credentials: Credentials, account: Account, to: Home): SharedState => {
    const records = new Map(state().records)
    for (const { credentials: of, record } of aheads())
      records.set(to.nameOf(of), mergeRecords(storedRecord(of), record))
    if (account.record !== NO_ATTEMPTS) records.set(to.nameOf(credentials), account.record)
    return { records, lease: account.lease, token: tokenOf(credentials, account) }
  }

  const isAhead = (): boolean =>
    aheads().length > 0 || (shared && isNewer(localToken, state().token, clock.now()))

  /** @param isOurs this process has written it. Attempts in flight elsewhere may be taken back: they are not remembered. */
  const learn = (credentials: Credentials, account: Account, isOurs: boolean): void => {
    localToken = tokenOf(credentials, account) ?? localToken
    // A change that was made in memory meanwhile is merged when it is written.
    if (knownOf(credentials)?.isAhead === true) return
    if (isOurs || !isLeasedByOther(account, holder, clock.now()))
      remember(credentials, account.record, false)
  }

  /** Undefined: the home is unavailable. */
  const updateHome = async (
    to: Home,
    credentials: Credentials,
    rewrite: StateUpdate,
  ): Promise<Account | undefined> => {
    let isFresh = false
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const account = view(credentials)
      const next =
        offset === undefined ? undefined : rewrite(account, { now: clock.now(), alone: false })
      const written = new Set(aheads())
      if (isFresh && next === undefined && !isAhead()) {
        learn(credentials, account, false)
        to.onWritten?.()
        return account
      }
      const target = next ?? (isFresh ? account : undefined)
      const value =
        target === undefined ? '' : to.close(stateWith(credentials, target, to), offset ?? 0)
      const reply = await to.compareAndSwap(seen, value)
      if (reply === undefined) return undefined
      seen = reply.value
      offset = reply.at - clock.now()
      isFresh = true
      if (target === undefined || seen !== value) continue
      known = known.map((one) => (written.has(one) ? { ...one, isAhead: false } : one))
      learn(credentials, target, next !== undefined)
      if (!isAhead()) to.onWritten?.()
      return target
    }
    return undefined
  }

  const updateMemory = (credentials: Credentials, rewrite: StateUpdate): Updated => {
    const alone = home !== undefined
    const account = view(credentials)
    const next = rewrite(account, { now: clock.now(), alone })
    if (next === undefined) return { account, alone }
    localToken = tokenOf(credentials, next) ?? localToken
    remember(credentials, next.record, alone)
    return { account: next, alone }
  }

  const update = async (credentials: Credentials, rewrite: StateUpdate): Promise<Updated> => {
    if (home === undefined) return updateMemory(credentials, rewrite)
    const account = await updateHome(home, credentials, rewrite)
    if (account !== undefined) return { account, alone: false }
    const updated = updateMemory(credentials, rewrite)
    planRetry(home, credentials)
    return updated
  }

  const planRetry = ({ retryAfter }: Home, credentials: Credentials): void => {
    retry?.cancel()
    if (retryAfter !== undefined && !isStopped)
      retry = clock.setTimer(() => void update(credentials, () => undefined), retryAfter)
  }

  return {
    holder,
    propagationDelay: home?.propagationDelay ?? 0,
    update,
    async stop() {
      isStopped = true
      retry?.cancel()
      const [one] = known
      await home?.settle?.()
      if (home !== undefined && one !== undefined && isAhead())
        await updateHome(home, one.credentials, () => undefined)
    },
  }
}
