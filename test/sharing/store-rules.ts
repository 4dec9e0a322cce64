import {
  BOOK_GRACE,
  ID_LENGTH,
  LEASE,
  MAX_COUNT,
  MAX_GUARD,
  MAX_PAUSE,
  PAUSE,
  PAUSE_GRACE,
  PROCESS_LENGTH,
  PROOF,
  type Book,
  type Claim,
  type Failed,
  type Granted,
  type Reply,
} from '../../src/sharing/store.ts'

interface Entry {
  readonly value: string
  readonly endsAt: number
}

const NOTHING: Entry = { value: '', endsAt: -Infinity }

const reply = (type: Reply['type']): Reply => ({
  type,
  record: '',
  ms: 0,
  attempts: 0,
  refusals: 0,
})
const isPause = (lease: string): boolean => lease.includes(' ')

/**
 * The rules of the shared store: the specification of the scripts in `src/sharing/store.ts`, and the simulated store
 * of the tests. `test/store/` checks that a real server agrees.
 */
export class StoreRules {
  /** Without their prefix: `grant`, `lease`, `book:<fingerprint>`. Keys end by themselves. */
  keys = new Map<string, Entry>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  claim(asked: Claim): Reply {
    const { seen, lease, operation, fingerprint, forced, begun } = asked
    if (this.#value('grant').slice(0, ID_LENGTH) !== seen) return this.read()
    if (this.#isTaken(lease)) return reply('busy')
    const isHeld = isPause(this.#value('lease'))
    const held = isHeld ? believed(this.#left('lease') - PAUSE_GRACE, MAX_PAUSE) : 0
    if (held > 0 && !forced) return { ...reply('held'), ms: held }
    const known = this.#book(fingerprint)
    const book = asked.book.attempts > 0 ? higher(known, asked.book) : known
    if (operation === 'login') {
      if (book.attempts > 0 && book.ms > 0 && !forced) return { ...reply('guarded'), ...book }
      const attempts = book.attempts + 1
      const ms = begun[Math.min(attempts, begun.length) - 1] ?? 0
      this.#write(fingerprint, { ...book, attempts, ms })
    }
    this.#set('lease', lease, LEASE)
    return { ...reply('mine'), ...book }
  }

  extend(lease: string): void {
    if (this.#value('lease') === lease) this.#set('lease', lease, LEASE)
  }

  granted(asked: Granted): Reply {
    const { seen, lease, record, ms, fingerprint, operation } = asked
    const isChanged = this.#value('grant').slice(0, ID_LENGTH) !== seen
    const isHolder = this.#value('lease') === lease
    if (!isHolder && (this.#isTaken(lease) || isChanged)) return this.read()
    this.#set('grant', record, ms)
    if (operation !== 'offer') {
      this.keys.delete('lease')
      const { attempts, ms: left } = this.#book(fingerprint)
      const isProven = operation === 'login' || (attempts === 0 && left > 0)
      if (isProven) this.#write(fingerprint, { attempts: 0, refusals: 0, ms: PROOF })
    }
    return reply('kept')
  }

  failed({ lease, fingerprint, pause, book: given }: Failed): void {
    const isMine = this.#value('lease') === lease
    if (given !== undefined) {
      const known = this.#book(fingerprint)
      // Without the lease it lowers no count: iSales counted it, too.
      const book = isMine || known.attempts === 0 ? given : higher(given, known)
      this.keys.delete(`book:${fingerprint}`)
      if (book.attempts > 0 || book.ms > 0) this.#write(fingerprint, book)
    }
    if (!isMine) return
    this.keys.delete('lease')
    if (pause > 0) this.#set('lease', PAUSE, pause + PAUSE_GRACE)
  }

  /** A PTTL of -2 is a key that is not there, as the servers say. */
  read(): Reply {
    const record = this.#value('grant')
    return { ...reply('grant'), record, ms: record === '' ? -2 : this.#left('grant') }
  }

  #book(fingerprint: string): Book {
    const key = `book:${fingerprint}`
    const found = /^(\d{1,4}) (\d{1,4})$/.exec(this.#value(key))
    if (found === null) return { attempts: 0, refusals: 0, ms: 0 }
    const [attempts = 0, refusals = 0] = found.slice(1).map(Number)
    const left = this.#left(key)
    const ms = attempts > 0 ? believed(left - BOOK_GRACE, MAX_GUARD) : left
    return { attempts, refusals, ms: Math.max(0, ms) }
  }

  #write(fingerprint: string, { attempts, refusals, ms }: Book): void {
    const text = [attempts, refusals].map((count) => Math.min(count, MAX_COUNT)).join(' ')
    this.#set(`book:${fingerprint}`, text, ms + (attempts > 0 ? BOOK_GRACE : 0))
  }

  #entry(key: string): Entry {
    const entry = this.keys.get(key) ?? NOTHING
    return this.#now() < entry.endsAt ? entry : NOTHING
  }

  /** True while another process has the lease. What lasts longer is none. */
  #isTaken(lease: string): boolean {
    const holder = this.#value('lease')
    const [theirs, ours] = [holder, lease].map((each) => each.slice(0, PROCESS_LENGTH))
    return holder !== '' && !isPause(holder) && theirs !== ours && this.#left('lease') <= LEASE
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

/** A wait that is longer than any of ours is none. */
function believed(ms: number, longest: number): number {
  return ms > longest ? 0 : ms
}

/** A proof counts only while there is no attempt. */
function higher(one: Book, other: Book): Book {
  const pauses = [one, other].map(({ attempts, ms }) => (attempts > 0 ? ms : 0))
  return {
    attempts: Math.max(one.attempts, other.attempts),
    refusals: Math.max(one.refusals, other.refusals),
    ms: Math.max(...pauses),
  }
}
