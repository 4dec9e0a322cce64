import { createHmac, randomBytes } from 'node:crypto'
import { SECOND, type Clock, type Timer } from '../clock.ts'
import { isLeasedByOther, isNewer, type Account, type StateUpdate } from './account.ts'
import type { Credentials } from './isales-client.ts'
import { mergeRecords, NO_ATTEMPTS, type AttemptRecord } from './login-guard.ts'
import { decodeState, encodeState, NO_STATE, type SharedState } from './stored-state.ts'

// The account as one value, changed by compare and swap: in memory, in a file, or in a store.

export interface StoredValue {
  /** Empty if nothing is stored. */
  readonly value: string
  /** Time of the home's clock, milliseconds since 1970. */
  readonly at: number
}

export interface Home {
  /** The home keeps the token, and is polled. Otherwise only a failed write is repeated. */
  readonly shared: boolean
  /**
   * Replaces the value by `desired` if it is `expected`, and returns the value afterwards; undefined if the home is unavailable.
   * Never rejects, and ends within about a second.
   *
   * @param desired empty to read only.
   */
  readonly compareAndSwap: (expected: string, desired: string) => Promise<StoredValue | undefined>
  /** Names credentials without revealing them. A file's names may change with its first successful operation. */
  readonly nameOf: (credentials: Credentials) => string
  readonly seal: (text: string) => string
  /** Returns undefined for a value that was not sealed here. */
  readonly open: (value: string) => string | undefined
  /** Waits for a late write before the process ends. */
  readonly settle?: () => Promise<unknown>
  readonly onUnreadable: () => void
  /** The home has everything that this process knows. */
  readonly onWritten?: () => void
}

export type Register = ReturnType<typeof createRegister>

/** Maximum retries after losing a compare-and-swap race. */
const MAX_ROUNDS = 100
const RETRY_AFTER = SECOND

/** Returns a home that ends with the process. */
function openMemory(clock: Clock): Home {
  const key = randomBytes(32)
  let stored = ''
  return {
    shared: false,
    async compareAndSwap(expected, desired) {
      if (desired !== '' && stored === expected) stored = desired
      return { value: stored, at: clock.now() }
    },
    nameOf: ({ user, password }) =>
      createHmac('sha256', key)
        .update(JSON.stringify([user, password.reveal()]))
        .digest('hex'),
    seal: (text) => text,
    open: (value) => value,
    onUnreadable() {},
  }
}

/**
 * Merges the home's value with what this process knows, so that an older stored value cannot undo newer knowledge. While the
 * home is unavailable, changes are made in memory and written later.
 */
export function createRegister(clock: Clock, home: Home = openMemory(clock)) {
  const { shared } = home
  const holder = randomBytes(12).toString('base64url')
  /** Records that this process knows, by name, and those that the home lacks. */
  const known = new Map<string, AttemptRecord>()
  const unwritten = new Map<string, AttemptRecord>()
  let named: Readonly<{ credentials: Credentials; name: string }> | undefined
  let localToken: Account['token']
  let seen = ''
  /** Milliseconds that the home's clock is ahead. Undefined until the home is read. */
  let offset: number | undefined
  let opened = { value: '', state: NO_STATE }
  let retry: Timer | undefined
  let isStopped = false

  /** Returns the name of the credentials; their records follow a changed name. */
  const nameOf = (credentials: Credentials): string => {
    const name = home.nameOf(credentials)
    const former = named?.credentials === credentials ? named.name : name
    named = { credentials, name }
    for (const each of former === name ? [] : [known, unwritten]) {
      const record = each.get(former)
      if (record !== undefined) each.set(name, record)
      each.delete(former)
    }
    return name
  }

  /** Opens each value once, so that a later step back of the home's clock moves no instant. */
  const state = (): SharedState => {
    if (offset === undefined || seen === opened.value) return opened.state
    const text = home.open(seen)
    const found = text === undefined ? undefined : decodeState(text, offset, clock.now())
    if (found === undefined && seen !== '') home.onUnreadable()
    opened = { value: seen, state: found ?? NO_STATE }
    return opened.state
  }

  const storedRecord = (name: string): AttemptRecord => state().records.get(name) ?? NO_ATTEMPTS

  const hasNewerToken = (): boolean => shared && isNewer(localToken, state().token, clock.now())

  const view = (credentials: Credentials): Account => {
    const name = nameOf(credentials)
    const stored = storedRecord(name)
    const mine = known.get(name)
    const { lease, token } = state()
    return {
      record: mine === undefined ? stored : mergeRecords(stored, mine),
      lease,
      token: hasNewerToken() ? localToken : token,
      name,
    }
  }

  /** Returns the state with this account, and with all records that the home lacks. */
  const stateWith = ({ name, record, lease, token }: Account): SharedState => {
    const records = new Map(state().records)
    for (const [each, mine] of unwritten) records.set(each, mergeRecords(storedRecord(each), mine))
    records.set(name, record)
    return { records, lease, token: shared ? token : undefined }
  }

  const hasUnwritten = (): boolean => unwritten.size > 0 || hasNewerToken()

  /** Remembers the record, unless another process's login is in flight: its attempt may still be taken back. */
  const learn = (account: Account, isOurs: boolean): void => {
    localToken = account.token ?? localToken
    // A change made in memory meanwhile is merged when it is written.
    if (unwritten.has(account.name)) return
    if (isOurs || !isLeasedByOther(account, holder, clock.now()))
      known.set(account.name, account.record)
  }

  /** Returns undefined if the home is unavailable. */
  const updateHome = async (
    credentials: Credentials,
    rewrite: StateUpdate,
  ): Promise<Account | undefined> => {
    let isFresh = false
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const account = offset === undefined ? undefined : view(credentials)
      const next = account && rewrite(account, { now: clock.now(), alone: false })
      const written = new Map(unwritten)
      if (account && isFresh && next === undefined && !hasUnwritten()) {
        learn(account, false)
        home.onWritten?.()
        return account
      }
      const target = next ?? (isFresh ? account : undefined)
      const value =
        target === undefined ? '' : home.seal(encodeState(stateWith(target), offset ?? 0))
      const reply = await home.compareAndSwap(seen, value)
      if (reply === undefined) return undefined
      seen = reply.value
      offset = reply.at - clock.now()
      isFresh = true
      if (target === undefined || seen !== value) continue
      for (const [name, record] of written)
        if (unwritten.get(name) === record) unwritten.delete(name)
      learn(target, next !== undefined)
      if (!hasUnwritten()) home.onWritten?.()
      return target
    }
    return undefined
  }

  const update = async (credentials: Credentials, rewrite: StateUpdate): Promise<Account> => {
    const written = await updateHome(credentials, rewrite)
    if (written !== undefined) return written
    retry?.cancel()
    if (!shared && !isStopped)
      retry = clock.setTimer(() => void update(credentials, () => undefined), RETRY_AFTER)
    const account = view(credentials)
    const next = rewrite(account, { now: clock.now(), alone: true })
    if (next === undefined) return account
    localToken = next.token ?? localToken
    known.set(next.name, next.record)
    unwritten.set(next.name, next.record)
    return next
  }

  return {
    /** Name of this process. */
    holder,
    /** Processes share tokens. */
    shared,
    /** Changes the account of these credentials. Never rejects. */
    update,
    /** Writes changes that the home lacks, if the home is available. */
    async stop(): Promise<void> {
      isStopped = true
      retry?.cancel()
      await home.settle?.()
      if (named !== undefined && hasUnwritten())
        await updateHome(named.credentials, () => undefined)
    },
  }
}
