import { Secret } from '../../src/config/secret.ts'
import type { StoreFailureReason } from '../../src/sharing/events.ts'
import { createSeal } from '../../src/sharing/seal.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { SessionStore, StoreFailure } from '../../src/sharing/store.ts'
import {
  memoryHome,
  withAttempts,
  type AttemptHome,
  type Credentials,
} from '../../src/token/attempts.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import { createTokenSource } from '../../src/token/source.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { RULES as DEFAULT_RULES } from '../token/support.ts'
import { StoreRules } from './store-rules.ts'

const RULES = { ...DEFAULT_RULES, loginRejectedAttempts: 3 }

const REFUSED: AuthFailure = { kind: 'refused', reason: 'rejected', status: 403, detail: '' }
const DOWN: AuthFailure = { kind: 'untouched', reason: 'unavailable', detail: 'ECONNREFUSED' }
const LOST: AuthFailure = { kind: 'unclear', reason: 'timeout', detail: 'timeout' }

export function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}

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
  /** Looks, and the most of them in flight at any time. */
  reads = 0
  mostReads = 0
  #reading = 0
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
      read: async () => {
        this.reads += 1
        this.#reading += 1
        this.mostReads = Math.max(this.mostReads, this.#reading)
        const reply = await request(() => this.read())
        this.#reading -= 1
        return reply
      },
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

/** An iSales that allows one user one session. */
class SimulatedIsales {
  logins = 0
  refreshes = 0
  refused = 0
  /** Logins that it looked at. */
  judged = 0
  /** The most token requests in flight at any time. */
  most = 0
  down = false
  /** It judges, and its responses are lost. */
  silent = false
  /** What a refresh gives: a token and a refresh token, a token alone, or the former token. */
  refreshGives: 'both' | 'token' | 'former' = 'both'
  /** Seconds that a refresh token lives. */
  refreshLives = 3600
  readonly passwords = new Set(['right'])
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
      this.judged += 1
      if (!this.passwords.has(password.reveal())) {
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
      if (this.refreshGives === 'former') return this.#given(sentAt, true)
      return this.#grant(sentAt, this.refreshGives === 'both')
    })
  }

  #grant(sentAt: number, refreshable = true): Grant {
    const count = this.grantedAt.size + 1
    this.#valid = `t${count}`
    this.grantedAt.set(this.#valid, this.#clock.now())
    if (refreshable) this.#refresh = `r${count}`
    return this.#given(sentAt, refreshable)
  }

  #given(sentAt: number, refreshable: boolean): Grant {
    const count = this.grantedAt.size
    return {
      token: new Secret(`t${count}`),
      sentAt,
      lifetime: { ms: this.lifetime },
      refreshToken: refreshable ? new Secret(`r${count}`) : undefined,
      refreshLifetime: this.refreshLives * 1000,
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
    if (signal.aborted || this.down) return DOWN
    const response = respond(sentAt)
    return this.silent ? LOST : response
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
  /** Records that replaced one which was granted later. */
  const counts = { outOfOrder: 0 }
  store.onReplace = (...records) => {
    const [former = 0, latter = 0] = records.map((sealed) =>
      isales.grantedAt.get(SEAL.open(sealed)?.grant.token.reveal() ?? ''),
    )
    // Of two that were in flight at the same time nobody knows.
    if (former > latter + isales.latency) counts.outOfOrder += 1
  }
  const add = (password = 'right', home: AttemptHome = memoryHome()): Replica => {
    const index = (added += 1)
    const replica = createReplica({ clock, store, isales, index, random, password, home })
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
    counts,
    add,

    /** Calls on every replica, one each so many milliseconds; how many were not accepted. */
    traffic: async (ms: number, each = 1000): Promise<number> => {
      let failed = 0
      for (let passed = 0; passed < ms; passed += each) {
        for (const { source } of replicas) {
          const sent = source.current()
          if (sent !== undefined && isales.hasEnded(sent.token.reveal())) {
            broken.push('a token was sent after its end, or that iSales did not grant')
          }
          void succeeds({ source, isales, clock }).then((accepted) => {
            if (!accepted) failed += 1
          })
        }
        await clock.advance(Math.min(each, ms - passed))
      }
      return failed
    },

    /** What is in the store. */
    record: () => SEAL.open(store.read().record),

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
  readonly password: string
  readonly home: AttemptHome
}

function createReplica(options: ReplicaOptions) {
  const { store, isales, index, random, password: first, home } = options
  const { clock, passed, freeze, thaw } = freezable(options.clock)
  const events: TokenEvent[] = []
  const parts = { rules: RULES, home, clock, random }
  const share = createShare({
    ...parts,
    store: store.connect(index, passed),
    seal: SEAL,
    observe: () => undefined,
  })
  const source = createTokenSource({
    ...parts,
    credentials: credentialsOf(first),
    client: share.wrap(
      withAttempts({
        ...parts,
        home: share.home,
        client: {
          login({ password }, { onSent, signal }) {
            onSent()
            return passed(isales.login(password, signal))
          },
          refresh({ refreshToken }, { onSent, signal }) {
            onSent()
            return passed(isales.refresh(refreshToken, signal))
          },
        },
      }),
    ),
    observe: (event) => void events.push(event),
  })
  share.start(source.adopt)
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
      await source.stop()
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
