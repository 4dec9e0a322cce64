import { Secret } from '../../src/config/secret.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare, type Share } from '../../src/sharing/share.ts'
import type { SharingEvent, StoreFailureReason } from '../../src/token/sharing.ts'
import type { SessionStore, StoreFailure } from '../../src/sharing/store.ts'
import { applyOperation, type StoreOperation, type StoreState } from './store-rules.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { Rules } from '../../src/token/state.ts'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import { createTokenSource, type TokenSource } from '../../src/token/source.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { credentialsOf, memoryBook } from '../token/source-support.ts'
import { DOWN, REFUSED, RULES } from '../token/support.ts'

/** A store in memory that does what `store-rules.ts` says, with faults. */
export class SimulatedStore {
  state: StoreState = new Map()
  /** No replica reaches it. */
  down: StoreFailureReason | undefined
  /** Replicas that do not reach it. */
  readonly cutOff = new Set<number>()
  /** Messages are lost. */
  quiet = false
  /** Milliseconds that an operation takes. */
  latency = 1
  /** Told each record that replaces another. */
  onReplace: ((former: string, latter: string) => void) | undefined
  readonly #clock: ManualClock
  readonly #lookers = new Map<number, () => void>()
  #backup: StoreState = new Map()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  flush(): void {
    this.state = new Map()
  }

  backUp(): void {
    this.#backup = this.state
  }

  rollBack(): void {
    this.state = this.#backup
  }

  /** Every replica that reaches it looks, as after a connection. */
  reconnect(): void {
    for (const [index, look] of this.#lookers) if (!this.cutOff.has(index)) look()
  }

  /** The store as one replica sees it. Replies of an operation over 500 ms are lost, not the operation. */
  connect(index: number): SessionStore {
    const failure = (reason: StoreFailureReason): StoreFailure => ({ type: 'failure', reason })
    const execute = async (operation: StoreOperation): Promise<never> => {
      const { latency } = this
      await this.#pause(Math.min(latency, 500) / 2)
      if (this.down !== undefined) return failure(this.down) as never
      if (this.cutOff.has(index)) return failure('unreachable') as never
      const { state, reply } = applyOperation(this.state, operation, this.#clock.now())
      const former = this.state.get('grant')?.value
      this.state = state
      const latter = state.get('grant')?.value
      if (former !== undefined && latter !== undefined && former !== latter) {
        this.onReplace?.(former, latter)
      }
      await this.#pause(Math.min(latency, 500) / 2)
      if (latency >= 500 || this.cutOff.has(index)) return failure('timeout') as never
      return reply as never
    }
    return {
      claim: (asked) => execute({ ...asked, type: 'claim' }),
      extend: (asked) => execute({ ...asked, type: 'extend' }),
      granted: (asked) => execute({ ...asked, type: 'granted' }),
      failed: (asked) => execute({ ...asked, type: 'failed' }),
      holdOff: (asked) => execute({ ...asked, type: 'hold-off' }),
      read: () => execute({ type: 'read' }),
      publish: async () => {
        await this.#pause(1)
        if (this.quiet || this.down !== undefined || this.cutOff.has(index)) return
        this.reconnect()
      },
      replicas: async () => this.#lookers.size,
      start: (look) => void this.#lookers.set(index, look),
      connected: () => this.#pause(1),
      stop: () => void this.#lookers.delete(index),
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(resolve, ms)
    })
  }
}

/** An iSales that allows one user one session, as its tokens. */
export class SimulatedIsales {
  logins = 0
  refreshes = 0
  refused = 0
  /** Token requests in flight now, and the most at any time. */
  inFlight = 0
  most = 0
  down = false
  lifetime = 300_000
  readonly passwords = new Set(['right'])
  /** Milliseconds that a token request takes. */
  latency = 200
  #valid: string | undefined
  #refresh: string | undefined
  #count = 0
  readonly #clock: ManualClock
  /** When each token was granted, by the text. */
  readonly grantedAt = new Map<string, number>()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  accepts(token: string): boolean {
    return token === this.#valid
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
      if (refreshToken.reveal() !== this.#refresh) {
        return REFUSED
      }
      this.refreshes += 1
      return this.#grant()
    })
  }

  #grant(): Grant {
    this.#count += 1
    const token = `t${this.#count}`
    this.#valid = token
    this.#refresh = `r${this.#count}`
    this.grantedAt.set(token, this.#clock.now())
    return {
      token: new Secret(token),
      lifetime: { ms: this.lifetime, assumed: false },
      refreshToken: new Secret(this.#refresh),
      refreshLifetime: 3_600_000,
    }
  }

  async #request(
    signal: AbortSignal,
    respond: () => Grant | AuthFailure,
  ): Promise<Grant | AuthFailure> {
    this.inFlight += 1
    this.most = Math.max(this.most, this.inFlight)
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(resolve, this.latency)
      signal.addEventListener('abort', () => resolve())
    })
    this.inFlight -= 1
    if (signal.aborted || this.down) return DOWN
    return respond()
  }
}

export interface Replica {
  readonly index: number
  readonly source: TokenSource
  readonly share: Share
  readonly events: readonly TokenEvent[]
  readonly shareEvents: readonly SharingEvent[]
  /** Its process does nothing until it is thawed; its replies come then. */
  freeze(): void
  thaw(): void
  changePassword(password: string): void
  /** One business call: true when iSales accepted it, replays included. */
  call(): Promise<boolean>
  stop(): Promise<void>
}

/** Of all replicas. */
const ACCOUNT = { origin: 'https://isales.example', user: 'obs' }
const SEAL = createSeal(new Secret('k'.repeat(32)), ACCOUNT)

export interface Cluster {
  readonly clock: ManualClock
  readonly store: SimulatedStore
  readonly isales: SimulatedIsales
  readonly replicas: Replica[]
  /** What must not happen, and did. */
  readonly broken: string[]
  /** Looks at a replica before each of its calls. */
  watch?: (replica: Replica) => void
  add(password?: string): Replica
}

/** N token sources in one virtual time, on one store and one iSales. */
export function openCluster(
  size: number,
  random: () => number = seeded(1),
  rules: Partial<Rules> = {},
): Cluster {
  const clock = manualClock(1_000_000)
  const store = new SimulatedStore(clock)
  const isales = new SimulatedIsales(clock)
  const replicas: Replica[] = []
  let added = 0
  const cluster: Cluster = {
    clock,
    store,
    isales,
    replicas,
    broken: [],
    add(password = 'right') {
      const replica = createReplica(cluster, (added += 1), random, { password, rules })
      replicas.push(replica)
      return replica
    },
  }
  store.onReplace = (former, latter) => {
    const [one, other] = [former, latter].map((sealed) => {
      const token = SEAL.open(sealed)?.record.token.reveal() ?? ''
      return isales.grantedAt.get(token) ?? 0
    })
    if ((one ?? 0) > (other ?? 0))
      cluster.broken.push('a record replaced one that was granted later')
  }
  for (let index = 0; index < size; index += 1) cluster.add()
  return cluster
}

function createReplica(
  { clock: real, store, isales }: Cluster,
  index: number,
  random: () => number,
  start: { readonly password: string; readonly rules: Partial<Rules> },
): Replica {
  const frozen = freezable(real)
  const { clock } = frozen
  const events: TokenEvent[] = []
  const shareEvents: SharingEvent[] = []
  const rules = { ...RULES, ...start.rules }
  const share = createShare({
    store: thawing(store.connect(index), frozen.passed),
    seal: SEAL,
    rules,
    processId: String(index).padStart(16, 'p'),
    clock,
    random,
    observe: (event) => shareEvents.push(event),
  })
  const source = createTokenSource({
    rules,
    waiters: 1000,
    clock,
    random,
    credentials: credentialsOf(start.password),
    refusals: memoryBook(real),
    client: {
      login: ({ password }, signal) => frozen.passed(isales.login(password, signal)),
      refresh: ({ refreshToken }, signal) => frozen.passed(isales.refresh(refreshToken, signal)),
    },
    obtain: share.obtain,
    observe(event) {
      events.push(event)
      share.onTokenEvent(event)
    },
  })
  share.start(source)
  source.start()
  const attempt = async (after: number): Promise<boolean> => {
    const deadline = clock.now() + 2500
    const token = source.current() ?? (await source.waitForToken({ after, deadline }))
    if ('unavailable' in token) return false
    const sentAt = clock.now()
    if (isales.accepts(token.token.reveal())) {
      source.accept(token, '/tasks', sentAt)
      return true
    }
    if (
      source.reject(token, 401, { path: '/tasks', sentAt, again: after > 0 }) === 'relay' ||
      after > 0
    )
      return false
    const newer = await source.waitForToken({ after: token.generation, deadline })
    if ('unavailable' in newer) return false
    const accepted = isales.accepts(newer.token.reveal())
    if (accepted) source.accept(newer, '/tasks', clock.now())
    else source.reject(newer, 401, { path: '/tasks', sentAt: clock.now(), again: true })
    return accepted
  }
  return {
    index,
    source,
    share,
    events,
    shareEvents,
    freeze: () => frozen.freeze(),
    thaw: () => frozen.thaw(),
    changePassword(password) {
      source.changeCredentials(credentialsOf(password))
    },
    call: () => attempt(0),
    async stop() {
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
  return {
    clock: {
      now: () => real.now(),
      setTimer(action: () => void, ms: number) {
        let cancelled = false
        const timer = real.setTimer(() => {
          run(() => {
            if (!cancelled) action()
          })
        }, ms)
        return {
          cancel() {
            cancelled = true
            timer.cancel()
          },
        }
      },
    },
    passed: <T>(promise: Promise<T>): Promise<T> =>
      new Promise((resolve) => {
        void promise.then((value) => run(() => resolve(value)))
      }),
    freeze() {
      frozen = true
    },
    thaw() {
      frozen = false
      for (const action of kept.splice(0)) action()
    },
  }
}

function thawing(
  store: SessionStore,
  passed: <T>(promise: Promise<T>) => Promise<T>,
): SessionStore {
  return {
    claim: (asked) => passed(store.claim(asked)),
    extend: (asked) => passed(store.extend(asked)),
    granted: (asked) => passed(store.granted(asked)),
    failed: (asked) => passed(store.failed(asked)),
    holdOff: (asked) => passed(store.holdOff(asked)),
    read: () => passed(store.read()),
    publish: () => passed(store.publish()),
    replicas: () => passed(store.replicas()),
    start: (look) => {
      store.start(() => void passed(Promise.resolve()).then(look))
    },
    connected: (ms) => passed(store.connected(ms)),
    stop: () => store.stop(),
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
