import { Secret } from '../../src/config/secret.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { SessionStore, StoreFailure } from '../../src/sharing/store.ts'
import { memoryHome, type Credentials } from '../../src/token/attempts.ts'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import { createTokenSource } from '../../src/token/source.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { RULES as DEFAULT_RULES } from '../token/support.ts'
import { StoreRules } from './store-rules.ts'

const RULES = { ...DEFAULT_RULES, loginRejectedAttempts: 3 }

const REFUSED: AuthFailure = { kind: 'refused', reason: 'rejected', status: 403, detail: '' }
const DOWN: AuthFailure = { kind: 'untouched', reason: 'unavailable', detail: 'ECONNREFUSED' }

function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}

/** A store in memory that does what `store-rules.ts` says, with faults. */
class SimulatedStore extends StoreRules {
  /** The one replica that does not reach it; 1 for the first. */
  cutOff: number | undefined
  readonly #clock: ManualClock
  readonly #lookers = new Map<number, () => void>()

  constructor(clock: ManualClock) {
    super(() => clock.now())
    this.#clock = clock
  }

  /** Every replica that reaches it looks, as after a connection. */
  reconnect(): void {
    for (const look of this.#lookers.values()) look()
  }

  /** The store as one replica sees it. */
  connect(index: number): SessionStore {
    const request = async <Reply>(act: () => Reply): Promise<Reply | StoreFailure> => {
      await this.#pause(0.5)
      if (this.cutOff === index) return { type: 'failure', reason: 'unreachable' }
      const reply = act()
      await this.#pause(0.5)
      return reply
    }
    const send = async (act: () => void): Promise<void> => void (await request(act))
    return {
      claim: (asked) => request(() => this.claim(asked)),
      extend: (lease) => send(() => this.extend(lease)),
      granted: (asked) => request(() => this.granted(asked)),
      failed: (asked) => send(() => this.failed(asked)),
      read: () => request(() => this.read()),
      publish: () => send(() => this.reconnect()),
      replicas: () => Promise.resolve(this.#lookers.size),
      start: (look) => {
        this.#lookers.set(index, () => void Promise.resolve().then(look))
        return this.#pause(1)
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

/** An iSales that allows one user one session. */
class SimulatedIsales {
  logins = 0
  refreshes = 0
  refused = 0
  /** The most token requests in flight at any time. */
  most = 0
  /** Milliseconds that a token lives, and that a token request takes. */
  lifetime = 300_000
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
    return text === this.#valid && !this.hasEnded(text)
  }

  /** Also for a token that was never granted. */
  hasEnded(token: string): boolean {
    return this.#clock.now() >= (this.grantedAt.get(token) ?? -Infinity) + this.lifetime
  }

  revoke(): void {
    this.#valid = undefined
  }

  login(password: Secret, signal: AbortSignal): Promise<Grant | AuthFailure> {
    return this.#request(signal, (sentAt) => {
      if (password.reveal() !== 'right') {
        this.refused += 1
        return REFUSED
      }
      this.logins += 1
      return this.#grant(sentAt)
    })
  }

  refresh(refreshToken: Secret, signal: AbortSignal): Promise<Grant | AuthFailure> {
    return this.#request(signal, (sentAt) => {
      if (refreshToken.reveal() !== this.#refresh) return REFUSED
      this.refreshes += 1
      return this.#grant(sentAt)
    })
  }

  #grant(sentAt: number): Grant {
    const count = this.grantedAt.size + 1
    this.#valid = `t${count}`
    this.#refresh = `r${count}`
    this.grantedAt.set(this.#valid, this.#clock.now())
    return {
      token: new Secret(this.#valid),
      sentAt,
      lifetime: { ms: this.lifetime },
      refreshToken: new Secret(this.#refresh),
      refreshLifetime: 3_600_000,
    }
  }

  async #request(
    signal: AbortSignal,
    respond: (sentAt: number) => Grant | AuthFailure,
  ): Promise<Grant | AuthFailure> {
    const sentAt = this.#clock.now()
    this.#inFlight += 1
    this.most = Math.max(this.most, this.#inFlight)
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(resolve, this.latency)
      signal.addEventListener('abort', () => resolve())
    })
    this.#inFlight -= 1
    if (signal.aborted) return DOWN
    return respond(sentAt)
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
  for (let index = 1; index <= size; index += 1)
    replicas.push(createReplica({ clock, store, isales, index, random }))
  return {
    clock,
    store,
    isales,
    replicas,

    /** Calls on every replica, one each so many milliseconds; how many were not accepted. */
    traffic: async (ms: number, each = 1000): Promise<number> => {
      let failed = 0
      for (let passed = 0; passed < ms; passed += each) {
        for (const { source } of replicas) {
          void succeeds({ source, isales, clock }).then((accepted) => {
            if (!accepted) failed += 1
          })
        }
        await clock.advance(Math.min(each, ms - passed))
      }
      return failed
    },

    /** The tokens that the replicas send now. */
    tokens: () => new Set(replicas.map(({ source }) => source.current()?.token.reveal())),
  }
}

const LATENCY = 6

/** One business call: true when iSales accepted it, replays included. */
async function succeeds({
  source,
  isales,
  clock,
}: Pick<Cluster, 'isales' | 'clock'> & Pick<Replica, 'source'>): Promise<boolean> {
  const deadline = clock.now() + 2500
  let token = source.current() ?? (await source.waitForToken({ deadline }))
  let rejected: number | undefined
  for (let replays = 0; !('unavailable' in token); replays += 1) {
    const sentAt = clock.now()
    const accepted = isales.accepts(token.token)
    await new Promise<void>((resolve) => {
      clock.setTimer(resolve, LATENCY)
    })
    if (accepted) {
      source.accept(token, sentAt, rejected)
      return true
    }
    const call = { status: 401, rejected, replays, replayable: true, deadline }
    const verdict = await source.reject(token, call)
    if (verdict.type !== 'replay') return false
    rejected = token.generation
    token = verdict.token
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
}

function createReplica(options: ReplicaOptions) {
  const { clock, store, isales, index, random } = options
  const parts = { rules: RULES, home: memoryHome(), clock, random }
  const share = createShare({
    ...parts,
    store: store.connect(index),
    seal: SEAL,
    observe: () => undefined,
  })
  const source = createTokenSource({
    ...parts,
    credentials: credentialsOf('right'),
    client: share.wrap({
      login({ password }, { onSent, signal }) {
        onSent()
        return isales.login(password, signal)
      },
      refresh({ refreshToken }, { onSent, signal }) {
        onSent()
        return isales.refresh(refreshToken, signal)
      },
    }),
    observe: () => undefined,
  })
  share.start(source.adopt)
  source.start()
  return {
    source,
    share,
    changePassword(password: string): void {
      source.changeCredentials(credentialsOf(password))
    },
    async stop(): Promise<void> {
      await source.stop()
      await share.stop()
    },
  }
}

/** The same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}
