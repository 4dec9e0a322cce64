/**
 * The rules of the shared store as a reducer: the specification of the scripts in `scripts.ts`, and the
 * simulated store of the tests. `test/store/` checks that a real server agrees.
 *
 * Every operation is atomic. Durations are milliseconds; keys end by themselves.
 */

export interface Entry {
  readonly value: string
  readonly endsAt: number
}

/** Keys without their prefix: `grant`, `lease`, `hold`, `guard:<fingerprint>`. */
export type StoreState = ReadonlyMap<string, Entry>

/** Claims the right to ask iSales for a token. */
export interface Claim {
  readonly type: 'claim'
  /** Id of the record that the caller knows; '' for none. */
  readonly seen: string
  /** `<16 characters of the process>-<number of the claim>`. */
  readonly lease: string
  readonly leaseMs: number
  readonly operation: 'login' | 'refresh'
  /** Names the credentials; a guard belongs to one fingerprint. */
  readonly fingerprint: string
  readonly holdGrace: number
  readonly guardGrace: number
  /** Refusals of these credentials that the caller knows of. */
  readonly refusals: number
}

export type ClaimReply =
  /** The record is not the one that the caller knows; '' when there is none. */
  | { readonly type: 'grant'; readonly record: string; readonly pttl: number }
  /** Another process asks iSales. */
  | { readonly type: 'busy'; readonly ms: number }
  /** iSales gave no token to another process, which said when to try again. */
  | { readonly type: 'held'; readonly ms: number; readonly hold: string }
  /** iSales refused these credentials. */
  | { readonly type: 'guarded'; readonly ms: number; readonly refusals: number }
  /** The caller asks iSales. `hold` is what the last failure left, '' for none. */
  | { readonly type: 'mine'; readonly hold: string; readonly refusals: number }

export interface Extend {
  readonly type: 'extend'
  readonly lease: string
  readonly leaseMs: number
}

/** Publishes a token. Without the lease it does so only when nobody else has it and the record is still `seen`. */
export interface Granted {
  readonly type: 'granted'
  readonly seen: string
  readonly lease: string
  readonly record: string
  readonly ms: number
  readonly fingerprint: string
}

export type GrantedReply =
  | { readonly type: 'kept' }
  | { readonly type: 'late'; readonly record: string; readonly pttl: number }

/** Ends a claim without a token. */
export interface Failed {
  readonly type: 'failed'
  readonly lease: string
  readonly fingerprint: string
  readonly failure:
    | { readonly kind: 'none' }
    | { readonly kind: 'hold'; readonly text: string; readonly ms: number; readonly grace: number }
    | {
        readonly kind: 'refused'
        /** Refusals that the caller knew of before this one. */
        readonly known: number
        readonly grace: number
        /** The pause after the first refusal, the second, and so on; the last is for all that follow. */
        readonly pauses: readonly number[]
      }
}

export interface FailedReply {
  readonly mine: boolean
  /** Refusals of these credentials, this one included; 0 unless the failure was one. */
  readonly refusals: number
}

export interface Read {
  readonly type: 'read'
}

export interface ReadReply {
  readonly record: string
  readonly pttl: number
}

/** Asks all replicas to wait, unless they wait that long already. */
export interface HoldOff {
  readonly type: 'hold-off'
  readonly text: string
  readonly ms: number
  readonly grace: number
}

export type StoreOperation = Claim | Extend | Granted | Failed | Read | HoldOff
export type StoreReply = ClaimReply | GrantedReply | FailedReply | ReadReply | boolean

interface Outcome<Reply> {
  readonly state: StoreState
  readonly reply: Reply
}

/** Characters of a record's id, before the dot. */
export const ID_LENGTH = 22
/** Characters of a process' id, before the dash. */
const PROCESS_LENGTH = 16

export function applyOperation(
  before: StoreState,
  operation: StoreOperation,
  now: number,
): Outcome<StoreReply> {
  const state = withoutEnded(before, now)
  switch (operation.type) {
    case 'claim':
      return claim(state, operation, now)
    case 'extend':
      return extend(state, operation, now)
    case 'granted':
      return granted(state, operation, now)
    case 'failed':
      return failed(state, operation, now)
    case 'read':
      return { state, reply: { record: valueOf(state, 'grant'), pttl: left(state, 'grant', now) } }
    case 'hold-off':
      return holdOff(state, operation, now)
  }
}

function claim(state: StoreState, asked: Claim, now: number): Outcome<ClaimReply> {
  const record = valueOf(state, 'grant')
  if (record.slice(0, ID_LENGTH) !== asked.seen) {
    return { state, reply: { type: 'grant', record, pttl: left(state, 'grant', now) } }
  }
  const lease = state.get('lease')?.value
  if (
    lease !== undefined &&
    lease.slice(0, PROCESS_LENGTH) !== asked.lease.slice(0, PROCESS_LENGTH)
  ) {
    return { state, reply: { type: 'busy', ms: left(state, 'lease', now) } }
  }
  const hold = valueOf(state, 'hold')
  const held = state.has('hold') ? left(state, 'hold', now) - asked.holdGrace : 0
  if (held > 0) return { state, reply: { type: 'held', ms: held, hold } }
  const guard = guardKey(asked.fingerprint)
  const refusals = Math.max(Number(valueOf(state, guard)), asked.refusals)
  if (asked.operation === 'login') {
    const guarded = left(state, guard, now) - asked.guardGrace
    if (guarded > 0) return { state, reply: { type: 'guarded', ms: guarded, refusals } }
  }
  return {
    state: put(state, 'lease', { value: asked.lease, endsAt: now + asked.leaseMs }),
    reply: { type: 'mine', hold, refusals },
  }
}

function extend(state: StoreState, asked: Extend, now: number): Outcome<boolean> {
  if (state.get('lease')?.value !== asked.lease) return { state, reply: false }
  const endsAt = now + asked.leaseMs
  return { state: put(state, 'lease', { value: asked.lease, endsAt }), reply: true }
}

function granted(state: StoreState, offered: Granted, now: number): Outcome<GrantedReply> {
  const record = valueOf(state, 'grant')
  const lease = state.get('lease')?.value
  const changed = record.slice(0, ID_LENGTH) !== offered.seen
  if (lease !== offered.lease && (lease !== undefined || changed)) {
    return { state, reply: { type: 'late', record, pttl: left(state, 'grant', now) } }
  }
  const kept = put(state, 'grant', { value: offered.record, endsAt: now + offered.ms })
  return {
    state: without(kept, 'lease', 'hold', guardKey(offered.fingerprint)),
    reply: { type: 'kept' },
  }
}

function failed(state: StoreState, ended: Failed, now: number): Outcome<FailedReply> {
  const { failure, fingerprint } = ended
  const mine = state.get('lease')?.value === ended.lease
  const rest = mine ? without(state, 'lease') : state
  // Counted even without the lease: iSales counted it, too.
  if (failure.kind === 'refused') {
    const guard = guardKey(fingerprint)
    const refusals = Math.max(Number(valueOf(state, guard)), failure.known) + 1
    const pause = failure.pauses[Math.min(refusals, failure.pauses.length) - 1] ?? 0
    const entry = { value: String(refusals), endsAt: now + pause + failure.grace }
    return { state: put(rest, guard, entry), reply: { mine, refusals } }
  }
  if (failure.kind === 'hold' && mine) {
    const entry = { value: failure.text, endsAt: now + failure.ms + failure.grace }
    return { state: put(rest, 'hold', entry), reply: { mine, refusals: 0 } }
  }
  return { state: rest, reply: { mine, refusals: 0 } }
}

function holdOff(state: StoreState, asked: HoldOff, now: number): Outcome<boolean> {
  const { text, ms, grace } = asked
  if (left(state, 'hold', now) - grace >= ms) return { state, reply: false }
  return { state: put(state, 'hold', { value: text, endsAt: now + ms + grace }), reply: true }
}

export function guardKey(fingerprint: string): string {
  return `guard:${fingerprint}`
}

function withoutEnded(state: StoreState, now: number): StoreState {
  return new Map([...state].filter(([, { endsAt }]) => now < endsAt))
}

function valueOf(state: StoreState, key: string): string {
  return state.get(key)?.value ?? ''
}

/** -2 for a key that is not there, as the servers say. */
function left(state: StoreState, key: string, now: number): number {
  const entry = state.get(key)
  return entry === undefined ? -2 : entry.endsAt - now
}

function put(state: StoreState, key: string, entry: Entry): StoreState {
  return new Map(state).set(key, entry)
}

function without(state: StoreState, ...keys: readonly string[]): StoreState {
  return new Map([...state].filter(([key]) => !keys.includes(key)))
}
