import { createHmac, randomBytes } from 'node:crypto'
import { SECOND, type Clock, type Timer } from '../clock.ts'
import {
  isLeasedByOther,
  isNewer,
  POLL_INTERVAL,
  type Account,
  type StateUpdate,
} from './account.ts'
import { isSameAs, type Credentials } from './isales-client.ts'
import { addAttempts, mergeRecords, NO_ATTEMPTS, type AttemptRecord } from './login-guard.ts'
import { decodeState, encodeState, NO_STATE, type SharedState } from './stored-state.ts'

// The account as one value, changed by compare and swap: in memory, in a file, or in a store.

export interface StoredValue {
  /** Empty if nothing is stored. */
  readonly value: string
  /** Time of the home's clock, milliseconds since 1970. */
  readonly at: number
}

export interface Home {
  /** The home keeps the token. */
  readonly shared: boolean
  /**
   * Replaces the value by `desired` if it is `expected`, and returns the value afterwards; undefined if the home is unavailable.
   * Never rejects, and ends within about a second.
   *
   * @param desired empty to read only.
   */
  readonly compareAndSwap: (expected: string, desired: string) => Promise<StoredValue | undefined>
  /** The home's clock if it is the machine's, whose date may jump between a reply and the next write. */
  readonly date?: () => number
  /** Names credentials without revealing them. A file's names may change with its first successful operation. */
  readonly nameOf: (credentials: Credentials) => string
  readonly seal: (text: string) => string
  /** Returns undefined for a value that was not sealed here. */
  readonly open: (value: string) => string | undefined
  /** Connects; calls `onChange` after every connection and every loss. */
  readonly start?: (onChange: () => void) => void
  /** Waits for a late write before the process ends. */
  readonly settle?: () => Promise<unknown>
  readonly close?: () => void
  readonly onUnreadable: () => void
  /** The home has everything that this process knows. */
  readonly onWritten?: () => void
}

export type Register = ReturnType<typeof createRegister>

/** Maximum retries after losing a compare-and-swap race. */
const MAX_ROUNDS = 100
/** Milliseconds between two writes that only show whether the disk works. */
const CHECK_INTERVAL = 10 * SECOND

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

/** Knowledge of this process about some credentials. */
interface Known {
  readonly credentials: Credentials
  record: AttemptRecord
  /** The record before the changes that the home lacks; undefined if it lacks none. */
  base: AttemptRecord | undefined
}

/** The records that a value contains. `held`: what this process knew when the value was made. */
type Included = ReadonlyMap<Known, Readonly<{ record: AttemptRecord; held: AttemptRecord }>>

/**
 * Merges the home's value with what this process knows, so that an older stored value cannot undo newer knowledge. While the
 * home is unavailable, changes are made in memory. When it is available again, attempts in memory are added to its own.
 */
export function createRegister(clock: Clock, given?: Home) {
  const home = given ?? openMemory(clock)
  const { shared } = home
  const holder = randomBytes(12).toString('base64url')
  const all: Known[] = []
  let localToken: Account['token']
  let seen = ''
  /** Milliseconds that the home's clock is ahead. Undefined until the home is read. */
  let offset: number | undefined
  let opened = { value: '', state: NO_STATE }
  /** Values that were sent without a reply. The home may have one of them. */
  const unanswered = new Map<string, Included>()
  let isAlone = false
  let touch: (() => Promise<void>) | undefined
  let timer: Timer | undefined
  let beating: Promise<void> | undefined

  const knownOf = (credentials: Credentials): Known => {
    const found = all.find((known) => isSameAs(known.credentials, credentials))
    if (found !== undefined) return found
    const added: Known = { credentials, record: NO_ATTEMPTS, base: undefined }
    all.push(added)
    return added
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

  const hasNewerToken = (): boolean => shared && isNewer(localToken, state().token, clock.now())

  /** The pause after an unshared attempt begins when the home is back: other replicas then add theirs. */
  const merged = (name: string, { record, base }: Known, alone = false): AttemptRecord => {
    const stored = state().records.get(name) ?? NO_ATTEMPTS
    if (base === undefined) return mergeRecords(stored, record)
    const { unshared } = record
    const sum = addAttempts(stored, record, base)
    if (alone || !unshared) return { ...sum, unshared }
    return { ...sum, pauseFrom: Math.max(sum.pauseFrom, clock.now()) }
  }

  const view = (known: Known, alone: boolean): Account => {
    const name = home.nameOf(known.credentials)
    const { lease, token } = state()
    return {
      record: merged(name, known, alone),
      lease,
      token: hasNewerToken() ? localToken : token,
      name,
    }
  }

  /** Returns the value with this account, and with all records that the home lacks. */
  const encode = (known: Known, { name, record, lease, token }: Account) => {
    const records = new Map(state().records)
    const included = new Map([[known, { record, held: known.record }]])
    for (const each of all.filter(({ base }) => base !== undefined)) {
      const its = home.nameOf(each.credentials)
      records.set(its, merged(its, each))
      if (each !== known) included.set(each, { record: each.record, held: each.record })
    }
    records.set(name, record)
    const ahead = home.date === undefined ? (offset ?? 0) : home.date() - clock.now()
    const next = { records, lease, token: shared ? token : undefined }
    return { value: home.seal(encodeState(next, ahead)), included }
  }

  const lacks = (): boolean => hasNewerToken() || all.some(({ base }) => base !== undefined)

  /** The home has these records. Changes made in memory since then are written later. */
  const onTaken = (included: Included): void => {
    for (const [known, { record, held }] of included)
      if (known.base !== undefined) known.base = known.record === held ? undefined : record
  }

  /** Remembers the record, unless another process's login is in flight: its attempt may still be taken back. */
  const learn = (known: Known, account: Account, isOurs: boolean): void => {
    localToken = account.token ?? localToken
    if (known.base !== undefined) return
    if (isOurs || !isLeasedByOther(account, holder, clock.now())) known.record = account.record
  }

  /** Returns undefined if the home is unavailable. */
  const updateHome = async (known: Known, rewrite: StateUpdate): Promise<Account | undefined> => {
    let isFresh = false
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const account = offset === undefined ? undefined : view(known, false)
      const next = account && rewrite(account, { now: clock.now(), alone: false })
      if (account && isFresh && next === undefined && !lacks()) {
        learn(known, account, false)
        home.onWritten?.()
        return account
      }
      const target = next ?? (isFresh ? account : undefined)
      const sent = target && encode(known, target)
      if (sent !== undefined) unanswered.set(sent.value, sent.included)
      const reply = await home.compareAndSwap(seen, sent?.value ?? '')
      if (reply === undefined) return undefined
      seen = reply.value
      offset = reply.at - clock.now()
      isFresh = true
      onTaken(unanswered.get(seen) ?? new Map())
      unanswered.clear()
      if (target === undefined || seen !== sent?.value) continue
      learn(known, target, next !== undefined)
      if (!lacks()) home.onWritten?.()
      return target
    }
    return undefined
  }

  const update = async (credentials: Credentials, rewrite: StateUpdate): Promise<Account> => {
    const known = knownOf(credentials)
    const written = await updateHome(known, rewrite)
    const wasAlone = isAlone
    isAlone = written === undefined
    if (written !== undefined) return written
    if (!wasAlone) schedule()
    const account = view(known, true)
    const next = rewrite(account, { now: clock.now(), alone: true })
    if (next === undefined) return account
    localToken = next.token ?? localToken
    known.base ??= account.record
    known.record = next.record
    return next
  }

  /** Sets the timer of the next beat. */
  const schedule = (): void => {
    timer?.cancel()
    const interval = shared || isAlone ? POLL_INTERVAL : CHECK_INTERVAL
    if (touch !== undefined) timer = clock.setTimer(beat, interval)
  }
  const beat = (): void => void (beating = touch?.().then(schedule))

  return {
    /** Name of this process. */
    holder,
    /** Processes share tokens. */
    shared,
    /** Changes the account of these credentials. Never rejects. */
    update,
    /** Connects the home, and reads or writes it every second while it is shared or unavailable, otherwise every 10 s. */
    start(poll: () => Promise<void>): void {
      if (given === undefined) return
      touch = poll
      schedule()
      home.start?.(() => void touch?.())
    },
    /** Writes changes that the home lacks, if the home is available. */
    async stop(): Promise<void> {
      touch = undefined
      timer?.cancel()
      await beating
      await home.settle?.()
      const lacking = all.find(({ base }) => base !== undefined) ?? all[0]
      if (lacking !== undefined && lacks()) await updateHome(lacking, () => undefined)
      home.close?.()
    },
  }
}
