import { Secret } from '../../src/config/secret.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { SessionStore, StoreFailure } from '../../src/sharing/store.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import type { RefusalBook } from '../../src/token/refusals.ts'
import type { StoreFailureReason } from '../../src/token/sharing.ts'
import { createTokenSource } from '../../src/token/source.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { credentialsOf, memoryBook } from '../token/source-support.ts'
import { DOWN, grant, REFUSED, RULES } from '../token/support.ts'
import { StoreRules } from './store-rules.ts'

/** Lets through what a process gets to know. */
type Passed = <T>(promise: Promise<T>) => Promise<T>

/** A store in memory that does what `store-rules.ts` says, with faults. */
class SimulatedStore extends StoreRules {
  /** Why no replica reaches it. */
  down: StoreFailureReason | undefined
  /** Replicas that do not reach it. */
  readonly cutOff = new Set<number>()
  /** Messages are lost. */
  quiet = false
  /** Milliseconds that an operation takes; from 500 on its reply is lost. */
  latency = 1
  /** Called with each record that replaces another. */
  onReplace: (former: string, latter: string) => void = () => undefined
  readonly #clock: ManualClock
  readonly #lookers = new Map<number, () => void>()

  constructor(clock: ManualClock) {
    super(() => clock.now())
    this.#clock = clock
  }

  /** Every replica that reaches it looks, as after a connection. */
  reconnect(): void {
    for (const [index, look] of this.#lookers) if (!this.cutOff.has(index)) look()
  }

  /** The store as one replica sees it. */
  connect(index: number, passed: Passed): SessionStore {
    const cut = () => this.down ?? (this.cutOff.has(index) ? 'unreachable' : undefined)
    const failure = (reason: StoreFailureReason): StoreFailure => ({ type: 'failure', reason })
    const perform = async <Reply>(act: () => Reply): Promise<Reply | StoreFailure> => {
      const { latency } = this
      await this.#pause(Math.min(latency, 500) / 2)
      const reason = cut()
      if (reason !== undefined) return failure(reason)
      const reply = act()
      await this.#pause(Math.min(latency, 500) / 2)
      return latency >= 500 || this.cutOff.has(index) ? failure('timeout') : reply
    }
    const request = async <Reply>(act: () => Reply): Promise<Reply | StoreFailure> => {
      const askedAt = this.#clock.now()
      const reply = await passed(perform(act))
      // As the client of the real store: a reply that comes after its timeout does not count.
      return this.#clock.now() - askedAt >= 500 ? failure('timeout') : reply
    }
    const send = async (act: () => void): Promise<void> => void (await request(act))
    return {
      claim: (asked) => request(() => this.claim(asked)),
      extend: (lease) => send(() => this.extend(lease)),
      granted: (asked) =>
        request(() => {
          const former = this.read().record
          const reply = this.granted(asked)
          if (reply.type === 'kept' && former !== '') this.onReplace(former, asked.record)
          return reply
        }),
      failed: (asked) => send(() => this.failed(asked)),
      holdOff: (ms) => send(() => this.holdOff(ms)),
      read: () => request(() => this.read()),
      publish: () => send(() => this.quiet || this.reconnect()),
      replicas: () => passed(Promise.resolve(this.#lookers.size)),
      start: (look) => {
        this.#lookers.set(index, () => void passed(Promise.resolve()).then(look))
        return passed(this.#pause(1))
      },
      stop: () => void this.#lookers.delete(index),
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(resolve, ms)
    })
  }
}

const LIFETIME = 300_000

/** An iSales that allows one user one session. */
class SimulatedIsales {
  logins = 0
  refreshes = 0
  refused = 0
  /** The most token requests in flight at any time. */
  most = 0
  down = false
  /** What a refresh gives: a token and a refresh token, a token alone, or the former token. */
  refreshGives: 'both' | 'token' | 'former' = 'both'
  /** Seconds that a refresh token lives. */
  refreshLives = 3600
  /** It rejects its own tokens. */
  broken = false
  readonly passwords = new Set(['right'])
  /** Milliseconds that a token request takes. */
  latency = 200
  /** When each token was granted, by the text. */
  readonly grantedAt = new Map<string, number>()
  #inFlight = 0
  #valid: string | undefined
  #refresh: string | undefined
  readonly #clock: ManualClock

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  accepts(token: Secret | undefined): boolean {
    const text = token?.reveal() ?? ''
    return !this.broken && text === this.#valid && !this.hasEnded(text)
  }

  /** Also for a token that was never granted. */
  hasEnded(token: string): boolean {
    return this.#clock.now() >= (this.grantedAt.get(token) ?? -Infinity) + LIFETIME
  }

  revoke(): void {
    this.#valid = undefined
  }

  login(password: Secret, signal: AbortSignal): Promise<Grant | AuthFailure> {
    return this.#request(signal, () => {
      if (!this.passwords.has(password.reveal())) {
        this.refused += 1
        return REFUSED
      }
      this.logins += 1
      return this.#grant()
    })
  }

  refresh(refreshToken: Secret, signal: AbortSignal): Promise<Grant | AuthFailure> {
    return this.#request(signal, () => {
      if (refreshToken.reveal() !== this.#refresh) return REFUSED
      this.refreshes += 1
      if (this.refreshGives === 'former') return grant({ token: this.#last })
      return this.#grant(this.refreshGives === 'both')
    })
  }

  get #last(): string {
    return `t${this.grantedAt.size}`
  }

  #grant(refreshable = true): Grant {
    const count = this.grantedAt.size + 1
    this.grantedAt.set(`t${count}`, this.#clock.now())
    this.#valid = this.#last
    if (refreshable) this.#refresh = `r${count}`
    const refreshToken = refreshable ? `r${count}` : null
    return grant({ token: this.#last, refreshToken, refreshLives: this.refreshLives })
  }

  async #request(
    signal: AbortSignal,
    respond: () => Grant | AuthFailure,
  ): Promise<Grant | AuthFailure> {
    this.#inFlight += 1
    this.most = Math.max(this.most, this.#inFlight)
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(resolve, this.latency)
      signal.addEventListener('abort', () => resolve())
    })
    this.#inFlight -= 1
    return signal.aborted || this.down ? DOWN : respond()
  }
}

const SEAL = createSeal(new Secret('k'.repeat(32)), 'https://isales', 'obs')

export type Cluster = ReturnType<typeof openCluster>

/** N token sources in one virtual time, on one store and one iSales. */
export function openCluster(size: number, random: () => number = seeded(1)) {
  const clock = manualClock(1_000_000)
  const store = new SimulatedStore(clock)
  const isales = new SimulatedIsales(clock)
  const replicas: Replica[] = []
  let added = 0
  /** What must not happen, and did. */
  const broken: string[] = []
  store.onReplace = (...records) => {
    const [former = 0, latter = 0] = records.map((sealed) =>
      isales.grantedAt.get(SEAL.open(sealed)?.grant.token.reveal() ?? ''),
    )
    if (former > latter) broken.push('a record replaced one that was granted later')
  }
  const add = (password = 'right', refusals: RefusalBook = memoryBook(clock)): Replica => {
    const index = (added += 1)
    const replica = createReplica({ clock, store, isales, index, random, password, refusals })
    replicas.push(replica)
    return replica
  }
  for (let index = 0; index < size; index += 1) add()
  return {
    clock,
    store,
    isales,
    replicas,
    broken,
    add,

    /** Calls on every replica each second; how many were not accepted. */
    traffic: async (ms: number): Promise<number> => {
      let failed = 0
      for (let passed = 0; passed < ms; passed += 1000) {
        for (const { source } of replicas) {
          const sent = source.current()
          if (sent !== undefined && isales.hasEnded(sent.token.reveal())) {
            broken.push('a token was sent after its end, or that iSales did not grant')
          }
          void succeeds({ source, isales, clock }).then((accepted) => {
            if (!accepted) failed += 1
          })
        }
        await clock.advance(Math.min(1000, ms - passed))
      }
      return failed
    },

    /** What is in the store. */
    record: () => SEAL.open(store.read().record),

    /** The tokens that the replicas send now. */
    tokens: () => new Set(replicas.map(({ source }) => source.current()?.token.reveal())),
  }
}

/** One business call: true when iSales accepted it, replays included. */
async function succeeds({
  source,
  isales,
  clock,
}: Pick<Cluster, 'isales' | 'clock'> & Pick<Replica, 'source'>): Promise<boolean> {
  const deadline = clock.now() + 2500
  let token = source.current() ?? (await source.waitForToken({ after: 0, deadline }))
  for (const again of [false, true]) {
    if ('unavailable' in token) return false
    const sentAt = clock.now()
    if (isales.accepts(token.token)) {
      source.accept(token, '/tasks', sentAt)
      return true
    }
    const verdict = source.reject(token, 401, { path: '/tasks', sentAt, again })
    if (verdict === 'relay' || again) return false
    token = await source.waitForToken({ after: token.generation, deadline })
  }
  return false
}

export type Replica = ReturnType<typeof createReplica>

interface ReplicaOptions {
  readonly clock: ManualClock
  readonly store: SimulatedStore
  readonly isales: SimulatedIsales
  readonly index: number
  readonly random: () => number
  readonly password: string
  readonly refusals: RefusalBook
}

function createReplica(options: ReplicaOptions) {
  const { store, isales, index, random, password: first, refusals } = options
  const { clock, passed, freeze, thaw } = freezable(options.clock)
  const events: TokenEvent[] = []
  const share = createShare({
    store: store.connect(index, passed),
    seal: SEAL,
    rules: RULES,
    clock,
    random,
    observe: () => undefined,
  })
  const source = createTokenSource({
    rules: RULES,
    waiters: 1000,
    clock,
    random,
    credentials: credentialsOf(first),
    refusals,
    client: {
      login: ({ password }, signal) => passed(isales.login(password, signal)),
      refresh: ({ refreshToken }, signal) => passed(isales.refresh(refreshToken, signal)),
    },
    obtain: share.obtain,
    observe(event) {
      events.push(event)
      share.onTokenEvent(event)
    },
  })
  share.start(source)
  source.start()
  return {
    index,
    source,
    share,
    events,
    /** Its process does nothing until it is thawed; its replies come then. */
    freeze,
    thaw,
    changePassword(password: string): void {
      source.changeCredentials(credentialsOf(password))
    },
    async stop(): Promise<void> {
      source.stop()
      await share.stop()
    },
  }
}

/** A clock whose timers, and promises that pass it, stand still while the process is frozen. */
function freezable(real: ManualClock) {
  let frozen = false
  const kept: (() => void)[] = []
  const run = (action: () => void): void => {
    if (frozen) kept.push(action)
    else action()
  }
  const passed: Passed = (promise) =>
    new Promise((resolve) => {
      void promise.then((value) => run(() => resolve(value)))
    })
  return {
    clock: {
      now: () => real.now(),
      setTimer(action: () => void, ms: number) {
        let cancelled = false
        const expire = (): void => {
          if (!cancelled) action()
        }
        const timer = real.setTimer(() => run(expire), ms)
        return {
          cancel() {
            cancelled = true
            timer.cancel()
          },
        }
      },
    },
    passed,
    freeze: () => {
      frozen = true
    },
    thaw: () => {
      frozen = false
      for (const action of kept.splice(0)) action()
    },
  }
}

/** The same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}
