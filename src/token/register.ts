import { randomBytes } from 'node:crypto'
import { SECOND, type Clock, type Timer } from '../clock.ts'
import { isLeasedByOther, isNewer, type Account, type StateUpdate } from './account.ts'
import type { Credentials } from './isales-client.ts'
import { mergeRecords, NO_ATTEMPTS, type AttemptRecord, type Records } from './login-guard.ts'

// The account as one value, changed by compare and swap: in memory, in a file, or in a store.

/** The whole value, with the records of all credentials by name. Instants are on this process's monotonic clock. */
export interface SharedState extends Pick<Account, 'lease' | 'token'> {
  readonly records: Records
}

export const NO_STATE: SharedState = { records: new Map(), lease: undefined, token: undefined }

export interface StoredValue {
  /** Empty if nothing is stored. */
  readonly value: string
  /** Time of the home's clock, milliseconds since 1970. */
  readonly at: number
}

/** Where the value lives. `offset`: milliseconds that the home's clock is ahead. */
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
  /** Names credentials without revealing them. */
  readonly nameOf: (credentials: Credentials) => string
  /** Returns a text that is unique to this call. */
  readonly serialize: (state: SharedState, offset: number) => string
  /** Returns undefined for a value that this program did not write. */
  readonly parse: (value: string, offset: number, now: number) => SharedState | undefined
  /** Waits for a late write before the process ends. */
  readonly settle?: () => Promise<unknown>
  readonly onUnreadable: () => void
  /** The home has everything that this process knows. */
  readonly onWritten?: () => void
}

export interface Register {
  /** Name of this process. */
  readonly holder: string
  /** Processes share tokens. */
  readonly shared: boolean
  /** Changes the account of these credentials. Never rejects. */
  readonly update: (credentials: Credentials, rewrite: StateUpdate) => Promise<Account>
  /** Writes changes that the home lacks, if the home is available. */
  readonly stop: () => Promise<void>
}

/** A record that this process knows. `isUnwritten`: the home does not have it yet. */
interface Known {
  readonly credentials: Credentials
  readonly record: AttemptRecord
  readonly isUnwritten: boolean
}

/** Maximum retries after losing a compare-and-swap race. */
const MAX_ROUNDS = 100
const RETRY_AFTER = SECOND

/**
 * Merges the home's value with what this process knows, so that an older stored value cannot undo newer knowledge. While the home
 * is unavailable, changes are made in memory and written later. Without a home, the value is only in memory.
 */
export function createRegister({
  home,
  clock,
}: {
  home?: Home | undefined
  clock: Clock
}): Register {
  const holder = randomBytes(12).toString('base64url')
  const shared = home?.shared === true
  let known: readonly Known[] = []
  let localToken: Account['token']
  let seen = ''
  /** Undefined until the home is read. */
  let offset: number | undefined
  let opened = { value: '', state: NO_STATE }
  let retry: Timer | undefined
  let isStopped = false

  const knownOf = ({ user, password }: Credentials): Known | undefined =>
    known.find(
      ({ credentials: of }) => of.user === user && of.password.reveal() === password.reveal(),
    )

  const remember = (next: Known): void => {
    const before = knownOf(next.credentials)
    known = [...known.filter((one) => one !== before), next]
  }

  const unwritten = (): readonly Known[] => known.filter((one) => one.isUnwritten)

  /** Opens each value once, so that a later step back of the home's clock moves no instant. */
  const state = (): SharedState => {
    if (home === undefined || offset === undefined || seen === opened.value) return opened.state
    const found = home.parse(seen, offset, clock.now())
    if (found === undefined && seen !== '') home.onUnreadable()
    opened = { value: seen, state: found ?? NO_STATE }
    return opened.state
  }

  const storedRecord = (credentials: Credentials): AttemptRecord => {
    const { records } = state()
    // Naming may take 50 ms of CPU.
    return (records.size > 0 && home && records.get(home.nameOf(credentials))) || NO_ATTEMPTS
  }

  const hasNewerToken = (): boolean => shared && isNewer(localToken, state().token, clock.now())

  const view = (credentials: Credentials): Account => {
    const mine = knownOf(credentials)
    const stored = storedRecord(credentials)
    const { lease, token } = state()
    return {
      record: mine === undefined ? stored : mergeRecords(stored, mine.record),
      lease,
      token: hasNewerToken() ? localToken : token,
      name: shared ? home.nameOf(credentials) : '',
    }
  }

  /** Returns the state with this account, and with all records that the home lacks. */
  const stateWith = (credentials: Credentials, account: Account, to: Home): SharedState => {
    const records = new Map(state().records)
    for (const { credentials: of, record } of unwritten())
      records.set(to.nameOf(of), mergeRecords(storedRecord(of), record))
    if (account.record !== NO_ATTEMPTS) records.set(to.nameOf(credentials), account.record)
    return { records, lease: account.lease, token: account.token }
  }

  const hasUnwritten = (): boolean => unwritten().length > 0 || hasNewerToken()

  /** Remembers the record, unless another process's login is in flight: its attempt may still be taken back. */
  const learn = (credentials: Credentials, account: Account, isOurs: boolean): void => {
    localToken = account.token ?? localToken
    // A change made in memory meanwhile is merged when it is written.
    if (knownOf(credentials)?.isUnwritten === true) return
    if (isOurs || !isLeasedByOther(account, holder, clock.now()))
      remember({ credentials, record: account.record, isUnwritten: false })
  }

  /** Returns undefined if the home is unavailable. */
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
      const written = new Set(unwritten())
      if (isFresh && next === undefined && !hasUnwritten()) {
        learn(credentials, account, false)
        to.onWritten?.()
        return account
      }
      const target = next ?? (isFresh ? account : undefined)
      const value =
        target === undefined ? '' : to.serialize(stateWith(credentials, target, to), offset ?? 0)
      const reply = await to.compareAndSwap(seen, value)
      if (reply === undefined) return undefined
      seen = reply.value
      offset = reply.at - clock.now()
      isFresh = true
      if (target === undefined || seen !== value) continue
      known = known.map((one) => (written.has(one) ? { ...one, isUnwritten: false } : one))
      learn(credentials, target, next !== undefined)
      if (!hasUnwritten()) to.onWritten?.()
      return target
    }
    return undefined
  }

  const update = async (credentials: Credentials, rewrite: StateUpdate): Promise<Account> => {
    const written = home && (await updateHome(home, credentials, rewrite))
    if (written !== undefined) return written
    retry?.cancel()
    if (home !== undefined && !shared && !isStopped)
      retry = clock.setTimer(() => void update(credentials, () => undefined), RETRY_AFTER)
    const alone = home !== undefined
    const account = view(credentials)
    const next = rewrite(account, { now: clock.now(), alone })
    if (next === undefined) return account
    localToken = next.token ?? localToken
    remember({ credentials, record: next.record, isUnwritten: alone })
    return next
  }

  return {
    holder,
    shared,
    update,
    async stop() {
      isStopped = true
      retry?.cancel()
      const [one] = known
      await home?.settle?.()
      if (home !== undefined && one !== undefined && hasUnwritten())
        await updateHome(home, one.credentials, () => undefined)
    },
  }
}
