import {
  guardKey,
  ID_LENGTH,
  type Claim,
  type ClaimReply,
  type Extend,
  type Failed,
  type FailedReply,
  type Granted,
  type GrantedReply,
  type HoldOff,
  type Read,
  type ReadReply,
} from '../../src/sharing/store.ts'

/**
 * The rules of the shared store as a reducer: the specification of the scripts in `src/sharing/scripts.ts`, and the
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

export type StoreOperation = Claim | Extend | Granted | Failed | Read | HoldOff
export type StoreReply = ClaimReply | GrantedReply | FailedReply | ReadReply | boolean

interface Outcome<Reply> {
  readonly state: StoreState
  readonly reply: Reply
}

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
