import {
  CONFLICT,
  GUARD_GRACE,
  HOLD_GRACE,
  ID_LENGTH,
  LEASE,
  type Claim,
  type ClaimReply,
  type Failed,
  type Granted,
  type RecordReply,
} from '../../src/sharing/store.ts'

interface Entry {
  readonly value: string
  readonly endsAt: number
}

const NOTHING: Entry = { value: '', endsAt: -Infinity }
/** Characters of a process' id, before the dash. */
const PROCESS_LENGTH = 16

/**
 * The rules of the shared store: the specification of the scripts in `src/sharing/scripts.ts`, and the simulated store
 * of the tests. `test/store/` checks that a real server agrees.
 */
export class StoreRules {
  /** Without their prefix: `grant`, `lease`, `hold`, `guard:<fingerprint>`. Keys end by themselves. */
  keys = new Map<string, Entry>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  claim(asked: Claim): ClaimReply {
    if (this.#value('grant').slice(0, ID_LENGTH) !== asked.seen) return this.read()
    const holder = this.#value('lease').slice(0, PROCESS_LENGTH)
    if (holder !== '' && holder !== asked.lease.slice(0, PROCESS_LENGTH)) return { type: 'busy' }
    const guard = `guard:${asked.fingerprint}`
    const hold = this.#value('hold')
    const refusals = Math.max(Number(this.#value(guard)), asked.refusals)
    if (!asked.forced) {
      const held = this.#left('hold') - HOLD_GRACE
      if (held > 0) return { type: 'held', ms: held, hold }
      const guarded = this.#left(guard) - GUARD_GRACE
      if (asked.operation === 'login' && guarded > 0) {
        return { type: 'guarded', ms: guarded, refusals }
      }
    }
    this.#set('lease', asked.lease, LEASE)
    return { type: 'mine', hold, refusals }
  }

  extend(lease: string): void {
    if (this.#value('lease') === lease) this.#set('lease', lease, LEASE)
  }

  granted({ seen, lease, record, ms, fingerprint }: Granted): RecordReply | { type: 'kept' } {
    const holder = this.#value('lease')
    const isChanged = this.#value('grant').slice(0, ID_LENGTH) !== seen
    if (holder !== lease && (holder !== '' || isChanged)) return this.read()
    this.#set('grant', record, ms)
    for (const key of ['lease', 'hold', `guard:${fingerprint}`]) this.keys.delete(key)
    return { type: 'kept' }
  }

  failed({ lease, fingerprint, failure }: Failed): void {
    const isMine = this.#value('lease') === lease
    // Counted even without the lease: iSales counted it, too.
    if (failure.kind === 'refused') {
      const guard = `guard:${fingerprint}`
      const refusals = Math.max(Number(this.#value(guard)), failure.known) + 1
      const pause = failure.pauses[Math.min(refusals, failure.pauses.length) - 1] ?? 0
      this.#set(guard, String(refusals), pause + GUARD_GRACE)
    }
    if (failure.kind === 'hold' && isMine) this.#set('hold', failure.text, failure.ms + HOLD_GRACE)
    if (isMine) this.keys.delete('lease')
  }

  holdOff(ms: number): void {
    if (this.#left('hold') - HOLD_GRACE < ms) this.#set('hold', CONFLICT, ms + HOLD_GRACE)
  }

  /** A PTTL of -2 is a key that is not there, as the servers say. */
  read(): RecordReply {
    const record = this.#value('grant')
    return { type: 'grant', record, pttl: record === '' ? -2 : this.#left('grant') }
  }

  #entry(key: string): Entry {
    const entry = this.keys.get(key) ?? NOTHING
    return this.#now() < entry.endsAt ? entry : NOTHING
  }

  #value(key: string): string {
    return this.#entry(key).value
  }

  #left(key: string): number {
    return this.#entry(key).endsAt - this.#now()
  }

  #set(key: string, value: string, ms: number): void {
    this.keys.set(key, { value, endsAt: this.#now() + ms })
  }
}
